"""Take a volume out of a server."""

from nova_lite.blockdev import types
from nova_lite.compute import host as compute_host
from nova_lite.compute import task as compute_task


def run(host: compute_host.ComputeHost, task: compute_task.InstanceTask) -> None:
    """Unplug the one device of ``task``, disconnect it, and release it.

    If the guest will not let go, the volume stays in-use and the action says so.
    """
    if not task.devices:
        # An earlier one was quicker.
        return
    (device,) = task.devices
    types.volume_of(device, host).detach(task)
    task.removed_devices.append(device.uuid)
