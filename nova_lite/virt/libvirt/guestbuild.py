"""From a server and its block devices to the domain libvirt is given."""

import collections.abc
import pathlib
import typing

from oslo_config import cfg

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.virt import interface
from nova_lite.virt import naming
from nova_lite.virt.libvirt import places
from nova_lite.virt.libvirt import xml
from nova_lite.virt.libvirt.disks import cachemode
from nova_lite.virt.libvirt.disks import directory
from nova_lite.virt.libvirt.disks import plan
from nova_lite.virt.libvirt.disks import storage
from nova_lite.virt.libvirt.volumes import registry
from nova_lite.virt.libvirt.volumes import transports

_CDROM_BUSES = ("scsi", "sata")


class GuestBuilder:
    """Builds domains for one compute node."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        node_uuid: str,
        virt_type: collections.abc.Callable[[], str],
        disks: storage.Storage,
        known: registry.Transports,
    ) -> None:
        self._conf = conf
        self._transports = known
        self._disks = disks
        self._node_uuid = node_uuid
        self._virt_type = virt_type

    def build(
        self,
        instance: objects.Instance,
        image_meta: objects.ImageMeta,
        block_device_info: interface.BlockDeviceInfo,
        root_image: interface.RootImage | None,
    ) -> xml.Domain:
        """The domain with local disks first, then volumes (S108).

        :raises nova_lite.exceptions.InvalidVolume: this host has no way to
            use one of the volumes.
        """
        default_bus = image_meta.properties.get("hw_disk_bus")
        files = directory.InstanceDirectory(self._conf, instance.uuid)
        local = plan.local_disks(instance, block_device_info, root_image, self._conf)
        disks = [self._local_disk(each, instance.uuid, default_bus) for each in local]
        disks += [
            self._transports.disk_of(device, default_bus)
            for device in block_device_info["block_device_mapping"]
        ]
        # Guests count by place, so the first name gets the first one (S108).
        disks.sort(key=lambda disk: (len(disk.target), disk.target))
        config_drive = self._config_drive(instance.uuid, image_meta, disks)
        if config_drive is not None:
            disks.append(config_drive)
        disks = places.assign(disks, self._conf.libvirt.num_pcie_ports)
        virt_type = self._virt_type()
        return xml.Domain(
            virt_type=virt_type,
            name=naming.guest_name(instance.uuid),
            uuid=instance.uuid,
            vcpus=instance.flavor.vcpus,
            memory_mib=instance.flavor.memory_mib,
            os=xml.OperatingSystem(),
            cpu=xml.Cpu(self._cpu_mode(virt_type)),
            ownership=xml.Ownership(self._node_uuid, instance.display_name),
            disks=tuple(disks),
            pci_ports=tuple(
                xml.PciRootPort(index) for index in range(1, self._conf.libvirt.num_pcie_ports + 1)
            ),
            has_virtio_scsi=any(disk.bus == "scsi" for disk in disks),
            console=xml.FileSerial(str(files.console)),
        )

    def _local_disk(
        self,
        local: plan.LocalDisk,
        instance_uuid: str,
        default_bus: str | None,
    ) -> xml.Disk:
        source = self._disks.source_of(instance_uuid, local.file_name)
        return xml.Disk(
            source=source.path,
            target=local.target,
            driver_format=source.disk_format,
            bus=local.bus or default_bus or naming.bus_of(local.target),
            source_type=source.source_type,
            network=source.network,
            cache=self._cache_mode(source),
            discard="unmap",
            boot_order=1 if local.is_root else None,
        )

    def _cache_mode(self, source: transports.Source) -> str:
        if source.source_type == "network":
            # No file system is asked for O_DIRECT.
            return str(self._conf.libvirt.disk_cachemode)
        # Servers' directories are on it, so that it is asked once for all of them.
        return cachemode.of(self._conf, pathlib.Path(self._conf.compute.instances_path))

    def _config_drive(
        self,
        instance_uuid: str,
        image_meta: objects.ImageMeta,
        disks: collections.abc.Iterable[xml.Disk],
    ) -> xml.Disk | None:
        """The CD with the config drive, if one was made."""
        files = directory.InstanceDirectory(self._conf, instance_uuid)
        if naming.CONFIG_DRIVE not in files.formats():
            return None
        source = self._disks.source_of(instance_uuid, naming.CONFIG_DRIVE)
        return xml.Disk(
            source=source.path,
            source_type=source.source_type,
            network=source.network,
            target=naming.free_target_name("sda", {disk.target for disk in disks}),
            driver_format=source.disk_format,
            bus=_cdrom_bus(image_meta.properties),
            device="cdrom",
            readonly=True,
        )

    def _cpu_mode(self, virt_type: str) -> str:
        configured: str = self._conf.libvirt.cpu_mode
        if configured != "auto":
            return configured
        return "host-model" if virt_type == "kvm" else "maximum"


def _cdrom_bus(properties: collections.abc.Mapping[str, typing.Any]) -> str:
    """The bus of a CD, by the image's properties.

    :raises nova_lite.exceptions.InvalidInput: the image wants one that our guests
        do not have.
    """
    # Kernels made for clouds have drivers for virtio but none for SATA; a system
    # whose disks are on an older bus may have it the other way round.
    is_old = properties.get("hw_disk_bus") in ("ide", "sata")
    bus = properties.get("hw_cdrom_bus") or ("sata" if is_old else "scsi")
    if bus not in _CDROM_BUSES:
        reason = f"the image's hw_cdrom_bus is {bus!r}; use one of {', '.join(_CDROM_BUSES)}"
        raise exceptions.InvalidInput(reason=reason)
    return str(bus)
