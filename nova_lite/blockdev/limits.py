"""Rules about a server's block devices as a set (RULES B3): each violation is a 400
that says what to change. Pure: what only Cinder or Glance know is checked by the API.
"""

import collections
import collections.abc

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.blockdev import naming

Devices = collections.abc.Sequence[objects.BlockDeviceMapping]


def check(devices: Devices, flavor: objects.Flavor, *, max_local_devices: int) -> None:
    """Check the merged list, and fill in sizes that the flavor decides.

    :param max_local_devices: local disks a server may have; negative: any number.
    :raises exceptions.InvalidBlockDevice: the first rule that is broken.
    """
    _check_boot_sequence(devices)
    _check_names(devices)
    _check_ephemerals(devices, flavor)
    _check_swap(devices, flavor)
    _check_local_devices(devices, max_local_devices)


def root_of(devices: Devices) -> objects.BlockDeviceMapping | None:
    """The device that boots first, or None."""
    return next((device for device in devices if device.is_root), None)


def local_disk_gib(devices: Devices, flavor: objects.Flavor) -> int:
    """GiB of the host's own disk: a root on a volume takes none (S156)."""
    root = root_of(devices)
    root_gib = 0 if root is not None and root.is_volume else flavor.root_gib
    return root_gib + flavor.ephemeral_gib + -(-flavor.swap_mib // 1024)


def check_root_name(devices: Devices, root_device_name: str = naming.DEFAULT_ROOT) -> None:
    """A server with an ``imageRef`` has its root's name taken already.

    :raises exceptions.InvalidBlockDevice: a volume asks for that name.
    """
    for device in devices:
        if device.is_volume and not device.is_root and device.device_name == root_device_name:
            raise exceptions.InvalidBlockDevice(
                reason=f"{device.device_name} is the root device's name; give the volume "
                "another device_name, or none."
            )


def _check_boot_sequence(devices: Devices) -> None:
    indices = sorted(device.boot_index for device in devices if device.boot_index >= 0)
    if not indices or indices != list(range(len(indices))):
        raise exceptions.InvalidBlockDevice(
            reason="Boot sequence for the instance and image/block device mapping combination is "
            f"not valid: boot_index values are {indices}; they must be 0, 1, 2, … "
            "without gaps, and one device must have 0."
        )


def _check_names(devices: Devices) -> None:
    counted = collections.Counter(device.device_name for device in devices if device.device_name)
    twice = [name for name, times in counted.items() if times > 1]
    if twice:
        raise exceptions.InvalidBlockDevice(
            reason=f"{twice[0]} is asked for by more than one device; names must differ."
        )
    volumes = collections.Counter(device.volume_id for device in devices if device.volume_id)
    twice = [volume_id for volume_id, times in volumes.items() if times > 1]
    if twice:
        raise exceptions.InvalidBlockDevice(
            reason=f"volume {twice[0]} is given twice; a server can have it once."
        )


def _local_blank(devices: Devices, *, swap: bool) -> list[objects.BlockDeviceMapping]:
    return [
        device
        for device in devices
        if device.source_type == "blank" and not device.is_volume and device.is_swap == swap
    ]


def _check_ephemerals(devices: Devices, flavor: objects.Flavor) -> None:
    ephemerals = _local_blank(devices, swap=False)
    for device in ephemerals:
        if device.volume_size is None:
            device.volume_size = flavor.ephemeral_gib
    asked = sum(device.volume_size for device in ephemerals)
    if asked > flavor.ephemeral_gib:
        raise exceptions.InvalidBlockDevice(
            reason=f"Ephemeral disks requested are larger than the instance type allows: {asked} "
            f"GiB of {flavor.ephemeral_gib}; ask for less, or use a larger flavor."
        )


def _check_swap(devices: Devices, flavor: objects.Flavor) -> None:
    swaps = _local_blank(devices, swap=True)
    if len(swaps) > 1:
        raise exceptions.InvalidBlockDevice(
            reason="More than one swap drive requested; a server can have one."
        )
    for device in swaps:
        if (device.volume_size or 0) > flavor.swap_mib:
            raise exceptions.InvalidBlockDevice(
                reason="Swap drive requested is larger than instance type allows: "
                f"{device.volume_size} MiB of {flavor.swap_mib}; ask for less."
            )
        if device.volume_size is None:
            device.volume_size = flavor.swap_mib


def _check_local_devices(devices: Devices, maximum: int) -> None:
    local = sum(1 for device in devices if not device.is_volume)
    if 0 <= maximum < local:
        raise exceptions.InvalidBlockDevice(
            reason=f"The number of local disks ({local}) is more than allowed ({maximum}); "
            "use volumes instead."
        )
