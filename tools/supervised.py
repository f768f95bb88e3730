"""Starting, finding again and stopping the daemons of a work directory.

Standard library only: it runs before anything is installed.
"""

import abc
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
import typing

LOOPBACK = "127.0.0.1"
PORTS = (10240, 32768)
_given_ports: set[int] = set()
_giving = threading.Lock()
STOP_TIMEOUT_S = 20.0


class ServiceFailed(Exception):
    """A daemon did not start; the message says why and where its log is."""


def wait_until(
    condition: typing.Callable[[], bool], timeout_s: float, interval_s: float = 0.1
) -> bool:
    """Poll ``condition``; False when ``timeout_s`` passed first."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval_s)
    return True


def started_ticks(pid: int) -> int | None:
    """Start time of a live process in clock ticks since boot, else None."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def free_port() -> int:
    """A TCP port of the loopback address nobody listens on now, and that this process
    has given to nobody else.

    It is below those that the kernel gives to outgoing connections: one of these
    could take it before the daemon that it was chosen for has started.
    """
    while True:
        port = random.randrange(*PORTS)
        with _giving:
            if port in _given_ports or not port_is_free(port):
                continue
            _given_ports.add(port)
            return port


def port_is_free(port: int) -> bool:
    """Whether one could listen on this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def port_answers(port: int, greeting: bytes = b"") -> bytes | None:
    """Connect, say ``greeting`` and return the first bytes of the answer, or None."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=2) as connection:
            if greeting:
                connection.sendall(greeting)
            return connection.recv(64)
    except OSError:
        return None


def _units() -> bool:
    """Whether systemd runs this machine, and would run daemons for us."""
    return os.getuid() == 0 and pathlib.Path("/run/systemd/system").is_dir()


def program(name: str, *places: str) -> str:
    """Path of a program in PATH, the system directories or ``places``.

    :raises ServiceFailed: it is not installed.
    """
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", *places])
    found = shutil.which(name, path=path)
    if found is None:
        raise ServiceFailed(f"{name} is not installed; run: tools/install")
    return found


@dataclasses.dataclass(frozen=True)
class Process:
    """A process of ours, told by its start from a later one with the same pid."""

    pid: int
    started_ticks: int

    def alive(self) -> bool:
        """Whether this very process still runs."""
        # A child of ours that ended is a zombie until somebody asks.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        return started_ticks(self.pid) == self.started_ticks

    def stop(self) -> None:
        """Ask it to end; if it does not listen, end its whole group."""
        if not self.alive():
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        wait_until(lambda: not self.alive(), STOP_TIMEOUT_S)
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            wait_until(lambda: not self.alive(), 5.0)


class Work:
    """The work directory: data, logs, and what is known of running daemons."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path.absolute()
        self.logs = self.path / "logs"
        self.env_file = self.path / "services.env"
        self.logs.mkdir(parents=True, exist_ok=True)

    def load(self, service: str) -> dict[str, typing.Any]:
        """What was recorded of a service: ``ports``, ``processes``, ``env``."""
        path = self.path / f"{service}.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def save(self, service: str, facts: dict[str, typing.Any]) -> None:
        """Record, so that another run finds it."""
        self._write(self.path / f"{service}.json", json.dumps(facts, indent=2) + "\n")

    def forget(self, service: str) -> None:
        """Undo :meth:`save`."""
        (self.path / f"{service}.json").unlink(missing_ok=True)

    def write_env(self, services: typing.Iterable[str]) -> None:
        """Write the environment of every running service to one file."""
        lines = [
            f"{key}={value}\n"
            for service in services
            for key, value in self.load(service).get("env", {}).items()
        ]
        self._write(self.env_file, "".join(lines))

    @staticmethod
    def _write(path: pathlib.Path, text: str) -> None:
        draft = path.with_suffix(f".{os.getpid()}.draft")
        draft.write_text(text)
        draft.replace(path)


@dataclasses.dataclass(frozen=True)
class Options:
    """What the caller chose."""

    ports: dict[str, int] = dataclasses.field(default_factory=dict)
    """Fixed main port by service; others get a free one."""
    durable: bool = False
    """Keep the databases' default durability instead of speed."""
    management: bool = False
    """RabbitMQ's management plugin."""


class Service(abc.ABC):
    """One daemon: how it is started, and how one knows that it answers."""

    name: typing.ClassVar[str]
    port_names: typing.ClassVar[tuple[str, ...]] = ()
    start_timeout_s: typing.ClassVar[float] = 120.0

    def __init__(self, work: Work, options: Options) -> None:
        self.work = work
        self.options = options
        self.facts = work.load(self.name)
        self.home = work.path / self.name
        self.log = work.logs / f"{self.name}.log"

    @abc.abstractmethod
    def launch(self) -> None:
        """Start the processes."""

    @abc.abstractmethod
    def answers(self) -> bool:
        """Whether it does its work."""

    @abc.abstractmethod
    def env(self) -> dict[str, str]:
        """What others need to reach it."""

    def processes(self) -> list[Process]:
        """What we started and still runs."""
        recorded = [Process(*item) for item in self.facts.get("processes", [])]
        return [process for process in recorded if process.alive()]

    def running(self) -> bool:
        """Whether our daemon runs and answers."""
        return bool(self.processes()) and self.answers()

    def start(self) -> str:
        """Start if needed, and return when it answers.

        :raises ServiceFailed: it did not.
        """
        if self.running():
            return "runs already"
        began = time.monotonic()
        self.stop()
        try:
            self._choose_ports()
            self.home.mkdir(parents=True, exist_ok=True)
            self.log.unlink(missing_ok=True)
            self.launch()
            if not wait_until(self._answers_or_died, self.start_timeout_s):
                raise ServiceFailed(f"no answer in {self.start_timeout_s:.0f} s")
        except ServiceFailed as error:
            self.stop()
            raise ServiceFailed(f"{error} (log: {self.log})") from None
        self.facts["env"] = self.env()
        self.work.save(self.name, self.facts)
        return f"started in {time.monotonic() - began:.1f} s"

    def stop(self) -> str:
        """Stop what we started."""
        processes = self.processes()
        for process in reversed(processes):
            process.stop()
        self.facts["processes"] = []
        self.facts.pop("env", None)
        self.work.save(self.name, self.facts)
        return "stopped" if processes else "was not running"

    def halt(self) -> str:
        """Stop everything that it is responsible for, not only the daemon."""
        return self.stop()

    def purge(self) -> str:
        """Stop, and remove the data; the log stays."""
        done = self.halt()
        for directory in (self.home, pathlib.Path(self.facts.get("data", self.home))):
            shutil.rmtree(directory, ignore_errors=True)
        self.work.forget(self.name)
        return f"{done}; its data is gone"

    def clean(self) -> str:
        """Stop, and remove data and log."""
        done = self.purge()
        self.log.unlink(missing_ok=True)
        return done

    def port(self, name: str = "port") -> int:
        """A chosen port."""
        return int(self.facts["ports"][name])

    def run(self, argv: list[str], **popen: typing.Any) -> None:
        """A preparatory command, to its end.

        :raises ServiceFailed: it failed.
        """
        with self.log.open("ab") as log:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=240, **popen
            )
        if done.returncode:
            raise ServiceFailed(f"{argv[0]} ended with {done.returncode}")

    def spawn(self, argv: list[str], **popen: typing.Any) -> None:
        """A daemon in the foreground, recorded at once: a unit of its own where systemd
        is process 1, else a session of its own."""
        pid = self._spawn_unit(argv, popen) if _units() else self._spawn_session(argv, popen)
        self.facts["processes"].append((pid, started_ticks(pid) or 0))
        self.work.save(self.name, self.facts)

    def _spawn_session(self, argv: list[str], popen: dict[str, typing.Any]) -> int:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **popen,
            ).pid

    def _spawn_unit(self, argv: list[str], popen: dict[str, typing.Any]) -> int:
        """A transient unit: ``systemctl status 'nova-lite-*'`` shows it."""
        unit = f"nova-lite-{self.name}-{os.urandom(4).hex()}.service"
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        properties = [
            "Type=exec",
            f"StandardOutput=append:{self.log}",
            f"StandardError=append:{self.log}",
            f"LimitNOFILE={limit}",
            f"WorkingDirectory={popen.get('cwd', pathlib.Path.cwd())}",
        ]
        for key, option in (("user", "User"), ("group", "Group")):
            if key in popen:
                properties.append(f"{option}={popen[key]}")
        self.run(
            [
                *("systemd-run", "--quiet", "--collect", f"--unit={unit}"),
                *(f"--property={value}" for value in properties),
                *(f"--setenv={k}={v}" for k, v in popen.get("env", os.environ).items()),
                *argv,
            ]
        )
        shown = subprocess.run(
            ["systemctl", "show", "--property=MainPID", "--value", unit],
            capture_output=True,
            text=True,
            timeout=20,
        )
        if not int(shown.stdout or "0"):
            raise ServiceFailed("it ended at once")
        return int(shown.stdout)

    def _answers_or_died(self) -> bool:
        if len(self.processes()) < len(self.facts["processes"]):
            raise ServiceFailed("it ended while starting")
        return self.answers()

    def _choose_ports(self) -> None:
        ports = self.facts.setdefault("ports", {})
        for name in self.port_names:
            asked = self.options.ports.get(self.name, 0) if name == "port" else 0
            if asked and not port_is_free(asked):
                raise ServiceFailed(f"port {asked} is taken")
            if asked or name not in ports or not port_is_free(ports[name]):
                ports[name] = asked or free_port()
        _given_ports.update(ports.values())
