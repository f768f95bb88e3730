"""How a volume reaches this host: a transport a ``driver_volume_type``."""

import abc
import pathlib
import typing

from oslo_config import cfg

from nova_lite import exceptions
from nova_lite.virt import interface
from nova_lite.virt import naming
from nova_lite.virt.libvirt import xml
from nova_lite.virt.libvirt.disks import cachemode

ALIAS_PREFIX = "ua-"
"""libvirt keeps aliases that begin so as they are given."""


class Source(typing.NamedTuple):
    """What QEMU opens."""

    path: str
    """A path on this host, or a network disk's name."""
    disk_format: str
    source_type: xml.SourceType
    network: xml.NetworkAccess | None = None
    """Of a network disk."""


class Transport(abc.ABC):
    """The host's side of an attachment of one kind."""

    @abc.abstractmethod
    def connect(self, connection_info: interface.ConnectionInfo) -> None:
        """Make the volume usable on this host. Connected is success.

        :raises nova_lite.exceptions.InvalidVolume: it cannot be.
        """

    @abc.abstractmethod
    def disconnect(self, connection_info: interface.ConnectionInfo) -> None:
        """Undo :meth:`connect`. Not connected is success."""

    @abc.abstractmethod
    def source(self, connection_info: interface.ConnectionInfo) -> Source:
        """What a guest's disk is of.

        :raises nova_lite.exceptions.InvalidVolume: it does not say.
        """


def transport_of(connection_info: interface.ConnectionInfo) -> Transport:
    """The transport of a volume.

    :raises nova_lite.exceptions.InvalidVolume: this host knows none.
    """
    from nova_lite.virt.libvirt.volumes import local

    known: dict[str, type[Transport]] = {"local": local.LocalTransport}
    kind = connection_info.get("driver_volume_type")
    if kind not in known:
        reason = f"this host cannot use volumes of type {kind!r}, only {', '.join(known)}"
        raise exceptions.InvalidVolume(reason=reason)
    return known[kind]()


def disk_of(
    conf: cfg.ConfigOpts, device: interface.VolumeDevice, default_bus: str | None = None
) -> xml.Disk:
    """The guest's disk for a volume: known by its serial (the volume's id,
    S198) and by an alias made of it, whatever its letter becomes (D7)."""
    connection_info = device["connection_info"]
    volume_id = naming.volume_id_of(connection_info)
    source = transport_of(connection_info).source(connection_info)
    target = naming.target_name(device["mount_device"])
    boot_index = device["boot_index"]
    is_bootable = boot_index is not None and boot_index >= 0
    is_shared = bool(connection_info.get("multiattach"))
    return xml.Disk(
        source=source.path,
        target=target,
        driver_format=source.disk_format,
        bus=device["disk_bus"] or default_bus or naming.bus_of(target),
        device=device["device_type"] or "disk",
        source_type=source.source_type,
        network=source.network,
        cache=_cache_mode(conf, source, is_shared),
        shareable=is_shared,
        readonly=connection_info.get("data", {}).get("access_mode") == "ro",
        serial=volume_id,
        boot_order=(boot_index or 0) + 1 if is_bootable else None,
        alias=ALIAS_PREFIX + volume_id,
    )


def _cache_mode(conf: cfg.ConfigOpts, source: Source, is_shared: bool) -> str:
    if source.source_type == "network":
        # Nothing of it is in this host's page cache.
        return "none" if is_shared else str(conf.libvirt.disk_cachemode)
    folder = pathlib.Path(source.path).parent
    return cachemode.of_shared(folder) if is_shared else cachemode.of(conf, folder)
