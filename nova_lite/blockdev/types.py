"""Block device mappings as the hypervisor driver sees them."""

import collections.abc
import json

from nova_lite import objects
from nova_lite.virt import interface


def block_device_info(
    instance: objects.Instance, devices: collections.abc.Sequence[objects.BlockDeviceMapping]
) -> interface.BlockDeviceInfo:
    """The four parts of ``block_device_info``; volumes must be connected."""
    swap = next((device for device in devices if device.is_swap), None)
    return {
        "root_device_name": instance.root_device_name,
        "swap": _swap(swap) if swap is not None else None,
        "ephemerals": [_ephemeral(device) for device in devices if is_ephemeral(device)],
        "block_device_mapping": [volume(device) for device in devices if device.is_volume],
    }


def is_ephemeral(device: objects.BlockDeviceMapping) -> bool:
    """Whether it is an empty local disk that is not swap."""
    return bool(
        device.source_type == "blank" and device.destination_type == "local" and not device.is_swap
    )


def volume(device: objects.BlockDeviceMapping) -> interface.VolumeDevice:
    """One connected volume."""
    return {
        "connection_info": json.loads(device.connection_info),
        "mount_device": device.device_name,
        "attachment_id": device.attachment_id,
        "boot_index": device.boot_index,
        "delete_on_termination": device.delete_on_termination,
        "device_type": device.device_type,
        "disk_bus": device.disk_bus,
        "guest_format": device.guest_format,
    }


def _swap(device: objects.BlockDeviceMapping) -> interface.SwapDevice:
    return {
        "device_name": device.device_name,
        "swap_size": device.volume_size,
        "disk_bus": device.disk_bus or "virtio",
    }


def _ephemeral(device: objects.BlockDeviceMapping) -> interface.EphemeralDevice:
    return {
        "device_name": device.device_name,
        "device_type": device.device_type,
        "disk_bus": device.disk_bus,
        "guest_format": device.guest_format,
        "size": device.volume_size,
    }
