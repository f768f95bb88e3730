"""How a volume reaches this host: a transport a ``driver_volume_type``."""

import abc
import dataclasses
import typing
import uuid

from oslo_config import cfg

from nova_lite import exceptions
from nova_lite.virt import interface
from nova_lite.virt.libvirt import connection
from nova_lite.virt.libvirt import xml
from nova_lite.volume import connector

_NAMESPACE = uuid.UUID("5a3c2f7e-0f0e-4d7c-9c56-3f4b6a1c9a52")
"""Of the UUIDs that are made of whose a secret is and what it is for."""


class Source(typing.NamedTuple):
    """What QEMU opens."""

    path: str
    """A path on this host, or a network disk's name."""
    disk_format: str
    source_type: xml.SourceType
    network: xml.NetworkAccess | None = None
    """Of a network disk."""


@dataclasses.dataclass(frozen=True)
class Tools:
    """What transports work with."""

    conf: cfg.ConfigOpts
    libvirt: connection.Connection
    """Keeps the secrets with which QEMU reaches volumes."""
    host: connector.HostConnectors
    """Connects this host itself."""


class Transport(abc.ABC):
    """The host's side of an attachment of one kind."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    @abc.abstractmethod
    def connect(self, connection_info: interface.ConnectionInfo) -> None:
        """Make the volume usable on this host. Connected is success.

        What the host found (``device_path``) is added to ``connection_info['data']``.

        :raises nova_lite.exceptions.InvalidVolume: what Cinder says makes no sense.
        :raises nova_lite.exceptions.NovaLiteError: this host cannot.
        """

    @abc.abstractmethod
    def disconnect(self, connection_info: interface.ConnectionInfo) -> None:
        """Undo :meth:`connect`. Not connected is success."""

    def extend(self, connection_info: interface.ConnectionInfo) -> None:  # noqa: B027
        """Have this host see that the volume has grown. A volume that QEMU opens by
        itself needs nothing."""

    @abc.abstractmethod
    def source(self, connection_info: interface.ConnectionInfo) -> Source:
        """What a guest's disk is of; asks nobody.

        :raises nova_lite.exceptions.InvalidVolume: it does not say.
        """


class HostTransport(Transport):
    """A transport that os-brick makes a block device of this host of."""

    protocol: typing.ClassVar[str]
    """os-brick's name of it."""

    def connect(self, connection_info: interface.ConnectionInfo) -> None:
        """Have a device path."""
        data = connection_info["data"]
        found = self._tools.host.connect(self.protocol, for_os_brick(data))
        data["device_path"] = str(found["path"])
        if found.get("multipath_id"):
            data["multipath_id"] = found["multipath_id"]

    def disconnect(self, connection_info: interface.ConnectionInfo) -> None:
        """Have none."""
        self._tools.host.disconnect(self.protocol, for_os_brick(connection_info["data"]))

    def extend(self, connection_info: interface.ConnectionInfo) -> None:
        """Have the device show its new size."""
        self._tools.host.extend(self.protocol, for_os_brick(connection_info["data"]))

    def source(self, connection_info: interface.ConnectionInfo) -> Source:
        """The block device."""
        return Source(device_path_of(connection_info), "raw", "block")


def for_os_brick(data: dict[str, typing.Any]) -> dict[str, typing.Any]:
    """A copy of a connection's data. That the volume is encrypted is left out:
    os-brick would put a link beside the device for dm-crypt, but QEMU decrypts."""
    return {key: value for key, value in data.items() if key != "encrypted"}


def device_path_of(connection_info: interface.ConnectionInfo) -> str:
    """The path that connecting found.

    :raises nova_lite.exceptions.InvalidVolume: the volume is not connected.
    """
    path = str(connection_info.get("data", {}).get("device_path") or "")
    if not path.startswith("/"):
        raise exceptions.InvalidVolume(reason="its device_path is not an absolute path")
    return path


def needed(data: dict[str, typing.Any], key: str) -> str:
    """A text that the data must have.

    :raises nova_lite.exceptions.InvalidVolume: it is missing or empty.
    """
    value = data.get(key)
    if value is None or value == "":
        raise exceptions.InvalidVolume(reason=f"its connection_info has no {key}")
    return str(value)


def secret_uuid(owner: str, usage_type: str) -> str:
    """UUID of the libvirt secret of a volume (by its id) for ``iscsi`` or ``volume``
    (LUKS), or of a user of Ceph: always the same, so that it is found again without
    a record."""
    return str(uuid.uuid5(_NAMESPACE, f"{usage_type} {owner}"))
