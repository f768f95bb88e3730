"""Block devices as an image of a server lists them (``block_device_mapping``).

The keys are those that Nova writes, so that its images and ours can be booted by
either.
"""

import typing

from nova_lite import objects

_KEPT = (
    "guest_format", "device_type", "disk_bus", "boot_index", "device_name",
    "delete_on_termination", "volume_size", "tag", "volume_type",
)  # fmt: skip
_KEPT_OF_VOLUMES = (
    "device_type", "disk_bus", "boot_index", "device_name", "delete_on_termination",
    "volume_size",
)  # fmt: skip
_ALWAYS: dict[str, typing.Any] = {
    "source_type": None, "destination_type": None, "guest_format": None, "device_type": None,
    "disk_bus": None, "boot_index": None, "device_name": None, "delete_on_termination": False,
    "snapshot_id": None, "volume_id": None, "volume_size": None, "image_id": None,
    "no_device": None, "tag": None, "volume_type": None,
}  # fmt: skip


def row_of(device: objects.BlockDeviceMapping, snapshot_id: str | None) -> dict[str, typing.Any]:
    """The row by which a server made of the image gets the same device again.

    :param snapshot_id: of a volume, of which the new server gets a volume of its own.
    """
    if snapshot_id is None:
        kept = {name: getattr(device, name) for name in _KEPT}
        source = {
            "source_type": device.source_type,
            "destination_type": device.destination_type,
            "image_id": device.image_id,
        }
        return _ALWAYS | kept | source
    kept = {name: getattr(device, name) for name in _KEPT_OF_VOLUMES}
    source = {"source_type": "snapshot", "destination_type": "volume", "snapshot_id": snapshot_id}
    return _ALWAYS | kept | source
