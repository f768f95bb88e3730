"""Take a volume out of a server."""

from nova_lite import exceptions
from nova_lite.compute import host as compute_host
from nova_lite.compute import task as compute_task
from nova_lite.states import DevicePhase
from nova_lite.volume import flow
from nova_lite.volume import removal


def run(host: compute_host.ComputeHost, task: compute_task.InstanceTask) -> None:
    """Unplug the one device of ``task``, disconnect it, and release it.

    A guest that will not let go keeps its disk: the volume stays in-use, and
    the action says so. Once the guest has let go the way is forward only.
    """
    (device,) = task.devices
    with task.step("unplug"):
        device.phase = DevicePhase.UNPLUGGING.value
        task.save_device(device)
        try:
            host.driver.volumes.unplug(task.instance.uuid, device.volume_id)
        except exceptions.GuestNotFound:
            # No guest, no disk in it.
            pass
        except Exception:
            device.phase = DevicePhase.COMPLETE.value
            task.save_device(device)
            way = flow.flow_for(task.ctxt, device, host.cinder, host.driver.volumes)
            way.roll_detaching(task.ctxt, device)
            raise
    with task.step("release_volume"):
        removal.release(task.ctxt, host.cinder, device, host.driver.volumes)
    task.removed_devices.append(device.uuid)
