"""Starting and stopping ``nova-lite-allinone`` for a trial, and what it leaves."""

import dataclasses
import hashlib
import json
import os
import pathlib
import sqlite3
import subprocess
import time

from supervised import free_port
from supervised import LOOPBACK
from supervised import port_is_free
from supervised import Process
from supervised import started_ticks
from supervised import wait_until

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
CLOUD = "nova-lite"
DEFAULT_PORTS = {"compute": 8774, "image": 9292, "volume": 8776, "identity": 5000}
START_TIMEOUT_S = 30.0


class AllInOneFailed(Exception):
    """It did not start or stop; the message says why."""


def state_directory(checkout: pathlib.Path) -> pathlib.Path:
    """Where a checkout's service keeps its state.

    QEMU runs as a user of its own and must reach the volumes: below a directory
    that is closed to others (/root, say) it cannot, so /var/tmp serves then.
    """
    inside = checkout / ".work" / "quickstart"
    if all(parent.stat().st_mode & 0o001 for parent in checkout.parents) and (
        checkout.stat().st_mode & 0o001
    ):
        return inside
    digest = hashlib.sha256(str(checkout).encode()).hexdigest()[:12]
    return pathlib.Path("/var/tmp") / f"nova-lite-quickstart-{digest}"


@dataclasses.dataclass(frozen=True)
class Leftover:
    """Something that should be gone."""

    kind: str
    what: str


class AllInOne:
    """One all-in-one service of this checkout."""

    def __init__(self, checkout: pathlib.Path = CHECKOUT) -> None:
        self.venv = checkout / ".venv"
        self.state = state_directory(checkout)
        self.log = checkout / ".work" / "logs" / "allinone.log"
        self.clouds_yaml = self.state / "clouds.yaml"
        self._config = self.state / "nova-lite.conf"
        self._facts = self.state / "quickstart.json"

    @property
    def process(self) -> Process | None:
        """The running service, if any."""
        if not self._facts.exists():
            return None
        recorded = json.loads(self._facts.read_text())
        process = Process(recorded["pid"], recorded["started_ticks"])
        return process if process.alive() else None

    @property
    def kept(self) -> bool:
        """Whether :meth:`keep` was called for it."""
        return self._facts.exists() and bool(json.loads(self._facts.read_text()).get("kept"))

    def keep(self) -> None:
        """Remember that it is meant to stay up."""
        facts = json.loads(self._facts.read_text())
        self._facts.write_text(json.dumps(facts | {"kept": True}))

    def choose_ports(self, fixed: bool) -> dict[str, int]:
        """The usual ports; free ones if another service has them.

        :param fixed: insist on the usual ones.
        :raises AllInOneFailed: ``fixed``, and one of them is taken.
        """
        taken = [port for port in DEFAULT_PORTS.values() if not port_is_free(port)]
        if not taken:
            return dict(DEFAULT_PORTS)
        if fixed:
            raise AllInOneFailed(
                f"port {', '.join(map(str, taken))} of {LOOPBACK} is taken, and --keep promises "
                "the usual ports. See who has it with: ss -ltnp"
            )
        return {name: free_port() for name in DEFAULT_PORTS}

    def start(self, ports: dict[str, int]) -> float:
        """Start on these ports; returns the seconds until it serves.

        :raises AllInOneFailed: it did not get ready.
        """
        began = time.monotonic()
        self.state.mkdir(parents=True, exist_ok=True)
        self.state.chmod(0o755)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._write_configuration(ports)
        with self.log.open("wb") as log:
            child = subprocess.Popen(
                [
                    str(self.venv / "bin" / "nova-lite-allinone"),
                    *("--state-path", str(self.state), "--config-file", str(self._config)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        ticks = started_ticks(child.pid) or 0
        self._facts.write_text(json.dumps({"pid": child.pid, "started_ticks": ticks}))

        def ready() -> bool:
            if child.poll() is not None:
                raise AllInOneFailed(f"nova-lite-allinone ended with {child.returncode}")
            return b"READY" in self.log.read_bytes()

        if not wait_until(ready, START_TIMEOUT_S, 0.05):
            self.stop()
            raise AllInOneFailed(f"nova-lite-allinone was not ready in {START_TIMEOUT_S:.0f} s")
        return time.monotonic() - began

    def stop(self) -> None:
        """Stop it, if it runs."""
        process = self.process
        if process:
            process.stop()
        self._facts.unlink(missing_ok=True)

    def _write_configuration(self, ports: dict[str, int]) -> None:
        self._config.write_text(
            "# Written by tools/quickstart. Everything else has all-in-one's defaults.\n"
            f"[api]\nbind_port = {ports['compute']}\n"
            f"[standalone]\nimage_port = {ports['image']}\nvolume_port = {ports['volume']}\n"
            f"identity_port = {ports['identity']}\n"
        )
        self.clouds_yaml.write_text(
            "clouds:\n"
            f"  {CLOUD}:\n"
            "    auth:\n"
            f"      auth_url: http://{LOOPBACK}:{ports['identity']}/v3\n"
            "      username: demo\n"
            "      password: none-is-asked-for\n"
            "      project_name: demo\n"
            "      user_domain_id: default\n"
            "      project_domain_id: default\n"
            "    region_name: RegionOne\n"
            "    compute_api_version: '2.100'\n"
        )


class Traces:
    """What exists outside the API: files, domains, allocations, unfinished work."""

    def __init__(self, service: AllInOne) -> None:
        self._service = service
        self._before = self._now()

    def leftovers(self) -> list[Leftover]:
        """What is there now and was not when this object was made."""
        return sorted(self._now() - self._before, key=lambda item: (item.kind, item.what))

    def _now(self) -> set[Leftover]:
        return {*self._files(), *self.domains(), *self._allocations(), *self._unfinished()}

    def _files(self) -> list[Leftover]:
        """Files of servers, volumes and images; not databases, logs and caches."""
        found = []
        for directory, _, names in os.walk(self._service.state):
            if "_base" in pathlib.Path(directory).parts:
                continue
            for name in names:
                path = pathlib.Path(directory) / name
                if path.parent != self._service.state and ".sqlite" not in name:
                    found.append(Leftover("file", str(path)))
        return found

    def domains(self) -> list[Leftover]:
        """Domains with a file of ours; another checkout's are not our business."""
        ours = []
        for uuid in self._virsh("list", "--all", "--uuid").split():
            if str(self._service.state) in self._virsh("dumpxml", uuid):
                ours.append(Leftover("libvirt domain", uuid))
        return ours

    @staticmethod
    def _virsh(*words: str) -> str:
        done = subprocess.run(
            ["virsh", "-c", "qemu:///system", *words], capture_output=True, text=True, timeout=20
        )
        return done.stdout

    def _allocations(self) -> list[Leftover]:
        rows = self._rows("api.sqlite", "SELECT consumer_uuid FROM allocations")
        return [Leftover("allocation", f"of server {row[0]}") for row in rows]

    def _unfinished(self) -> list[Leftover]:
        rows = self._rows(
            "cell.sqlite",
            "SELECT action, instance_uuid FROM instance_actions WHERE finished_at IS NULL",
        )
        return [Leftover("unfinished operation", f"{row[0]} of {row[1]}") for row in rows]

    def _rows(self, database: str, query: str) -> list[tuple[str, ...]]:
        path = self._service.state / database
        if not path.exists():
            return []
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()
