"""Plug a reserved volume into a server."""

from nova_lite import objects
from nova_lite.blockdev import types
from nova_lite.compute import host as compute_host
from nova_lite.compute import task as compute_task
from nova_lite.states import DevicePhase
from nova_lite.volume import removal


def run(host: compute_host.ComputeHost, task: compute_task.InstanceTask) -> None:
    """Connect the one device of ``task`` and give it to the guest.

    On an error the volume is given back to Cinder and the device forgotten.
    """
    (device,) = task.devices
    task.removed_devices.append(device.uuid)
    task.undo.add("release volume", _give_back, host, task, device)
    types.volume_of(device, host).attach(
        task,
        before_plug=lambda: host.conductor.save_block_device(task.ctxt, task.operation, device),
    )
    task.removed_devices.remove(device.uuid)


def _give_back(
    host: compute_host.ComputeHost,
    task: compute_task.InstanceTask,
    device: objects.BlockDeviceMapping,
) -> None:
    try:
        removal.release(task.ctxt, host.cinder, device, host.driver.volumes, keep=True)
    except Exception:
        # The device stays known, as one that is half detached: its user can
        # detach it again, and a delete of the server releases it.
        if device.phase != DevicePhase.DISCONNECTED:
            device.phase = DevicePhase.UNPLUGGING.value
        task.removed_devices.remove(device.uuid)
        task.save_device(device)
        raise
