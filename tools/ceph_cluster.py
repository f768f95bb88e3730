"""A Ceph cluster of one monitor, one manager and one OSD, for tests and trials.

It is small and not durable against the loss of a disk: every object exists once.
Otherwise it is Ceph as an OpenStack cloud uses it: cephx, a pool a service and a
user a service with the capabilities of Ceph's own guide for OpenStack.
"""

import base64
import os
import pathlib
import shutil
import struct
import subprocess
import time
import uuid

from supervised import LOOPBACK
from supervised import program
from supervised import Service
from supervised import ServiceFailed

POOLS = ("images", "volumes", "volumes2", "vms", "backups")
"""``volumes2`` is of Cinder's second back end: volumes can migrate."""
OSD_BYTES = 40 * 1024**3
"""Of a sparse file: what is written takes room, no more."""
PLACEMENT_GROUPS = 8
STEP_TIMEOUT_S = 120.0

_MON = "profile rbd"
USERS: dict[str, dict[str, str]] = {
    "client.admin": {"mon": "allow *", "mgr": "allow *", "osd": "allow *", "mds": "allow *"},
    "client.glance": {
        "mon": _MON,
        "mgr": "profile rbd pool=images",
        "osd": "profile rbd pool=images",
    },
    "client.cinder": {
        "mon": _MON,
        "mgr": "profile rbd pool=volumes, profile rbd pool=volumes2, profile rbd pool=vms",
        # Images for writing: a volume from an image is a clone, which its parent notes.
        "osd": (
            "profile rbd pool=volumes, profile rbd pool=volumes2, profile rbd pool=vms,"
            " profile rbd pool=backups, profile rbd pool=images"
        ),
    },
    "client.nova": {
        "mon": _MON,
        "mgr": "profile rbd pool=vms, profile rbd pool=volumes, profile rbd pool=volumes2",
        # Images for writing: a server's snapshot is cloned into them.
        "osd": (
            "profile rbd pool=vms, profile rbd pool=volumes, profile rbd pool=volumes2,"
            " profile rbd pool=images"
        ),
    },
    "mgr.x": {"mon": "allow profile mgr", "osd": "allow *", "mds": "allow *"},
    "osd.0": {"mon": "allow profile osd", "mgr": "allow profile osd", "osd": "allow *"},
    "mon.": {"mon": "allow *"},
}

_DESIGN = repr((POOLS, USERS))


class Ceph(Service):
    """One monitor, one manager, one OSD on a sparse file; cephx is on."""

    name = "ceph"
    port_names = ("v2", "v1")

    def launch(self) -> None:
        """Make the cluster once; then monitor, manager and OSD."""
        fsid = self.facts.setdefault("fsid", str(uuid.uuid4()))
        made = self.home / "made"
        if made.exists() and made.read_text() != _DESIGN:
            raise ServiceFailed("its data are of another version of the tools; clean it first")
        if not made.exists():
            shutil.rmtree(self.home)
            self.home.mkdir()
        self._write_configuration(fsid)
        if not made.exists():
            self._make_monitor(fsid)
        elif (self.home / "monitor.address").read_text() != self._address():
            self._move_monitor()
        self._spawn_daemon("mon", "a")
        self._spawn_daemon("mgr", "x")
        if not made.exists():
            # While the monitor starts; it needs nothing from it but the map made above.
            self._make_osd()
            self._ceph("osd", "new", self.facts["osd_uuid"], "0", "-i", "/dev/null")
        self._spawn_daemon("osd", "0")
        if not made.exists():
            self._make_pools()
            made.write_text(_DESIGN)

    def answers(self) -> bool:
        """An OSD is in, and every placement group can be written to."""
        return self._health() == "HEALTH_OK"

    def env(self) -> dict[str, str]:
        """Where clients find the configuration; it names the users' keyrings."""
        return {
            "CEPH_CONF": str(self._conf),
            "CEPH_FSID": self.facts["fsid"],
            "CEPH_MON_HOST": f"{LOOPBACK}:{self.port('v1')}",
            "CEPH_POOLS": ",".join(POOLS),
        }

    @property
    def _conf(self) -> pathlib.Path:
        return self.home / "ceph.conf"

    @property
    def _monmap(self) -> pathlib.Path:
        return self.home / "monmap"

    def _address(self) -> str:
        return f"[v2:{LOOPBACK}:{self.port('v2')},v1:{LOOPBACK}:{self.port('v1')}]"

    def _write_configuration(self, fsid: str) -> None:
        lines = [
            "[global]",
            f"fsid = {fsid}",
            f"mon_host = {self._address()}",
            "public_network = 127.0.0.0/8",
            "cluster_network = 127.0.0.0/8",
            f"public_addr = {LOOPBACK}",
            f"cluster_addr = {LOOPBACK}",
            f"keyring = {self.home}/ceph.$name.keyring",
            # A socket's path may have 107 characters, and a checkout's may be longer.
            "admin_socket =",
            "log_file =",
            "rbd_default_features = 61",
            "osd_pool_default_size = 1",
            "osd_pool_default_min_size = 1",
            "osd_pool_default_pg_autoscale_mode = off",
            "osd_crush_chooseleaf_type = 0",
            "debug_rocksdb = 0/0",
            "[mon]",
            "mon_allow_pool_size_one = true",
            "mon_warn_on_pool_no_redundancy = false",
            "mon_allow_pool_delete = true",
            "auth_allow_insecure_global_id_reclaim = false",
            "mon_data_avail_warn = 2",
            "mon_data_avail_crit = 1",
            "mgr_initial_modules =",
            f"mon_data = {self.home}/mon",
            "log_to_stderr = true",
            "mon_cluster_log_file =",
            "[mgr]",
            f"mgr_data = {self.home}/mgr",
            "log_to_stderr = true",
            "[osd]",
            f"osd_data = {self.home}/osd",
            f"bluestore_block_size = {OSD_BYTES}",
            "bluestore_block_wal_create = false",
            "osd_memory_target = 939524096",
            "log_to_stderr = true",
        ]
        self._conf.write_text("\n".join(lines) + "\n")

    def _make_monitor(self, fsid: str) -> None:
        """Its store, with every user in it from the start."""
        keys = {user: _new_key() for user in USERS}
        everything = self.home / "everything.keyring"
        _write_private(everything, "".join(_entry(user, keys[user]) for user in USERS))
        for user, key in keys.items():
            if user != "mon.":
                _write_private(self.home / f"ceph.{user}.keyring", _entry(user, key))
        (self.home / "mgr").mkdir()
        self._tool("monmaptool", "--create", "--fsid", fsid, str(self._monmap))
        self._tool("monmaptool", "--addv", "a", self._address(), str(self._monmap))
        self._tool(
            *("ceph-mon", "--mkfs", "--id", "a", "--conf", str(self._conf)),
            *("--monmap", str(self._monmap), "--keyring", str(everything)),
        )
        everything.unlink()
        (self.home / "monitor.address").write_text(self._address())

    def _move_monitor(self) -> None:
        """Somebody took the port while it was stopped: its map must name the new one."""
        mon = ("ceph-mon", "--id", "a", "--conf", str(self._conf))
        self._tool(*mon, "--extract-monmap", str(self._monmap))
        self._tool("monmaptool", "--rm", "a", str(self._monmap))
        self._tool("monmaptool", "--addv", "a", self._address(), str(self._monmap))
        self._tool(*mon, "--inject-monmap", str(self._monmap))
        (self.home / "monitor.address").write_text(self._address())

    def _make_osd(self) -> None:
        (self.home / "osd").mkdir()
        self.facts["osd_uuid"] = str(uuid.uuid4())
        self._tool(
            *("ceph-osd", "--mkfs", "--id", "0", "--conf", str(self._conf)),
            *("--osd-uuid", self.facts["osd_uuid"], "--monmap", str(self._monmap)),
        )

    def _make_pools(self) -> None:
        for pool in POOLS:
            self._ceph("osd", "pool", "create", pool, str(PLACEMENT_GROUPS))
        for pool in POOLS:
            self._tool("rbd", "--conf", str(self._conf), "pool", "init", pool)

    def _spawn_daemon(self, kind: str, identity: str) -> None:
        self.spawn([program(f"ceph-{kind}"), "-f", "--id", identity, "--conf", str(self._conf)])

    def _ceph(self, *words: str) -> None:
        self._tool(
            *("ceph", "--conf", str(self._conf), "--connect-timeout", f"{STEP_TIMEOUT_S:.0f}"),
            *words,
        )

    def _tool(self, *words: str) -> None:
        self.run([program(words[0]), *words[1:]])

    def _health(self) -> str:
        done = subprocess.run(
            [program("ceph"), "--conf", str(self._conf), "--connect-timeout", "5", "health"],
            capture_output=True,
            text=True,
            timeout=30,
        )
        return done.stdout.partition(" ")[0].strip()


def _new_key() -> str:
    """A cephx secret: kind (AES), time of making (s, ns), length, 128 random bits."""
    now_ns = time.time_ns()
    head = struct.pack("<HIIH", 1, now_ns // 10**9, now_ns % 10**9, 16)
    return base64.b64encode(head + os.urandom(16)).decode()


def _entry(user: str, key: str) -> str:
    caps = "".join(f'\tcaps {kind} = "{text}"\n' for kind, text in USERS[user].items())
    return f"[{user}]\n\tkey = {key}\n{caps}"


def _write_private(path: pathlib.Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text)
