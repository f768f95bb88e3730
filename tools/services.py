"""RabbitMQ, MariaDB, PostgreSQL, Ceph and libvirt for tests and trials, on loopback.

Every daemon keeps its data, log and pid under one work directory and listens on
ports of its own, so that two checkouts (and the machine's own daemons) do not
meet. libvirt is the exception: a machine has one ``qemu:///system``, so a
running one is shared, and one started here is stopped by its last user.
"""

import argparse
import concurrent.futures
import hashlib
import os
import pathlib
import pwd
import resource
import shlex
import subprocess
import sys
import tempfile
import typing

from ceph_cluster import Ceph
from supervised import LOOPBACK
from supervised import Options
from supervised import port_answers
from supervised import Process
from supervised import program
from supervised import Service
from supervised import ServiceFailed
from supervised import started_ticks
from supervised import wait_until
from supervised import Work

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
DATABASES = ("nova_lite_api", "nova_lite_cell")
OPEN_FILES = 65536
"""Erlang sizes tables by the limit: an unlimited one would cost gigabytes."""


class RabbitMQ(Service):
    """A broker with an epmd of its own, so that nodes of two checkouts never meet."""

    name = "rabbitmq"
    port_names = ("port", "epmd", "distribution", "management")
    _BIN = "/usr/lib/rabbitmq/bin"
    """Debian's wrappers in /usr/sbin change the user and the directory."""

    def launch(self) -> None:
        """Start epmd, then the broker: an epmd that Erlang started would outlive us."""
        configuration = [
            f"listeners.tcp.1 = {LOOPBACK}:{self.port()}",
            "log.console = true",
            "log.file = false",
        ]
        if self.options.management:
            configuration += [
                f"management.tcp.ip = {LOOPBACK}",
                f"management.tcp.port = {self.port('management')}",
            ]
        (self.home / "rabbitmq.conf").write_text("\n".join(configuration) + "\n")
        plugins = "[rabbitmq_management]." if self.options.management else "[]."
        (self.home / "enabled_plugins").write_text(plugins + "\n")
        settings = self._settings()
        self._write_rabbitmqctl(settings)
        environ = os.environ | settings
        self.spawn([program("epmd")], env=environ)
        self.spawn([f"{self._BIN}/rabbitmq-server"], env=environ)

    def _write_rabbitmqctl(self, settings: dict[str, str]) -> None:
        """A rabbitmqctl that finds this broker and no other."""
        words = [f"{key}={value}" for key, value in settings.items()]
        script = self.home / "rabbitmqctl"
        command = shlex.join(["env", *words, f"{self._BIN}/rabbitmqctl"])
        script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        script.chmod(0o755)

    def _settings(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(self.port("epmd")),
            # The script then becomes the broker instead of waiting for it.
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_SERVER_START_ARGS": "-noinput",
            "RABBITMQ_CONFIG_FILE": str(self.home / "rabbitmq.conf"),
            "RABBITMQ_DIST_PORT": str(self.port("distribution")),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.home / "enabled_plugins"),
            "RABBITMQ_LOG_BASE": str(self.home / "log"),
            "RABBITMQ_MNESIA_BASE": str(self.home / "mnesia"),
            "RABBITMQ_NODENAME": "nova-lite@localhost",
            "RABBITMQ_PID_FILE": str(self.home / "pid"),
            # Schedulers that spin while idle would take the cores from everybody else.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1}"
                " +sbwt none +sbwtdcpu none +sbwtdio none"
            ),
        }

    def answers(self) -> bool:
        """The listeners open before the start is complete, so the log must say so too."""
        if b"Server startup complete" not in self.log.read_bytes():
            return False
        greeting = port_answers(self.port(), b"AMQP\x00\x00\x09\x01")
        return greeting is not None and greeting.startswith(b"\x01\x00\x00")

    def env(self) -> dict[str, str]:
        """Transport URL."""
        return {
            "RABBITMQ_PORT": str(self.port()),
            "RABBITMQ_URL": f"rabbit://guest:guest@{LOOPBACK}:{self.port()}/",
            "RABBITMQ_MANAGEMENT_PORT": str(self.port("management")),
            "RABBITMQCTL": str(self.home / "rabbitmqctl"),
        }


class MariaDB(Service):
    """A server with its own data directory."""

    name = "mariadb"
    port_names = ("port",)

    def launch(self) -> None:
        """Make the data directory once; users and databases at every start."""
        data = self.home / "data"
        user = pwd.getpwuid(os.getuid()).pw_name
        if not (data / "mysql").is_dir():
            self.run(
                [
                    program("mariadb-install-db"),
                    "--no-defaults",
                    f"--datadir={data}",
                    f"--user={user}",
                    "--auth-root-authentication-method=normal",
                    "--skip-test-db",
                    "--innodb-log-file-size=64M",
                ]
            )
        statements = [
            f"CREATE USER IF NOT EXISTS nova_lite@'{LOOPBACK}' IDENTIFIED BY 'nova_lite';",
            f"GRANT ALL ON *.* TO nova_lite@'{LOOPBACK}';",
        ]
        statements += [
            f"CREATE DATABASE IF NOT EXISTS {database} CHARACTER SET utf8mb4;"
            for database in DATABASES
        ]
        prepare = self.home / "prepare.sql"
        prepare.write_text("\n".join(statements) + "\n")
        self.spawn(
            [
                program("mariadbd"),
                "--no-defaults",
                f"--datadir={data}",
                f"--user={user}",
                # Relative to the data directory: a socket's path may have 107 characters.
                "--socket=mariadb.sock",
                f"--pid-file={self.home / 'pid'}",
                f"--bind-address={LOOPBACK}",
                f"--port={self.port()}",
                f"--init-file={prepare}",
                "--skip-name-resolve",
                "--max-connections=500",
                "--innodb-log-file-size=64M",
                *self._durability(),
            ]
        )

    def _durability(self) -> list[str]:
        if self.options.durable:
            return []
        return ["--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite"]

    def answers(self) -> bool:
        """Its handshake packet names the protocol; the port opens after prepare.sql."""
        greeting = port_answers(self.port())
        return greeting is not None and greeting[4:5] == b"\x0a"

    def env(self) -> dict[str, str]:
        """URLs for SQLAlchemy."""
        server = f"mysql+pymysql://nova_lite:nova_lite@{LOOPBACK}:{self.port()}"
        return {
            "MARIADB_PORT": str(self.port()),
            "MARIADB_URL": server,
            "MARIADB_API_URL": f"{server}/nova_lite_api",
            "MARIADB_CELL_URL": f"{server}/nova_lite_cell",
        }


class PostgreSQL(Service):
    """A cluster of its own; the server refuses root, so root becomes ``postgres``."""

    name = "postgresql"
    port_names = ("port",)

    def launch(self) -> None:
        """Make the cluster once; databases at every start."""
        data = self._data_directory()
        as_user = self._as_user()
        if not (data / "PG_VERSION").exists():
            self.run(
                [
                    self._program("initdb"),
                    f"--pgdata={data}",
                    "--username=nova_lite",
                    "--auth=trust",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                    "--no-sync",
                ],
                **as_user,
            )
        fast = [] if self.options.durable else ["-c", "fsync=off", "-c", "full_page_writes=off"]
        self.spawn(
            [
                self._program("postgres"),
                *("-D", str(data), "-h", LOOPBACK, "-p", str(self.port())),
                *("-c", "unix_socket_directories=", "-c", "max_connections=300"),
                *fast,
            ],
            **as_user,
        )

    @staticmethod
    def _program(name: str) -> str:
        versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        return program(name, *map(str, versions))

    @staticmethod
    def _as_user() -> dict[str, typing.Any]:
        if os.getuid():
            return {}
        return {"user": "postgres", "group": "postgres", "extra_groups": [], "cwd": "/"}

    def _data_directory(self) -> pathlib.Path:
        """In the work directory if user ``postgres`` may go there, else in /var/tmp."""
        if "data" in self.facts and pathlib.Path(self.facts["data"]).is_dir():
            return pathlib.Path(self.facts["data"])
        data = self.home / "data"
        data.mkdir(exist_ok=True)
        if not os.getuid():
            if subprocess.run(["test", "-x", data], **self._as_user()).returncode:
                data.rmdir()
                data = pathlib.Path(tempfile.mkdtemp(prefix="nova-lite-pg-", dir="/var/tmp"))
            os.chown(data, pwd.getpwnam("postgres").pw_uid, pwd.getpwnam("postgres").pw_gid)
        data.chmod(0o700)
        self.facts["data"] = str(data)
        return data

    def answers(self) -> bool:
        """A server that starts up refuses queries, so a query it is."""
        if self._query("SELECT 1") is None:
            return False
        for database in DATABASES:
            if not self._query(f"SELECT 1 FROM pg_database WHERE datname = '{database}'"):
                self._query(f"CREATE DATABASE {database}")
        return True

    def _query(self, statement: str) -> str | None:
        done = subprocess.run(
            [
                self._program("psql"),
                *("-h", LOOPBACK, "-p", str(self.port()), "-U", "nova_lite"),
                *("-d", "postgres", "-XAtqc", statement),
            ],
            capture_output=True,
            text=True,
            timeout=20,
        )
        return done.stdout.strip() if done.returncode == 0 else None

    def env(self) -> dict[str, str]:
        """URLs for SQLAlchemy."""
        server = f"postgresql+psycopg2://nova_lite@{LOOPBACK}:{self.port()}"
        return {
            "POSTGRESQL_PORT": str(self.port()),
            "POSTGRESQL_URL": server,
            "POSTGRESQL_API_URL": f"{server}/nova_lite_api",
            "POSTGRESQL_CELL_URL": f"{server}/nova_lite_cell",
        }


class Libvirt(Service):
    """The machine's libvirtd: shared with whoever uses it."""

    name = "libvirt"
    USERS = pathlib.Path("/run/nova-lite-libvirt")
    """One file a work directory that uses the libvirtd started by hand."""

    def start(self) -> str:
        """Use a running one, or let the service manager or ourselves start it."""
        if not self.answers():
            if pathlib.Path("/run/systemd/system").is_dir():
                self.run(["systemctl", "start", "virtlogd", "libvirtd"])
            else:
                self.launch()
            if not wait_until(self.answers, 30):
                raise ServiceFailed("qemu:///system does not answer (log: journal or syslog)")
            how = "started"
        else:
            how = "runs already"
        if self.USERS.is_dir():
            self._user_file().write_text(f"{self.work.path}\n")
        self.facts["env"] = self.env()
        self.work.save(self.name, self.facts)
        return how

    def launch(self) -> None:
        """Both daemons detach by themselves and write their pid."""
        self.USERS.mkdir(parents=True, exist_ok=True)
        for daemon in ("virtlogd", "libvirtd"):
            pid_file = self.USERS / f"{daemon}.pid"
            if not self._daemon(daemon):
                pid_file.unlink(missing_ok=True)
                self._launch([program(daemon), "--daemon", "--pid-file", str(pid_file)])

    def _launch(self, argv: list[str]) -> None:
        """Beneath one who waits for guests that end (see tools/reaper.py)."""
        reaper = pathlib.Path(__file__).with_name("reaper.py")
        with self.log.open("ab") as log:
            subprocess.Popen(
                [sys.executable, str(reaper), *argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )

    def stop(self) -> str:
        """Leave; the last user switches the light off, unless guests still run."""
        self.facts.pop("env", None)
        self.work.save(self.name, self.facts)
        if not self.USERS.is_dir():
            return "is not ours; left as it is"
        self._user_file().unlink(missing_ok=True)
        for other in self.USERS.glob("*.user"):
            if pathlib.Path(other.read_text().strip()).is_dir():
                return f"left running for {other.read_text().strip()}"
        if self._domains():
            return "left running: it has guests"
        for daemon in ("libvirtd", "virtlogd"):
            process = self._daemon(daemon)
            if process:
                process.stop()
        return "stopped"

    def processes(self) -> list[Process]:
        """The libvirtd we started, if any."""
        process = self._daemon("libvirtd")
        return [process] if process else []

    def running(self) -> bool:
        """Whether anybody's libvirtd answers."""
        return self.answers()

    def answers(self) -> bool:
        """Ask for the version of the connection's library."""
        return self._domains() is not None

    def env(self) -> dict[str, str]:
        """Connection URI."""
        return {"LIBVIRT_URI": "qemu:///system"}

    def _domains(self) -> str | None:
        done = subprocess.run(
            [program("virsh"), "-c", "qemu:///system", "list", "--name"],
            capture_output=True,
            text=True,
            timeout=20,
        )
        return done.stdout.strip() if done.returncode == 0 else None

    def _daemon(self, name: str) -> Process | None:
        """The daemon behind the pid file, if it is that program still."""
        try:
            pid = int((self.USERS / f"{name}.pid").read_text())
            command = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
        except (OSError, ValueError):
            return None
        ticks = started_ticks(pid)
        return Process(pid, ticks) if command == name and ticks is not None else None

    def _user_file(self) -> pathlib.Path:
        digest = hashlib.sha256(str(self.work.path).encode()).hexdigest()[:12]
        return self.USERS / f"{digest}.user"


SERVICES: dict[str, type[Service]] = {
    service.name: service for service in (RabbitMQ, MariaDB, PostgreSQL, Ceph, Libvirt)
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tools/services",
        description="Start and stop daemons for tests and trials, on 127.0.0.1 only.",
        epilog="'clean' stops, and removes data and logs. Ports and URLs of running services "
        "are written to WORK_DIR/services.env.",
    )
    parser.add_argument("action", choices=("start", "stop", "status", "clean"))
    parser.add_argument(
        "services",
        nargs="*",
        metavar="SERVICE",
        help=f"{', '.join(SERVICES)} (all but start: all of them if none is named)",
    )
    parser.add_argument(
        "--work-dir",
        type=pathlib.Path,
        default=CHECKOUT / ".work",
        help="data, logs and pids (default: .work in the checkout)",
    )
    parser.add_argument(
        "--port",
        action="append",
        default=[],
        metavar="SERVICE=PORT",
        help="a fixed port instead of a free one; may be repeated",
    )
    parser.add_argument(
        "--durable", action="store_true", help="databases flush every commit (benchmarks)"
    )
    parser.add_argument(
        "--management", action="store_true", help="RabbitMQ with its management plugin"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.services) - set(SERVICES)
    if unknown:
        parser.error(f"unknown service: {', '.join(sorted(unknown))}")
    if arguments.action == "start" and not arguments.services:
        parser.error("start needs the names of services")
    return arguments


def raise_open_files_limit() -> None:
    """For the daemons, which inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def main() -> int:
    """Run the command; 1 if a service failed, 3 if one asked for does not run."""
    arguments = _arguments()
    raise_open_files_limit()
    options = Options(
        ports={
            name: int(port) for name, _, port in (item.partition("=") for item in arguments.port)
        },
        durable=arguments.durable,
        management=arguments.management,
    )
    work = Work(arguments.work_dir)
    chosen = [SERVICES[name](work, options) for name in arguments.services or SERVICES]

    def act(service: Service) -> tuple[int, str]:
        if arguments.action == "status":
            return (0, "runs") if service.running() else (3, "does not run")
        try:
            return 0, getattr(service, arguments.action)()
        except (ServiceFailed, OSError, subprocess.SubprocessError) as error:
            return 1, f"FAILED: {error}"

    worst = 0
    with concurrent.futures.ThreadPoolExecutor(len(chosen)) as pool:
        for service, (code, text) in zip(chosen, pool.map(act, chosen), strict=True):
            print(f"{service.name:<11} {text}", flush=True)
            worst = max(worst, code)
    work.write_env(SERVICES)
    return worst


if __name__ == "__main__":
    sys.exit(main())
