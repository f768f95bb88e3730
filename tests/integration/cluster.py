"""nova_lite as an operator runs it: daemons in processes of their own.

A :class:`Cluster` has its own virtual host on the broker, its own databases, its
own ports and its own directory, so that clusters do not meet. It is configured
only by files: the sample of oslo-config-generator and one with values.
"""

import collections.abc
import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import typing
import urllib.error
import urllib.request
import uuid

import pymysql
from supervised import free_port
from supervised import LOOPBACK
from supervised import wait_until

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
CLOUD = "nova-lite"
DAEMONS = ("api", "conductor", "scheduler", "compute")
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0

Body: typing.TypeAlias = dict[str, typing.Any]


class NotInTime(AssertionError):
    """A condition did not become true."""


def wait_for(
    condition: collections.abc.Callable[[], typing.Any],
    what: str,
    timeout_s: float = 30.0,
) -> typing.Any:
    """Poll until ``condition`` returns something true, and return that.

    :raises NotInTime: it did not in ``timeout_s``.
    """
    value: typing.Any = None

    def true() -> bool:
        nonlocal value
        value = condition()
        return bool(value)

    if not wait_until(true, timeout_s, 0.03):
        raise NotInTime(f"waited {timeout_s:.0f} s in vain for {what}")
    return value


@dataclasses.dataclass(frozen=True)
class Services:
    """What ``tools/services`` started, from its environment variables."""

    rabbitmq_port: int
    rabbitmqctl: str
    mariadb_port: int

    @classmethod
    def from_environ(cls, environ: collections.abc.Mapping[str, str]) -> "Services":
        """From the variables of ``services.env``."""
        return cls(
            rabbitmq_port=int(environ["RABBITMQ_PORT"]),
            rabbitmqctl=environ["RABBITMQCTL"],
            mariadb_port=int(environ["MARIADB_PORT"]),
        )

    def sql(self, *statements: str) -> None:
        """Run statements as the user of the tests."""
        connection = pymysql.connect(
            host=LOOPBACK, port=self.mariadb_port, user="nova_lite", password="nova_lite"
        )
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def rabbitmq(self, *words: str) -> str:
        """Run rabbitmqctl and return what it printed."""
        done = subprocess.run(
            [self.rabbitmqctl, *words, "--quiet"],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout


class Daemon:
    """One operating-system process of ours."""

    def __init__(self, name: str, argv: list[str], log: pathlib.Path) -> None:
        self.name = name
        self.log = log
        self._argv = argv
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def running(self) -> bool:
        """Whether it lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; see :meth:`wait_ready`."""
        assert not self.running()
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=CHECKOUT,
                env=os.environ | {"PYTHONPATH": str(CHECKOUT), "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        """Return when it says that it serves.

        :raises NotInTime: it did not, or it ended.
        """
        try:
            wait_for(self._ready_or_died, f"{self.name} to be ready", START_TIMEOUT_S)
        except NotInTime as error:
            tail = "\n".join(self.text().splitlines()[-20:])
            raise NotInTime(f"{error}; its log says:\n{tail}") from None

    def kill(self) -> None:
        """As a power cut: SIGKILL, nothing is told to it."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(STOP_TIMEOUT_S)

    def ask_to_stop(self) -> None:
        """SIGTERM, without waiting."""
        self._signal(signal.SIGTERM)

    def stop(self) -> int:
        """As an operator: SIGTERM; returns its exit code.

        :raises NotInTime: it had to be killed.
        """
        if self._process is None:
            return 0
        self.ask_to_stop()
        try:
            return self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise NotInTime(f"{self.name} did not end {STOP_TIMEOUT_S} s after SIGTERM") from None

    def restart(self) -> None:
        """Start again after :meth:`kill` or :meth:`stop`, and wait."""
        self.start()
        self.wait_ready()

    def freeze(self) -> None:
        """SIGSTOP: the process is there and silent."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def text(self) -> str:
        """What it logged since it was started last."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def _signal(self, number: signal.Signals) -> None:
        if self.running():
            os.killpg(self.pid, number)

    def _ready_or_died(self) -> bool:
        if not self.running():
            raise NotInTime(f"{self.name} ended while starting")
        return "READY" in self.text().split()


class Cluster:
    """Four daemons and the two embedded services beside them."""

    def __init__(
        self,
        home: pathlib.Path,
        services: Services,
        *,
        driver: str,
        compute: str = "nova_lite.cmd.compute",
        settings: collections.abc.Mapping[str, collections.abc.Mapping[str, object]] | None = None,
    ) -> None:
        """Nothing runs yet; use it as a context manager.

        :param home: directory of configuration, state and logs.
        :param driver: ``libvirt`` or ``fake``.
        :param compute: module of the compute daemon.
        :param settings: further options by section, above the usual ones.
        """
        self.home = home
        self.services = services
        self.name = f"nova_lite_{uuid.uuid4().hex[:8]}"
        self.state = home / "state"
        self.logs = home / "logs"
        self.clouds_yaml = home / "clouds.yaml"
        self.ports = {name: free_port() for name in ("api", "image", "volume", "identity")}
        self._driver = driver
        self._compute = compute
        self._settings = settings or {}
        self._files = [home / "nova_lite.conf.sample", home / "nova_lite.conf"]
        self.daemons = {
            name: Daemon(name, self._argv(name), self.logs / f"{name}.log")
            for name in ("standalone", *DAEMONS)
        }

    def __enter__(self) -> "Cluster":
        try:
            self._prepare()
            self.start(*self.daemons)
            wait_for(self.all_up, "every service to be up", START_TIMEOUT_S)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        running = [daemon for daemon in self.daemons.values() if daemon.running()]
        for daemon in running:
            daemon.thaw()
            daemon.ask_to_stop()
        for daemon in running:
            with contextlib.suppress(NotInTime):
                daemon.stop()
        self.services.sql(*(f"DROP DATABASE IF EXISTS {name}" for name in self._databases()))
        with contextlib.suppress(subprocess.CalledProcessError):
            self.services.rabbitmq("delete_vhost", self.name)

    def start(self, *names: str) -> None:
        """Start daemons together and wait until all serve."""
        for name in names:
            self.daemons[name].start()
        for name in names:
            self.daemons[name].wait_ready()

    def request(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        *,
        service: str = "api",
        microversion: str = "2.100",
        project: str = "demo",
    ) -> tuple[int, Body]:
        """One HTTP request; its status and parsed body (empty if there is none)."""
        prefix = {"api": "/v2.1", "image": "/v2", "volume": "/v3"}[service]
        kind = {"api": "compute", "image": "image", "volume": "volume"}[service]
        request = urllib.request.Request(
            f"http://{LOOPBACK}:{self.ports[service]}{prefix}{path}",
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={
                "Content-Type": "application/json",
                "Accept": "application/json",
                "X-Project-Id": project,
                "X-User-Id": "demo",
                "X-Roles": "admin,member,reader",
                "OpenStack-API-Version": (
                    f"{kind} {microversion if service == 'api' else '3.60'}"
                ),
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, _parsed(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _parsed(error.read())

    def ok(self, method: str, path: str, body: Body | None = None, **how: typing.Any) -> Body:
        """As :meth:`request`, and the status must be 2xx."""
        status, answer = self.request(method, path, body, **how)
        assert 200 <= status < 300, f"{method} {path}: {status} {answer}"
        return answer

    def upload_image(self, data: bytes) -> str:
        """A raw image in the embedded image service; its id."""
        body = {"name": "image", "disk_format": "raw", "container_format": "bare"}
        image_id = str(self.ok("POST", "/images", body, service="image")["id"])
        upload = urllib.request.Request(
            f"http://{LOOPBACK}:{self.ports['image']}/v2/images/{image_id}/file",
            method="PUT",
            data=data,
            headers={
                "Content-Type": "application/octet-stream",
                "X-Project-Id": "demo",
                "X-Roles": "admin",
            },
        )
        urllib.request.urlopen(upload, timeout=60).close()
        return image_id

    def all_up(self) -> bool:
        """Whether the API reports conductor, scheduler and compute as up."""
        with contextlib.suppress(urllib.error.URLError):
            rows = self.ok("GET", "/os-services")["services"]
            up = {row["binary"] for row in rows if row["state"] == "up"}
            return len(up) >= 3 and any("compute" in binary for binary in up)
        return False

    def server(self, server_id: str) -> Body | None:
        """A server as the API shows it, None if it is gone."""
        status, answer = self.request("GET", f"/servers/{server_id}")
        return answer["server"] if status == 200 else None

    def wait_settled(self, server_id: str, timeout_s: float = 60.0) -> Body:
        """A server in no transitional state.

        :raises NotInTime: it stayed in one.
        """

        def settled() -> Body | None:
            server = self.server(server_id)
            if server is None or server["OS-EXT-STS:task_state"] is not None:
                return None
            return server if server["status"] in ("ACTIVE", "ERROR") else None

        return typing.cast(
            Body, wait_for(settled, f"server {server_id} to become ACTIVE or ERROR", timeout_s)
        )

    def queues(self) -> dict[str, int]:
        """Messages by queue of this cluster's virtual host."""
        listed = self.services.rabbitmq("list_queues", "-p", self.name, "name", "messages")
        rows = [line.split("\t") for line in listed.splitlines() if "\t" in line]
        return {row[0]: int(row[1]) for row in rows if row[1].isdigit()}

    def purge(self, queue: str) -> None:
        """Lose what waits in a queue."""
        self.services.rabbitmq("purge_queue", "-p", self.name, queue)

    @property
    def config_files(self) -> list[str]:
        """What the daemons are configured by."""
        return [str(file) for file in self._files]

    def manage(self, *words: str, status: int = 0) -> str:
        """Run nova-lite-manage, which must end with ``status``; its output."""
        done = subprocess.run(
            [*self._argv("manage"), *words],
            cwd=CHECKOUT,
            env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == status, (
            f"nova-lite-manage {words}: {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done.stdout

    def _argv(self, name: str) -> list[str]:
        configuration = [word for file in self._files for word in ("--config-file", str(file))]
        module = self._compute if name == "compute" else f"nova_lite.cmd.{name}"
        return [sys.executable, "-m", module, *configuration]

    def _databases(self) -> tuple[str, str]:
        return f"{self.name}_api", f"{self.name}_cell"

    def _prepare(self) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(exist_ok=True)
        self._write_configuration()
        self.services.sql(*(f"CREATE DATABASE {name}" for name in self._databases()))
        self.services.rabbitmq("add_vhost", self.name)
        self.services.rabbitmq("set_permissions", "-p", self.name, "guest", ".*", ".*", ".*")
        self.manage("db", "sync")

    def _write_configuration(self) -> None:
        subprocess.run(
            [
                sys.executable,
                *("-m", "oslo_config.generator"),
                *("--config-file", "etc/nova_lite/config-generator.conf"),
                *("--output-file", str(self._files[0])),
            ],
            cwd=CHECKOUT,
            env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
            check=True,
            timeout=120,
        )
        sections = self._values()
        for section, values in self._settings.items():
            sections.setdefault(section, {}).update(values)
        lines = []
        for section, values in sections.items():
            lines.append(f"[{section}]")
            lines += [f"{option} = {value}" for option, value in values.items()]
        self._files[1].write_text("\n".join(lines) + "\n")
        self.clouds_yaml.write_text(
            "clouds:\n"
            f"  {CLOUD}:\n"
            "    auth:\n"
            f"      auth_url: http://{LOOPBACK}:{self.ports['identity']}/v3\n"
            "      username: demo\n"
            "      password: none-is-asked-for\n"
            "      project_name: demo\n"
            "      user_domain_id: default\n"
            "      project_domain_id: default\n"
            "    region_name: RegionOne\n"
            "    compute_api_version: '2.100'\n"
        )

    def _values(self) -> dict[str, dict[str, object]]:
        database = f"mysql+pymysql://nova_lite:nova_lite@{LOOPBACK}:{self.services.mariadb_port}"
        api, cell = self._databases()
        broker = f"guest:guest@{LOOPBACK}:{self.services.rabbitmq_port}"
        return {
            "DEFAULT": {
                "debug": True,
                "host": self.name.replace("_", "-"),
                "state_path": self.state,
                "transport_url": f"rabbit://{broker}/{self.name}",
                "report_interval_s": 1,
            },
            "oslo_messaging_rabbit": {"rabbit_quorum_queue": True},
            "database": {
                "api_connection": f"{database}/{api}",
                "connection": f"{database}/{cell}",
            },
            "api": {"auth_strategy": "noauth", "bind_port": self.ports["api"]},
            "glance": {
                "auth_type": "none",
                "endpoint_url": f"http://{LOOPBACK}:{self.ports['image']}",
            },
            "cinder": {
                "auth_type": "none",
                "endpoint_url": f"http://{LOOPBACK}:{self.ports['volume']}/v3",
            },
            "standalone": {
                "image_port": self.ports["image"],
                "volume_port": self.ports["volume"],
                "identity_port": self.ports["identity"],
                "fault_injection": True,
            },
            "compute": {"driver": self._driver},
            "libvirt": {"virt_type": "qemu"},
        }


def _parsed(data: bytes) -> Body:
    return json.loads(data) if data else {}
