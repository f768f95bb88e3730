"""Plug a reserved volume into a server."""

from nova_lite import objects
from nova_lite.blockdev import types
from nova_lite.compute import host as compute_host
from nova_lite.compute import task as compute_task
from nova_lite.compute import volumes
from nova_lite.states import DevicePhase
from nova_lite.volume import removal


def run(host: compute_host.ComputeHost, task: compute_task.InstanceTask) -> None:
    """Connect the one device of ``task`` and give it to the guest.

    On an error the volume is given back to Cinder and the device forgotten.
    """
    (device,) = task.devices
    task.removed_devices.append(device.uuid)
    task.undo.add("release volume", _give_back, host, task, device)
    with task.step("connect_volume"):
        way = volumes.connect(host, task, device)
        host.conductor.save_block_device(task.ctxt, task.operation, device)
    with task.step("plug"):
        task.undo.add("unplug", host.driver.volumes.unplug, task.instance.uuid, device.volume_id)
        host.driver.volumes.plug(task.instance.uuid, types.volume(device))
        device.phase = DevicePhase.PLUGGED.value
        task.save_device(device)
    with task.step("complete_attachment"):
        way.complete(task.ctxt, device)
        task.save_device(device)
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
