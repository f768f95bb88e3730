"""Have a server see that Cinder has made one of its volumes larger."""

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.compute import host as compute_host
from nova_lite.compute import task as compute_task
from nova_lite.virt import sizes
from nova_lite.volume import growing
from nova_lite.volume import host_side
from nova_lite.volume import records


def run(host: compute_host.ComputeHost, task: compute_task.InstanceTask) -> None:
    """Grow the disk of the one device of ``task`` to its volume's size: in the guest
    if it runs, in its record in any case.

    Most of Cinder's back ends are done when they tell us. Of those that are not the
    volume is still ``extending``: Cinder waits to hear how it went, and rolls back if
    it went wrong (3.71).

    :raises nova_lite.exceptions.InvalidVolume: the server has no such volume any
        more, or Cinder does not say its new size.
    """
    volume_id = task.operation.arguments["volume_id"]
    task.undo.add(
        "tell Cinder that it failed", growing.tell_failure, task.ctxt, host.cinder, volume_id
    )
    if not task.devices:
        raise exceptions.InvalidVolume(
            reason=f"volume {volume_id} is not attached to instance {task.instance.uuid} any more"
        )
    (device,) = task.devices
    with task.step("read_volume"):
        volume = host.cinder.get_volume(task.ctxt, volume_id)
    _extend(host, task, device, volume)
    if volume.waits_for_extend:
        with task.step("complete_extend"):
            host.cinder.complete_extend(task.ctxt, volume_id, failed=False)


def _extend(
    host: compute_host.ComputeHost,
    task: compute_task.InstanceTask,
    device: objects.BlockDeviceMapping,
    volume: records.Volume,
) -> None:
    with task.step("extend_disk"):
        size_gib = volume.size_to_be_gib
        if not volume.waits_for_extend:
            # It has that size, whatever becomes of the guest's disk.
            device.volume_size = size_gib
            task.save_device(device)
        info = host_side.connection_info_of(device)
        # A volume that is still to be connected has its new size when it is.
        if info is not None:
            host.driver.volumes.extend(task.instance.uuid, info, size_gib * sizes.GIB)
        device.volume_size = size_gib
        task.save_device(device)
