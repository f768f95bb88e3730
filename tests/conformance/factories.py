"""Requests to a driver, with sensible defaults."""

import uuid

from nova_lite import objects


def instance(**flavor):
    """A server as compute hands it to a driver."""
    sizes = {"vcpus": 1, "memory_mib": 64, "root_gib": 1, **flavor}
    return objects.Instance(
        uuid=str(uuid.uuid4()),
        project_id="project",
        user_id="user",
        display_name="test <&> server",
        flavor=objects.Flavor(flavorid="1", name="tiny", **sizes),
    )


def image_meta(**properties):
    return objects.ImageMeta(
        id=str(uuid.uuid4()), disk_format="raw", container_format="bare", properties=properties
    )


def volume_device(name, *, path=None, boot_index=None, volume_id=None, **data):
    """One of ``block_device_info['block_device_mapping']``, of type ``local``."""
    volume_id = volume_id or str(uuid.uuid4())
    return {
        "connection_info": {
            "driver_volume_type": "local",
            "serial": volume_id,
            "data": {"device_path": str(path or f"/nowhere/volume-{volume_id}"), **data},
        },
        "mount_device": f"/dev/{name}",
        "attachment_id": str(uuid.uuid4()),
        "boot_index": boot_index,
        "delete_on_termination": False,
        "device_type": "disk",
        "disk_bus": None,
        "guest_format": None,
    }


def ephemeral_device(name, size_gib=1, guest_format="ext4"):
    return {
        "device_name": f"/dev/{name}",
        "device_type": "disk",
        "disk_bus": "virtio",
        "guest_format": guest_format,
        "size": size_gib,
    }


def swap_device(name, size_mib):
    return {"device_name": f"/dev/{name}", "swap_size": size_mib, "disk_bus": "virtio"}


def block_device_info(*, root="/dev/vda", swap=None, ephemerals=(), volumes=()):
    return {
        "root_device_name": root,
        "swap": swap,
        "ephemerals": list(ephemerals),
        "block_device_mapping": list(volumes),
    }
