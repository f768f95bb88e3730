"""Block device mappings as clients write them, v2 and v1, into ours.

Every refusal of a single item is here (RULES B2, B4, B14); it names the item, its
index and what to change. Rules about the set are in :mod:`limits`. Items have
passed the JSON schema, so types are right but combinations may not be.
"""

import collections.abc
import re
import typing

from oslo_utils import strutils
from oslo_utils import uuidutils

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.blockdev import naming

Item: typing.TypeAlias = collections.abc.Mapping[str, typing.Any]
Devices: typing.TypeAlias = list[objects.BlockDeviceMapping]

V2_KEY = "block_device_mapping_v2"
V1_KEY = "block_device_mapping"

SOURCES = ("blank", "image", "snapshot", "volume")
DESTINATIONS = ("local", "volume")
BUSES = tuple(sorted(naming.PREFIXES))
DEVICE_TYPES = ("cdrom", "disk", "floppy", "lun")
DEFAULT_DEVICE_TYPE = "disk"

V2_FIELDS = frozenset(
    {
        "boot_index", "delete_on_termination", "destination_type", "device_name", "device_type",
        "disk_bus", "guest_format", "image_id", "no_device", "snapshot_id", "source_type", "tag",
        "uuid", "volume_id", "volume_size", "volume_type",
    }
)  # fmt: skip

_EPHEMERAL = re.compile(r"^ephemeral(\d|[1-9]\d+)$")


def refuse(key: str, index: int, reason: str) -> typing.NoReturn:
    """Refuse item ``index`` of the list ``key``.

    :raises exceptions.InvalidBlockDevice: always.
    """
    raise exceptions.InvalidBlockDevice(reason=f"{key}[{index}]: {reason}")


def parse_v2(items: collections.abc.Sequence[Item], *, has_image_ref: bool) -> Devices:
    """Devices of ``block_device_mapping_v2``.

    :param has_image_ref: whether the request also has an ``imageRef``; only
        then may the root be an image on a local disk.
    :raises exceptions.InvalidBlockDevice: see the module.
    """
    return [
        _parse_v2(index, item, has_image_ref=has_image_ref) for index, item in enumerate(items)
    ]


def _parse_v2(index: int, item: Item, *, has_image_ref: bool) -> objects.BlockDeviceMapping:
    unknown = sorted(set(item) - V2_FIELDS)
    if unknown:
        refuse(V2_KEY, index, f"unknown field {unknown[0]!r}; remove it.")
    device = _new(
        guest_format=item.get("guest_format"),
        device_type=item.get("device_type") or DEFAULT_DEVICE_TYPE,
        disk_bus=item.get("disk_bus"),
        boot_index=_boot_index(index, item.get("boot_index")),
        device_name=_device_name(V2_KEY, index, item.get("device_name")),
        delete_on_termination=_flag(V2_KEY, index, item, "delete_on_termination"),
        no_device=_flag(V2_KEY, index, item, "no_device"),
        volume_size=_size(V2_KEY, index, item.get("volume_size")),
        volume_type=item.get("volume_type"),
        tag=item.get("tag"),
    )
    if device.no_device:
        # "Drop the image-defined device of that name": nothing else counts.
        return device
    device.source_type = _one_of(index, "source_type", item.get("source_type"), SOURCES)
    device.destination_type = _destination(index, device.source_type, item)
    _take_source(index, device, item)
    _check_combination(index, device, has_image_ref=has_image_ref)
    return device


def _destination(index: int, source_type: str, item: Item) -> str:
    """``destination_type``, which only blank and image may leave out."""
    given = item.get("destination_type")
    if source_type in ("volume", "snapshot") and given != "volume":
        refuse(
            V2_KEY,
            index,
            f"a {source_type} can only be attached as a volume; set destination_type to 'volume'.",
        )
    if given is None:
        return "local"
    return _one_of(index, "destination_type", given, DESTINATIONS)


def _take_source(index: int, device: objects.BlockDeviceMapping, item: Item) -> None:
    """``uuid`` names the source object; it is kept as ``<source_type>_id``."""
    uuid = item.get("uuid")
    if device.source_type == "blank":
        if uuid:
            refuse(V2_KEY, index, "Invalid device UUID: a blank device has none; remove uuid.")
        return
    if not uuid:
        refuse(
            V2_KEY,
            index,
            f"Missing device UUID: set uuid to the id of the {device.source_type}.",
        )
    if not uuidutils.is_uuid_like(uuid):
        refuse(V2_KEY, index, f"{uuid!r} is not the UUID of a {device.source_type}.")
    setattr(device, f"{device.source_type}_id", uuid)


def _check_combination(
    index: int, device: objects.BlockDeviceMapping, *, has_image_ref: bool
) -> None:
    if device.source_type == "image" and not device.is_volume:
        if not has_image_ref:
            refuse(
                V2_KEY,
                index,
                "Mapping image to local is not supported without imageRef; set imageRef, or "
                "destination_type to 'volume'.",
            )
        if not device.is_root:
            refuse(
                V2_KEY,
                index,
                "only the root can be an image on a local disk; set boot_index to 0, or "
                "destination_type to 'volume'.",
            )
    if device.volume_type and not device.is_volume:
        refuse(V2_KEY, index, "volume_type is only for destination_type 'volume'; remove it.")
    if device.volume_type and device.source_type == "volume":
        refuse(V2_KEY, index, "an existing volume has its volume_type already; remove it.")
    if device.volume_size is not None and device.volume_size < 1:
        refuse(V2_KEY, index, "volume_size must be at least 1.")
    if device.source_type in ("image", "blank") and device.is_volume and not device.volume_size:
        refuse(
            V2_KEY,
            index,
            f"a new volume from {device.source_type} needs a size; set volume_size (GiB).",
        )
    _one_of(index, "disk_bus", device.disk_bus or naming.DEFAULT_BUS, BUSES)
    _one_of(index, "device_type", device.device_type, DEVICE_TYPES)


def _one_of(
    index: int, field: str, value: str | None, allowed: collections.abc.Sequence[str]
) -> str:
    if value is None or value not in allowed:
        found = "is missing" if value is None else f"{value!r} is not known"
        refuse(V2_KEY, index, f"{field} {found}; use one of {', '.join(allowed)}.")
    return value


def _boot_index(index: int, value: int | str | None) -> int:
    if value is None:
        return -1
    try:
        return max(int(value), -1)
    except ValueError:
        refuse(V2_KEY, index, f"boot_index {value!r} is not a number.")


def _size(key: str, index: int, value: int | str | None) -> int | None:
    if value in (None, ""):
        return None
    try:
        size = int(value)
    except ValueError:
        refuse(key, index, f"volume_size {value!r} is not a number.")
    if not 0 <= size <= 0x7FFFFFFF:
        refuse(key, index, f"volume_size {size} must be between 1 and 2147483647.")
    return size


def _device_name(key: str, index: int, name: str | None) -> str | None:
    if name is None:
        return None
    if not name or len(name) > 255 or any(character.isspace() for character in name):
        refuse(key, index, "device_name must have 1 to 255 characters and no space.")
    return naming.with_dev(name)


def _flag(key: str, index: int, item: Item, field: str) -> bool:
    value = item.get(field)
    if value is None:
        return False
    if field == "no_device" and value == "":
        return True
    try:
        return bool(strutils.bool_from_string(value, strict=True))
    except ValueError:
        refuse(key, index, f"{field} {value!r} is not a boolean; use true or false.")


def _new(**fields: typing.Any) -> objects.BlockDeviceMapping:
    # The same whichever way a device was asked for (S43, S50).
    fields.setdefault("device_type", DEFAULT_DEVICE_TYPE)
    return objects.BlockDeviceMapping(uuid=uuidutils.generate_uuid(), **fields)


# v1


def parse_v1(
    items: collections.abc.Sequence[Item],
    *,
    image_id: str | None,
    root_device_name: str = naming.DEFAULT_ROOT,
    image_has_root: bool = False,
) -> Devices:
    """Devices of ``block_device_mapping``, or of a request without any mapping.

    The row with the root's name boots; without one the image does, and without
    that the first row that is not blank, if no name was asked for.

    :param image_id: the request's ``imageRef``, or None.
    :param image_has_root: the image itself defines the root device.
    :raises exceptions.InvalidBlockDevice: see the module.
    """
    devices = [_parse_v1(index, item) for index, item in enumerate(items)]
    if image_has_root:
        return devices
    for device in devices:
        if device.device_name == root_device_name and not device.no_device:
            device.boot_index = 0
            return devices
    if image_id:
        return [root_of_image(image_id), *devices]
    first = next((d for d in devices if d.source_type not in (None, "blank")), None)
    if first is not None and first.device_name is None:
        first.boot_index = 0
    return devices


def _parse_v1(index: int, item: Item) -> objects.BlockDeviceMapping:
    device = _new(
        device_name=_device_name(V1_KEY, index, item.get("device_name")),
        boot_index=-1,
        delete_on_termination=_flag(V1_KEY, index, item, "delete_on_termination"),
        no_device=_flag(V1_KEY, index, item, "no_device"),
        volume_size=_size(V1_KEY, index, item.get("volume_size")),
    )
    virtual_name = item.get("virtual_name") or ""
    if device.no_device:
        return device
    if virtual_name == "swap" or _EPHEMERAL.match(virtual_name):
        device.source_type, device.destination_type = "blank", "local"
        device.guest_format = "swap" if virtual_name == "swap" else None
        device.delete_on_termination = True
    elif item.get("snapshot_id"):
        device.source_type, device.destination_type = "snapshot", "volume"
        device.snapshot_id = _uuid(index, "snapshot_id", item["snapshot_id"])
    elif item.get("volume_id"):
        device.source_type, device.destination_type = "volume", "volume"
        device.volume_id = _uuid(index, "volume_id", item["volume_id"])
    else:
        refuse(
            V1_KEY,
            index,
            "Unrecognized legacy format: set volume_id, snapshot_id, no_device, or virtual_name "
            "to 'swap' or 'ephemeralN'.",
        )
    return device


def _uuid(index: int, field: str, value: str) -> str:
    if not uuidutils.is_uuid_like(value):
        refuse(V1_KEY, index, f"{field} {value!r} is not a UUID.")
    return value


def root_of_image(image_id: str) -> objects.BlockDeviceMapping:
    """The root that a request with only an ``imageRef`` means."""
    return _new(
        source_type="image",
        destination_type="local",
        image_id=image_id,
        boot_index=0,
        delete_on_termination=True,
    )


# What images and flavors add


def merge_image_defined(
    defined: collections.abc.Sequence[objects.BlockDeviceMapping], requested: Devices
) -> Devices:
    """Devices the image defines, overridden by name by the request's."""
    if any(device.is_root for device in defined):
        requested = [d for d in requested if not (d.is_root and d.source_type == "image")]
    names = {device.device_name for device in requested if device.device_name}
    kept = [device for device in defined if device.device_name not in names]
    return [device for device in [*kept, *requested] if not device.no_device]


def add_flavor_defined(devices: Devices, flavor: objects.Flavor) -> None:
    """Append the flavor's ephemeral and swap disks if none of their kind is there."""
    local = [d for d in devices if d.source_type == "blank" and not d.is_volume]
    if flavor.ephemeral_gib and all(device.is_swap for device in local):
        devices.append(_blank(volume_size=flavor.ephemeral_gib))
    if flavor.swap_mib and not any(device.is_swap for device in local):
        devices.append(_blank(guest_format="swap", volume_size=flavor.swap_mib))


def _blank(**fields: typing.Any) -> objects.BlockDeviceMapping:
    return _new(
        source_type="blank",
        destination_type="local",
        boot_index=-1,
        delete_on_termination=True,
        **fields,
    )
