"""Names of disks: ``/dev/vda`` and so on (RULES B5).

A name's prefix follows from the bus, its letters from the order: root,
ephemerals, swap, volumes. Pure; the API uses it for attach (where a name must be
unique among the rows) and the compute for boot.
"""

import collections.abc
import itertools
import string

from nova_lite import objects

DEFAULT_BUS = "virtio"
DEFAULT_ROOT = "/dev/vda"

PREFIXES = {
    "virtio": "vd",
    "scsi": "sd",
    "sata": "sd",
    "usb": "sd",
    "ide": "hd",
    "fdc": "fd",
    "xen": "xvd",
    "uml": "ubd",
    "lxc": "vd",
}

_BUS_OF_KIND = {
    "disk": ("hw_disk_bus", DEFAULT_BUS),
    "cdrom": ("hw_cdrom_bus", "sata"),
    "floppy": (None, "fdc"),
    "lun": (None, "scsi"),
}
"""Kind of device -> the image property that names its bus, and the default."""


def strip(device_name: str) -> str:
    """``vda`` of ``/dev/vda``."""
    return device_name.removeprefix("/dev/")


def with_dev(device_name: str) -> str:
    """``/dev/vda`` of ``vda`` or ``/dev/vda``."""
    return f"/dev/{strip(device_name)}"


def prefix_of(bus: str | None) -> str:
    """What names on a bus begin with."""
    return PREFIXES[bus or DEFAULT_BUS]


def names(prefix: str) -> collections.abc.Iterator[str]:
    """``/dev/vda`` … ``/dev/vdz``, ``/dev/vdaa`` … ``/dev/vdzzz``."""
    for length in (1, 2, 3):
        for letters in itertools.product(string.ascii_lowercase, repeat=length):
            yield f"/dev/{prefix}{''.join(letters)}"


def next_free(taken: collections.abc.Iterable[str | None], bus: str | None = None) -> str:
    """The first name on ``bus`` that nobody has.

    Letters count a prefix, not a bus: scsi and sata disks share ``sd``.

    :param taken: names with or without ``/dev/``; None is nobody.
    """
    used = {with_dev(name) for name in taken if name}
    return next(name for name in names(prefix_of(bus)) if name not in used)


def _rank(device: objects.BlockDeviceMapping) -> int:
    if device.is_root:
        return 0
    if device.is_volume:
        return 3
    return 2 if device.is_swap else 1


def in_order(
    devices: collections.abc.Iterable[objects.BlockDeviceMapping],
) -> list[objects.BlockDeviceMapping]:
    """Root, ephemerals, swap, volumes; within a kind as they came."""
    return sorted(devices, key=_rank)


def bus_of(
    device: objects.BlockDeviceMapping, image_properties: collections.abc.Mapping[str, str]
) -> str:
    """The bus a device is on: the one asked for, else the image's, else the usual
    one of its kind (S48)."""
    if device.disk_bus:
        return str(device.disk_bus)
    wished, usual = _BUS_OF_KIND.get(device.device_type or "disk", (None, DEFAULT_BUS))
    bus = image_properties.get(wished, usual) if wished else usual
    return bus if bus in PREFIXES else usual


def assign(
    devices: collections.abc.Sequence[objects.BlockDeviceMapping],
    image_properties: collections.abc.Mapping[str, str] | None = None,
) -> str | None:
    """Give every device of a new server its bus and its name, in place. A name
    that a user asked for is advice that is not taken (S49).

    :returns: the root device's name, or None without a root.
    """
    taken: list[str | None] = []
    root_name = None
    for device in in_order(devices):
        device.disk_bus = bus_of(device, image_properties or {})
        device.device_name = next_free(taken, device.disk_bus)
        taken.append(device.device_name)
        if device.is_root:
            root_name = device.device_name
    return root_name
