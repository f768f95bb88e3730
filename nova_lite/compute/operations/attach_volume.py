"""Plug a reserved volume into a server."""

import functools

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.blockdev import types
from nova_lite.compute import host as compute_host
from nova_lite.compute import task as compute_task
from nova_lite.states import DevicePhase
from nova_lite.volume import removal


def run(host: compute_host.ComputeHost, task: compute_task.InstanceTask) -> None:
    """Connect the one device of ``task`` and give it to the guest.

    On an error the volume is given back to Cinder and the device forgotten, unless the
    guest keeps its disk.
    """
    (device,) = task.devices
    task.end_badly = functools.partial(_end_badly, task, device)
    task.undo.add(
        "release volume",
        removal.release,
        task.ctxt,
        host.cinder,
        device,
        host.driver.volumes,
        keep=True,
    )
    types.volume_of(device, host).attach(
        task,
        before_plug=lambda: host.conductor.save_block_device(task.ctxt, task.operation, device),
    )


def _end_badly(
    task: compute_task.InstanceTask, device: objects.BlockDeviceMapping, error: Exception
) -> None:
    refused = any(isinstance(each, exceptions.DeviceDetachRefused) for each in task.undo.errors)
    if task.is_half_undone and not refused:
        task.leave(error)
        return
    if task.undo.failures:
        keep_half_attached(device)
        task.save_device(device)
    else:
        task.removed_devices.append(device.uuid)
    task.fail(error)


def keep_half_attached(device: objects.BlockDeviceMapping) -> None:
    """Something has the volume still: the device stays known, as one that is half
    detached. Its user can detach it again, and a delete of the server releases it."""
    if device.phase != DevicePhase.DISCONNECTED:
        device.phase = DevicePhase.UNPLUGGING.value
