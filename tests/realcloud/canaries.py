"""What must not be told to anybody: the secrets of a cloud, and where they could be."""

import collections.abc
import json
import pathlib
import re
import threading
import typing

import kombu
from cloud_service import Secrets
from supervised import LOOPBACK
from supervised import Work

from tests.realcloud import cloud as clouds

TOKEN = re.compile(r"gAAAA[\w-]{80,}={0,2}")
"""A Fernet token, whoever's."""
CARRIES_A_SECRET = ("auth_token", "_context_auth_token", "admin_password")
"""Fields of messages that are there to carry one to the service that needs it."""
NOVA_LOGS = "nova-*.log"


def secrets_of(cloud: clouds.Cloud) -> dict[str, str]:
    """What it is -> the secret: passwords, cephx keys, and the key of encrypted volumes."""
    derived = Secrets(Work(cloud.directory))
    names = ("admin", "demo", "other", "nova", "cinder", "glance", "volume encryption")
    found = {f"password of {name}": derived.get(name) for name in names}
    for keyring in pathlib.Path(cloud.env["CEPH_CONF"]).parent.glob("ceph.client.*.keyring"):
        match = re.search(r"key = (\S+)", keyring.read_text())
        assert match is not None
        found[f"key in {keyring.name}"] = match[1]
    return found


class Canaries:
    """The secrets that are looked for."""

    def __init__(self, cloud: clouds.Cloud) -> None:
        self._cloud = cloud
        self._secrets = secrets_of(cloud)

    def add(self, what: str, secret: str) -> None:
        """One more."""
        self._secrets[what] = secret

    def found_in(self, where: str, text: str) -> set[str]:
        """Sentences about what a text tells; none of them tells it again."""
        found = {f"{what} in {where}" for what, value in self._secrets.items() if value in text}
        if TOKEN.search(text):
            found.add(f"a token in {where}")
        return found

    def in_logs(self) -> set[str]:
        """Of nova_lite's daemons, which log at debug level."""
        logs = (self._cloud.directory / "logs").glob(NOVA_LOGS)
        return _union(self.found_in(log.name, log.read_text(errors="replace")) for log in logs)

    def in_databases(self) -> set[str]:
        """Of nova_lite: every column of every row."""
        found = set()
        for database in ("nova_lite_api", "nova_lite_cell"):
            for listed in self._cloud.sql(database, "SHOW TABLES"):
                (table,) = listed.values()
                rows = self._cloud.sql(database, f"SELECT * FROM {table}")
                found |= self.found_in(f"table {database}.{table}", repr(rows))
        return found

    def in_domains(self) -> set[str]:
        """As everybody may read them who may ask libvirt."""
        domains = self._cloud.domains().items()
        return _union(self.found_in(f"the XML of {uuid}", text) for uuid, text in domains)


class CommandLines:
    """Arguments of every process that was seen since it began to look."""

    PAUSE_S = 0.25

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "CommandLines":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def text(self) -> str:
        """All of them."""
        return "\n".join(self._seen)

    def _look(self) -> None:
        while not self._ended.wait(self.PAUSE_S):
            for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self._seen.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue  # it has ended


class Messages:
    """Everything that goes through the broker while it listens (RabbitMQ's firehose)."""

    EXCHANGE = "amq.rabbitmq.trace"

    def __init__(self, cloud: clouds.Cloud) -> None:
        self._cloud = cloud
        url = f"amqp://guest:guest@{LOOPBACK}:{cloud.env['RABBITMQ_PORT']}//"
        self._connection = kombu.Connection(url)
        self._queue: typing.Any = None

    def __enter__(self) -> "Messages":
        exchange = kombu.Exchange(self.EXCHANGE, type="topic", passive=True, durable=True)
        queue = kombu.Queue("", exchange, routing_key="publish.#", exclusive=True)
        self._queue = queue(self._connection.channel())
        self._queue.declare()
        self._ctl("trace_on")
        return self

    def __exit__(self, *_: object) -> None:
        self._ctl("trace_off")
        self._connection.close()

    def of_nova_lite(self) -> list[str]:
        """Ours so far, without the fields that are there to carry a secret."""
        found = []
        while (message := self._queue.get(no_ack=True)) is not None:
            where = message.headers["exchange_name"], *message.headers["routing_keys"]
            if any("nova-lite" in name or "reply" in name for name in where):
                found.append(json.dumps(_stripped(_parsed(message.body))))
        return found

    def _ctl(self, *words: str) -> None:
        clouds.output_of(self._cloud.env["RABBITMQCTL"], *words)


def _parsed(body: typing.Any) -> typing.Any:
    text = body.decode(errors="replace") if isinstance(body, bytes) else body
    try:
        envelope = json.loads(text)
        return json.loads(envelope["oslo.message"])
    except (KeyError, TypeError, ValueError):
        return text


def _stripped(value: typing.Any) -> typing.Any:
    if isinstance(value, dict):
        return {k: _stripped(v) for k, v in value.items() if k not in CARRIES_A_SECRET}
    if isinstance(value, list):
        return [_stripped(item) for item in value]
    return value


def _union(sets: collections.abc.Iterable[set[str]]) -> set[str]:
    return set().union(*sets)
