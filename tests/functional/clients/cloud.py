"""One ``nova-lite-allinone`` as an operating-system process, and its unmodified clients.

The hypervisor is the fake one; identity, image and volume services are the
embedded ones. What a client reports is never trusted alone: :class:`Cloud` reads
the databases too.
"""

import collections.abc
import contextlib
import dataclasses
import http.client
import io
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import typing

import openstack
from novaclient import shell as nova_shell
from openstack_session import OpenStackSession
from supervised import free_port
from supervised import LOOPBACK

from tests.integration import cluster as clusters

Body: typing.TypeAlias = dict[str, typing.Any]
Rows: typing.TypeAlias = list[Body]

BIN = pathlib.Path(sys.executable).parent

ROW_FIELDS = (
    "source_type", "destination_type", "boot_index", "volume_size", "guest_format",
    "device_type", "disk_bus", "device_name", "delete_on_termination", "no_device",
    "image_id", "snapshot_id", "volume_id", "tag", "volume_type",
)  # fmt: skip
"""What a request decides about a device."""


def _without_openrc() -> dict[str, str]:
    """The environment without what somebody sourced for another cloud."""
    return {name: value for name, value in os.environ.items() if not name.startswith("OS_")}


class NovaFailed(Exception):
    """The ``nova`` client ended with an error; the message is what it said."""


@dataclasses.dataclass(frozen=True)
class World:
    """All that a refused request must leave as it was."""

    cinder: tuple[tuple[str, str, str], ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


class Cloud:
    """The service; use it as a context manager."""

    def __init__(self, home: pathlib.Path, **settings: collections.abc.Mapping[str, object]):
        """:param settings: further options by section."""
        self.home = home
        self.state = home / "state"
        self.clouds_yaml = home / "clouds.yaml"
        self.ports = {name: free_port() for name in ("compute", "image", "volume", "identity")}
        home.mkdir(parents=True, exist_ok=True)
        self._settings = settings
        configuration = self._write_configuration()
        self.log = home / "allinone.log"
        self.daemon = clusters.Daemon(
            "allinone",
            [
                *(sys.executable, "-m", "nova_lite.cmd.allinone"),
                *("--state-path", str(self.state), "--config-file", str(configuration)),
            ],
            self.log,
        )
        self.osc = OpenStackSession(BIN / "openstack", self.clouds_yaml, clusters.CLOUD)
        self._connections: dict[str, http.client.HTTPConnection] = {}
        self._sdk: openstack.connection.Connection | None = None

    def __enter__(self) -> "Cloud":
        self.daemon.start()
        try:
            self.daemon.wait_ready()
            clusters.wait_for(self._all_up, "every service to be up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.osc.close()
        for connection in self._connections.values():
            connection.close()
        self.daemon.stop()

    # Clients

    @property
    def environ(self) -> dict[str, str]:
        """The variables that ``nova`` reads."""
        return {
            "OS_AUTH_URL": f"http://{LOOPBACK}:{self.ports['identity']}/v3",
            "OS_USERNAME": "demo",
            "OS_PASSWORD": "none-is-asked-for",
            "OS_PROJECT_NAME": "demo",
            "OS_USER_DOMAIN_ID": "default",
            "OS_PROJECT_DOMAIN_ID": "default",
            "OS_REGION_NAME": "RegionOne",
        }

    def nova(self, *words: str, version: str = "2.latest") -> str:
        """Run the ``nova`` shell in this process; what it printed.

        :raises NovaFailed: it ended with an error.
        """
        output, errors = io.StringIO(), io.StringIO()
        before = dict(os.environ)
        os.environ.clear()
        os.environ.update(_without_openrc() | self.environ)
        shell = nova_shell.OpenStackComputeShell()
        try:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
                shell.main(["--os-compute-api-version", version, *words])
        except SystemExit as error:
            if error.code:
                raise NovaFailed(errors.getvalue()) from error
        except Exception as error:
            raise NovaFailed(f"{error}\n{output.getvalue()}") from error
        finally:
            os.environ.clear()
            os.environ.update(before)
        return output.getvalue()

    def nova_program(self, *words: str) -> str:
        """Run the ``nova`` program as one does in a shell; what it printed."""
        done = subprocess.run(
            [str(BIN / "nova"), *words],
            env=_without_openrc() | self.environ | {"PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode:
            raise NovaFailed(done.stderr)
        return done.stdout

    @property
    def sdk(self) -> openstack.connection.Connection:
        """openstacksdk, with the versions it chooses."""
        if self._sdk is None:
            config = openstack.config.OpenStackConfig(
                config_files=[str(self.clouds_yaml)], load_envvars=False
            )
            self._sdk = openstack.connection.Connection(config=config.get_one(clusters.CLOUD))
        return self._sdk

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        service: str = "compute",
        version: str | None = "2.100",
        roles: str = "admin,member,reader",
    ) -> tuple[int, Body]:
        """One request over plain HTTP; its status and parsed body."""
        prefix = {"compute": "/v2.1", "image": "/v2", "volume": "/v3"}[service]
        headers = {
            "Content-Type": "application/json",
            "X-Project-Id": "demo",
            "X-User-Id": "demo",
            "X-Roles": roles,
        }
        if service == "volume":
            headers["OpenStack-API-Version"] = "volume 3.60"
        elif service == "compute" and version is not None:
            headers["OpenStack-API-Version"] = f"compute {version}"
        data = None if body is None else json.dumps(body).encode()
        connection = self._connection(service)
        try:
            connection.request(method, prefix + path, data, headers)
            answer = connection.getresponse()
        except (http.client.HTTPException, OSError):
            # The server ended an idle connection.
            connection.close()
            connection.request(method, prefix + path, data, headers)
            answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text[:1] in (b"{", b"[") else {}

    def ok(self, method: str, path: str, body: object = None, **how: typing.Any) -> Body:
        """As :meth:`call`, and the status must be 2xx."""
        status, answer = self.call(method, path, body, **how)
        assert 200 <= status < 300, f"{method} {path}: {status} {answer}"
        return answer

    # Things

    def image(self, name: str, size: int = 65536, **properties: object) -> str:
        """A raw image with data."""
        fields = {"name": name, "disk_format": "raw", "container_format": "bare"}
        image_id = str(self.ok("POST", "/images", fields | properties, service="image")["id"])
        connection = http.client.HTTPConnection(LOOPBACK, self.ports["image"], timeout=30)
        with contextlib.closing(connection):
            headers = {"Content-Type": "application/octet-stream"}
            connection.request("PUT", f"/v2/images/{image_id}/file", b"\0" * size, headers)
            assert connection.getresponse().status == 204
        return image_id

    def volume(self, size_gib: int = 1, **fields: object) -> str:
        """A volume that is available; bootable if ``imageRef`` is given."""
        body = {"size": size_gib, **fields}
        made = self.ok("POST", "/volumes", {"volume": body}, service="volume")["volume"]
        clusters.wait_for(
            lambda: self.cinder_volume(made["id"])["status"] == "available", "a volume"
        )
        return str(made["id"])

    def snapshot(self, volume_id: str) -> str:
        """A snapshot that is available."""
        body = {"snapshot": {"volume_id": volume_id, "force": True, "name": "s"}}
        made = self.ok("POST", "/snapshots", body, service="volume")["snapshot"]
        path = f"/snapshots/{made['id']}"

        def available() -> bool:
            snapshot = self.ok("GET", path, service="volume")["snapshot"]
            return bool(snapshot["status"] == "available")

        clusters.wait_for(available, "a snapshot")
        return str(made["id"])

    def cinder_volume(self, volume_id: str) -> Body:
        """A volume as Cinder shows it."""
        answer = self.ok("GET", f"/volumes/{volume_id}", service="volume")
        return typing.cast(Body, answer["volume"])

    def wait_for_volume(self, volume_id: str, status: str) -> None:
        """Return when Cinder shows it so."""
        clusters.wait_for(
            lambda: self.cinder_volume(volume_id)["status"] == status, f"the volume to be {status}"
        )

    def server_id(self, name: str) -> str:
        """Of the one server with that name."""
        (found,) = self.ok("GET", f"/servers?name=^{name}$")["servers"]
        return str(found["id"])

    def active(self, name_or_id: str) -> Body:
        """The server, once it is ACTIVE."""
        server_id = name_or_id if len(name_or_id) == 36 else self.server_id(name_or_id)

        def done() -> Body | None:
            server = typing.cast(Body, self.ok("GET", f"/servers/{server_id}")["server"])
            return server if server["status"] != "BUILD" else None

        server = typing.cast(Body, clusters.wait_for(done, f"server {name_or_id}"))
        assert server["status"] == "ACTIVE", server.get("fault")
        return server

    def wait_gone(self, server_id: str) -> None:
        """Return when the server is no more."""
        clusters.wait_for(
            lambda: self.call("GET", f"/servers/{server_id}")[0] == 404, "the server to go"
        )

    def clear(self) -> None:
        """Delete all servers, and wait until they are gone."""
        for server in self.ok("GET", "/servers")["servers"]:
            self.call("DELETE", f"/servers/{server['id']}")
        clusters.wait_for(lambda: not self.ok("GET", "/servers")["servers"], "no server")

    # Databases

    def sql(self, database: str, query: str, *values: object) -> Rows:
        """Rows of one of the service's databases."""
        path = self.state / f"{database}.sqlite"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query, values)]

    def devices(self, server_id: str) -> Rows:
        """The server's block device rows, in the order they were written."""
        rows = self.sql(
            "cell",
            "SELECT * FROM block_device_mapping WHERE instance_uuid = ? ORDER BY id",
            server_id,
        )
        flags = ("delete_on_termination", "no_device")
        return [row | {flag: bool(row[flag]) for flag in flags} for row in rows]

    def wanted(self, server_id: str, *fields: str) -> Rows:
        """What the request decided about each device; all of it or some fields."""
        return [
            {field: row[field] for field in fields or ROW_FIELDS}
            for row in self.devices(server_id)
        ]

    def idle(self) -> bool:
        """Whether nothing is being done."""
        return not self.sql("api", "SELECT 1 FROM build_requests") and not self.sql(
            "cell", "SELECT 1 FROM instance_actions WHERE status = 'running'"
        )

    def world(self) -> World:
        """All that a refused request must leave as it was; waits for earlier work."""
        clusters.wait_for(self.idle, "earlier work to end")
        return self.world_now()

    def world_now(self) -> World:
        """The same, while work may be going on."""
        documents = self.sql("standalone/volumes", "SELECT kind, id, body FROM documents")
        cinder = []
        for document in documents:
            body = json.loads(document["body"])
            cinder.append((document["kind"], document["id"], str(body.get("status"))))
        rows = [
            ("api.build_requests", "instance_uuid", ""),
            ("api.instance_mappings", "instance_uuid", ""),
            ("api.request_specs", "instance_uuid", ""),
            ("api.allocations", "consumer_uuid", ""),
            ("cell.instances", "uuid", "WHERE NOT deleted"),
            ("cell.block_device_mapping", "uuid", ""),
            ("cell.instance_actions", "operation_id", "WHERE status = 'running'"),
        ]
        found = []
        for place, column, condition in rows:
            database, table = place.split(".")
            query = f"SELECT {column} AS it FROM {table} {condition} ORDER BY it"
            found.append((place, tuple(row["it"] for row in self.sql(database, query))))
        return World(tuple(sorted(cinder)), tuple(found))

    # Beginning

    def _connection(self, service: str) -> http.client.HTTPConnection:
        if service not in self._connections:
            port = self.ports[service]
            self._connections[service] = http.client.HTTPConnection(LOOPBACK, port, timeout=60)
        return self._connections[service]

    def _all_up(self) -> bool:
        rows = self.ok("GET", "/os-services")["services"]
        return len([row for row in rows if row["state"] == "up"]) >= 3

    def _write_configuration(self) -> pathlib.Path:
        sections: dict[str, dict[str, object]] = {
            "api": {"bind_port": self.ports["compute"]},
            "compute": {"driver": "fake"},
            "quota": {"instances": -1, "cores": -1, "ram_mib": -1},
            "standalone": {
                "image_port": self.ports["image"],
                "volume_port": self.ports["volume"],
                "identity_port": self.ports["identity"],
                "fault_injection": True,
            },
        }
        for section, values in self._settings.items():
            sections.setdefault(section, {}).update(values)
        lines: list[str] = []
        for section, options in sections.items():
            lines += [f"[{section}]", *(f"{name} = {value}" for name, value in options.items())]
        path = self.home / "nova-lite.conf"
        path.write_text("\n".join(lines) + "\n")
        auth = {name[3:].lower(): value for name, value in self.environ.items()}
        region = auth.pop("region_name")
        # YAML reads JSON.
        clouds = {"clouds": {clusters.CLOUD: {"auth": auth, "region_name": region}}}
        self.clouds_yaml.write_text(json.dumps(clouds))
        return path
