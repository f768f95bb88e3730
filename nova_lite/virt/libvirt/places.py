"""Where disks are on a guest's buses.

Disks that are PCI devices of their own (virtio) get their slots from us, in order,
so that their addresses are known before libvirt sees the domain. A disk on the
SCSI bus gets from libvirt the place that belongs to its name.
"""

import collections.abc
import dataclasses

from nova_lite.virt import interface
from nova_lite.virt.libvirt import xml


def assign(disks: collections.abc.Iterable[xml.Disk], ports: int) -> list[xml.Disk]:
    """``disks``, each virtio disk in a PCIe root port of its own while there are
    any of the ``ports``."""
    free = iter(range(1, ports + 1))
    return [
        dataclasses.replace(disk, pci_bus=next(free, None)) if disk.bus == "virtio" else disk
        for disk in disks
    ]


def of(disk: xml.Disk) -> interface.DevicePlace:
    """Where the guest's system finds a disk."""
    if disk.pci_bus is not None:
        return interface.DevicePlace("pci", f"0000:{disk.pci_bus:02x}:00.0")
    if disk.bus == "scsi":
        controller, unit = xml.scsi_place(disk.target)
        return interface.DevicePlace("scsi", f"{controller}:0:0:{unit}")
    return interface.DevicePlace()
