"""The cloud that tests of this folder use, and what they find in it."""

import collections.abc
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import typing
import xml.etree.ElementTree

import openstack
import openstack_session
import pymysql
from supervised import LOOPBACK
from supervised import Process
from supervised import wait_until
from supervised import Work

from tests.fixtures import neighbours

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
ADMIN, USER = "realcloud", "realcloud-demo"
"""Clouds of clouds.yaml: the administrator, and somebody without privileges."""
FLAVOR = "nova-lite.tiny"
FIRST_HOST = "compute-1"
CEPH_ZONE, FILES_ZONE = "nova", "files"
"""Availability zones of the two compute hosts, by where local disks are."""
POOLS = ("images", "volumes", "volumes2", "vms", "backups")

Row: typing.TypeAlias = dict[str, typing.Any]


def wait_for(
    condition: collections.abc.Callable[[], typing.Any], what: str, timeout_s: float = 120.0
) -> typing.Any:
    """Poll until ``condition`` returns something true, and return that.

    :raises AssertionError: it did not in ``timeout_s``.
    """
    value: typing.Any = None

    def true() -> bool:
        nonlocal value
        value = condition()
        return bool(value)

    assert wait_until(true, timeout_s, 0.2), f"waited {timeout_s:.0f} s in vain for {what}"
    return value


def output_of(*argv: object, timeout_s: float = 120.0) -> str:
    """What a command printed.

    :raises AssertionError: it failed.
    """
    words = [str(word) for word in argv]
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout_s)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def run(*argv: object, timeout_s: float = 120.0) -> tuple[int, str]:
    """Exit code of a command, and what it printed."""
    words = [str(word) for word in argv]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, timeout=timeout_s)
    return done.returncode, done.stdout


class Cloud:
    """A running cloud of ``tools/realcloud``: its users, and its insides."""

    def __init__(self, directory: pathlib.Path) -> None:
        """:param directory: the work directory of ``tools/realcloud``."""
        self.directory = directory
        self.clouds_yaml = directory / "clouds.yaml"
        lines = (directory / "services.env").read_text().splitlines()
        self.env = dict(line.split("=", 1) for line in lines)
        self.state = pathlib.Path(self.env["REALCLOUD_NOVA_STATE"])
        self._connections: dict[str, openstack.connection.Connection] = {}
        self._clients: dict[str, openstack_session.OpenStackSession] = {}

    @classmethod
    def from_environ(cls) -> "Cloud | None":
        """The cloud that ``NOVA_LITE_TEST_REALCLOUD`` names, if any."""
        directory = os.environ.get(neighbours.REAL_DIRECTORY)
        return cls(pathlib.Path(directory)) if directory else None

    def client(self, cloud: str = USER) -> openstack_session.OpenStackSession:
        """The unmodified ``openstack`` client as one of the users."""
        if cloud not in self._clients:
            self._clients[cloud] = openstack_session.OpenStackSession(
                pathlib.Path(sys.executable).with_name("openstack"),
                self.clouds_yaml,
                cloud,
                timeout_s=120.0,
            )
        return self._clients[cloud]

    def connection(
        self, cloud: str = USER, compute_microversion: str = "2.100"
    ) -> openstack.connection.Connection:
        """openstacksdk as one of the users."""
        key = f"{cloud} {compute_microversion}"
        if key not in self._connections:
            config = openstack.config.OpenStackConfig(config_files=[str(self.clouds_yaml)])
            region = config.get_one(
                cloud,
                compute_default_microversion=compute_microversion,
                volume_default_microversion="3.70",
            )
            self._connections[key] = openstack.connection.Connection(config=region)
        return self._connections[key]

    def close(self) -> None:
        """End clients and connections."""
        for client in self._clients.values():
            client.close()
        for connection in self._connections.values():
            connection.close()

    def up(self) -> None:
        """Start again what was stopped or killed."""
        output_of(
            *(CHECKOUT / "tools" / "realcloud", "up", "--work-dir", self.directory),
            timeout_s=400.0,
        )

    def console(self, server_id: str, pattern: str, timeout_s: float = 240.0) -> re.Match[str]:
        """The last line of a guest's console that matches, once there is one.

        :param pattern: what follows ``NOVA-LITE-GUEST: ``; see tools/guest-image.
        """
        compute = self.connection(ADMIN).compute

        def look() -> re.Match[str] | None:
            text = compute.get_server_console_output(server_id)["output"].replace("\r", "")
            found = list(re.finditer(f"NOVA-LITE-GUEST: {pattern}", text))
            return found[-1] if found else None

        return typing.cast(
            re.Match[str], wait_for(look, f"the guest to say '{pattern}'", timeout_s)
        )

    @contextlib.contextmanager
    def frozen(self, service: str, index: int = 0) -> collections.abc.Iterator[None]:
        """One process of a service, with its children, is there and silent (SIGSTOP).

        :param index: which one, in the order in which they were started.
        """
        process = self._processes(service)[index]
        os.killpg(process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):  # killed meanwhile
                os.killpg(process.pid, signal.SIGCONT)

    def kill(self, service: str) -> None:
        """As a power cut: SIGKILL, nothing is told to it."""
        for process in self._processes(service):
            os.killpg(process.pid, signal.SIGKILL)
            assert wait_until(lambda process=process: not process.alive(), 10.0)

    def _processes(self, service: str) -> list[Process]:
        recorded = Work(self.directory).load(service)["processes"]
        return [Process(*item) for item in recorded]

    def rbd(self, *words: str) -> typing.Any:
        """The ``rbd`` command as Ceph's administrator; its JSON."""
        printed = output_of("rbd", "--conf", self.env["CEPH_CONF"], "--format", "json", *words)
        return json.loads(printed)

    def images(self) -> set[str]:
        """Everything in Ceph's pools: images, snapshots, and what waits in the trash."""
        found = set()
        for pool in POOLS:
            for row in self.rbd("ls", "--long", pool):
                snapshot = f"@{row['snapshot']}" if "snapshot" in row else ""
                found.add(f"{pool}/{row['image']}{snapshot}")
            found |= {f"{pool}/trash:{row['name']}" for row in self.rbd("trash", "ls", pool)}
        return found

    def sql(self, database: str, query: str) -> list[Row]:
        """Rows of a database of this cloud."""
        connection = pymysql.connect(
            host=LOOPBACK,
            port=int(self.env["MARIADB_PORT"]),
            user="nova_lite",
            password="nova_lite",
            database=database,
            cursorclass=pymysql.cursors.DictCursor,
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def manage(self, *words: str) -> str:
        """Run nova-lite-manage with the daemons' configuration; its output."""
        return output_of(
            *(sys.executable, "-m", "nova_lite.cmd.manage"),
            *("--config-file", self.env["REALCLOUD_NOVA_CONF"], *words),
        )

    def domains(self) -> dict[str, str]:
        """XML of this cloud's libvirt domains by UUID; others' are not our business."""
        found = {}
        for uuid in virsh("list", "--all", "--uuid").split():
            shown = subprocess.run(
                ["virsh", "-c", "qemu:///system", "dumpxml", uuid],
                capture_output=True,
                text=True,
                timeout=30,
            )
            # Another cloud's may have gone since it was listed.
            if str(self.state) in shown.stdout:
                found[uuid] = shown.stdout
        return found


def virsh(*words: str) -> str:
    """The ``virsh`` command on the system's libvirt."""
    return output_of("virsh", "-c", "qemu:///system", "--quiet", *words)


def parsed(document: str) -> xml.etree.ElementTree.Element:
    """A domain's XML."""
    return xml.etree.ElementTree.fromstring(document)
