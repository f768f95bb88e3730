"""What the daemons of the real cloud have in common."""

import hmac
import os
import pathlib
import secrets
import subprocess
import typing
import uuid

from rest_client import answers_http
from supervised import LOOPBACK
from supervised import Options
from supervised import program
from supervised import Service
from supervised import ServiceFailed
from supervised import Work

REGION = "RegionOne"
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
"""Debian's services are programs of Debian's Python: no other may come first."""

Sections: typing.TypeAlias = dict[str, dict[str, object]]


class Secrets:
    """Passwords and keys of one cloud, all derived from one that is made once."""

    def __init__(self, work: Work) -> None:
        self._path = work.path / "secret.key"

    def make(self) -> None:
        """Make the first one, unless it is there."""
        if not self.there():
            write_private(self._path, secrets.token_hex(32))

    def there(self) -> bool:
        """Whether it was made."""
        return self._path.exists()

    def get(self, name: str) -> str:
        """64 hexadecimal digits, the same at every call."""
        return hmac.new(self._path.read_bytes(), name.encode(), "sha256").hexdigest()

    def uuid(self, name: str) -> str:
        """A UUID for something that needs one, the same at every call."""
        return str(uuid.UUID(bytes=bytes.fromhex(self.get(f"uuid of {name}"))[:16], version=4))


class CloudService(Service):
    """A daemon that knows where the others are."""

    needs: typing.ClassVar[tuple[str, ...]] = ()
    """Services that must answer before it is started."""
    type: typing.ClassVar[str] = ""
    """In the catalog; empty if it is in none."""
    path: typing.ClassVar[str] = ""
    """Of its endpoint."""
    directory: typing.ClassVar[str] = ""
    """Below the work directory, if it is another one than its name says: several
    daemons of one service share one."""
    start_timeout_s = 240.0

    def __init__(self, work: Work, options: Options) -> None:
        super().__init__(work, options)
        self.secrets = Secrets(work)
        self.home = work.path / (self.directory or self.name)

    def reserve_ports(self) -> None:
        """Choose ports before anybody starts, since others must know them."""
        if not self.processes():
            self._choose_ports()
            self.work.save(self.name, self.facts)

    def url(self, service: str | None = None) -> str:
        """Root of a service's API, without a slash at the end."""
        return f"http://{LOOPBACK}:{self.port_of(service or self.name)}"

    def port_of(self, service: str, port: str = "port") -> int:
        """Another service's port."""
        return int(self.work.load(service)["ports"][port])

    def answers(self) -> bool:
        """Whether its API says hello."""
        return answers_http(self.url() + "/")

    def env(self) -> dict[str, str]:
        """Where its API is, if it has one."""
        if not self.type:
            return {}
        variable = self.name.upper().replace("-", "_")
        return {f"REALCLOUD_{variable}_URL": self.url() + self.path}

    def database_url(self, database: str) -> str:
        """For SQLAlchemy."""
        port = self.port_of("mariadb")
        return f"mysql+pymysql://nova_lite:nova_lite@{LOOPBACK}:{port}/{database}?charset=utf8"

    def create_database(self, *databases: str) -> None:
        """Create databases that are not there.

        :raises ServiceFailed: the server refused.
        """
        statements = "".join(
            f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb3;" for name in databases
        )
        self.run(
            [
                program("mariadb"),
                *("--no-defaults", f"--host={LOOPBACK}", f"--port={self.port_of('mariadb')}"),
                *("--protocol=tcp", "--user=nova_lite", f"--execute={statements}"),
            ],
            env=os.environ | {"MYSQL_PWD": "nova_lite"},
        )

    def run_once(self, argv: list[str], environ: dict[str, str]) -> None:
        """A preparation that need not be repeated at every start: only with another
        program, other arguments, or an empty database.

        :raises ServiceFailed: it failed.
        """
        tables = self.work.path / "mariadb" / "data" / "mysql"
        program_file = pathlib.Path(argv[0]).stat()
        state = [program_file.st_mtime_ns, tables.stat().st_ino]
        done = self.facts.setdefault("prepared", {})
        key = " ".join(map(str, argv))
        if done.get(key) != state:
            self.run(argv, env=environ)
            done[key] = state
            self.work.save(self.name, self.facts)

    def transport_url(self) -> str:
        """Of the broker."""
        return f"rabbit://guest:guest@{LOOPBACK}:{self.port_of('rabbitmq')}/"

    def credentials(self, user: str) -> dict[str, object]:
        """Options of a keystoneauth section for a service's user."""
        return {
            "auth_type": "password",
            "auth_url": f"{self.url('keystone')}/v3",
            "username": user,
            "password": self.secrets.get(user),
            "project_name": "service",
            "user_domain_name": "Default",
            "project_domain_name": "Default",
            "region_name": REGION,
        }

    def token_checks(self, user: str) -> dict[str, object]:
        """Options of ``[keystone_authtoken]``: a service token needs the role ``service``."""
        return self.credentials(user) | {
            "www_authenticate_uri": f"{self.url('keystone')}/v3",
            "memcached_servers": f"{LOOPBACK}:{self.port_of('memcached')}",
            "service_token_roles": "service",
            "service_token_roles_required": True,
        }

    def system_environ(self) -> dict[str, str]:
        """Environment of a program of Debian's; nothing of ours is in it."""
        return {"PATH": SYSTEM_PATH, "HOME": str(self.home), "LC_ALL": "C.UTF-8"}

    def spawn_wsgi(
        self, script: str, environ: dict[str, str] | None = None, arguments: str = ""
    ) -> None:
        """The API under uWSGI, as Debian's own units run it."""
        ini = self.home / "uwsgi.ini"
        values: dict[str, object] = {
            "plugins": "python3",
            "wsgi-file": script,
            "http-socket": f"{LOOPBACK}:{self.port()}",
            "master": True,
            "processes": 3,
            "enable-threads": True,
            "lazy-apps": True,
            "need-app": True,
            "die-on-term": True,
            "no-orphans": True,
            "thunder-lock": True,
            "buffer-size": 65535,
            "socket-timeout": 60,
            "wsgi-manage-chunked-input": True,
            "add-header": "Connection: close",
            "procname-prefix-spaced": f"nova-lite-realcloud {self.name}",
        }
        if arguments:
            values["pyargv"] = arguments
        ini.write_text(ini_text({"uwsgi": values}))
        self.spawn(
            [program("uwsgi"), "--ini", str(ini)], env=self.system_environ() | (environ or {})
        )


def ini_text(sections: Sections) -> str:
    """A configuration file; true and false in the spelling that all of them read."""
    lines = []
    for section, values in sections.items():
        lines.append(f"[{section}]")
        for option, value in values.items():
            shown = str(value).lower() if isinstance(value, bool) else value
            lines.append(f"{option} = {shown}")
    return "\n".join(lines) + "\n"


def write_private(path: pathlib.Path, text: str) -> None:
    """Write a file that only its owner may read, all of it or nothing."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def output_of(argv: list[str], timeout_s: float = 30.0) -> str:
    """What a command printed.

    :raises ServiceFailed: it failed.
    """
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout_s)
    if done.returncode:
        raise ServiceFailed(f"{argv[0]} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout
