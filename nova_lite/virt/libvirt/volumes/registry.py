"""Which transport a volume comes by, and what a guest's disk of it is."""

import pathlib

from oslo_config import cfg

from nova_lite import exceptions
from nova_lite.virt import interface
from nova_lite.virt import naming
from nova_lite.virt.libvirt import xml
from nova_lite.virt.libvirt.disks import cachemode
from nova_lite.virt.libvirt.volumes import iscsi
from nova_lite.virt.libvirt.volumes import local
from nova_lite.virt.libvirt.volumes import nfs
from nova_lite.virt.libvirt.volumes import nvmeof
from nova_lite.virt.libvirt.volumes import rbd
from nova_lite.virt.libvirt.volumes import transports

ALIAS_PREFIX = "ua-"
"""libvirt keeps aliases that begin so as they are given."""

KNOWN: dict[str, type[transports.Transport]] = {
    "iscsi": iscsi.IscsiTransport,
    "local": local.LocalTransport,
    "nfs": nfs.NfsTransport,
    "nvmeof": nvmeof.NvmeofTransport,
    "rbd": rbd.RbdTransport,
}


class Transports:
    """All of them, for one host."""

    def __init__(self, tools: transports.Tools) -> None:
        self._conf = tools.conf
        self._known = {kind: known(tools) for kind, known in KNOWN.items()}

    def know(self, connection_info: interface.ConnectionInfo) -> bool:
        """Whether this host could be connected to the volume at all."""
        return str(connection_info.get("driver_volume_type")) in self._known

    def of(self, connection_info: interface.ConnectionInfo) -> transports.Transport:
        """The transport of a volume.

        :raises nova_lite.exceptions.InvalidVolume: this host knows none.
        """
        kind = str(connection_info.get("driver_volume_type"))
        if kind not in self._known:
            reason = f"this host cannot use volumes of type {kind!r}, only {', '.join(KNOWN)}"
            raise exceptions.InvalidVolume(reason=reason)
        return self._known[kind]

    def disk_of(self, device: interface.VolumeDevice, default_bus: str | None = None) -> xml.Disk:
        """The guest's disk for a volume: known by its serial (the volume's id,
        S198) and by an alias made of it, whatever its letter becomes (D7)."""
        connection_info = device["connection_info"]
        data = connection_info.get("data", {})
        volume_id = naming.volume_id_of(connection_info)
        source = self.of(connection_info).source(connection_info)
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
            luks_secret_uuid=(
                transports.secret_uuid(naming.connection_id_of(connection_info), "volume")
                if data.get("encrypted")
                else None
            ),
            cache=_cache_mode(self._conf, source, is_shared),
            discard="unmap" if data.get("discard") else None,
            shareable=is_shared,
            readonly=data.get("access_mode") == "ro",
            serial=volume_id,
            boot_order=(boot_index or 0) + 1 if is_bootable else None,
            alias=ALIAS_PREFIX + volume_id,
        )


def _cache_mode(conf: cfg.ConfigOpts, source: transports.Source, is_shared: bool) -> str:
    if source.source_type != "file":
        # No file system is asked for O_DIRECT, and devices have it.
        return "none" if is_shared else str(conf.libvirt.disk_cachemode)
    folder = pathlib.Path(source.path).parent
    return cachemode.of_shared(folder) if is_shared else cachemode.of(conf, folder)
