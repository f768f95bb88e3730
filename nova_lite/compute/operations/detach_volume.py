"""Take a volume out of a server."""

import logging

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite import objects
from nova_lite.compute import host as compute_host
from nova_lite.compute import task as compute_task
from nova_lite.states import DevicePhase
from nova_lite.volume import flow
from nova_lite.volume import removal

LOG = logging.getLogger(__name__)

MAX_TRIES = 3


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
        except Exception as error:
            if _has_disk(host, task.instance.uuid, device.volume_id):
                _roll_back(host, task, device)
                raise
            LOG.info("The guest let go of %s in spite of: %s", device.volume_id, error)
    with task.step("release_volume"):
        _release(host, task, device)
    task.removed_devices.append(device.uuid)


def _has_disk(host: compute_host.ComputeHost, instance_uuid: str, volume_id: str) -> bool:
    try:
        disks = host.driver.volumes.list_disks(instance_uuid)
    except exceptions.GuestNotFound:
        return False
    return any(disk.serial == volume_id for disk in disks)


def _roll_back(
    host: compute_host.ComputeHost,
    task: compute_task.InstanceTask,
    device: objects.BlockDeviceMapping,
) -> None:
    """The volume stays in-use. If Cinder cannot be told, the phase stays
    ``unplugging``, with which the detach can be asked for again."""
    way = flow.flow_for(task.ctxt, device, host.cinder, host.driver.volumes)
    try:
        way.roll_detaching(task.ctxt, device)
    except exceptions.NovaLiteError as error:
        LOG.warning("Volume %s stays detaching: %s", device.volume_id, error.message)
        return
    device.phase = DevicePhase.COMPLETE.value
    task.save_device(device)


def _release(
    host: compute_host.ComputeHost,
    task: compute_task.InstanceTask,
    device: objects.BlockDeviceMapping,
) -> None:
    """The guest has let go, so the way is forward: tried several times."""
    for _ in range(MAX_TRIES - 1):
        try:
            removal.release(task.ctxt, host.cinder, device, host.driver.volumes, keep=True)
            return
        except exceptions.NovaLiteError as error:
            LOG.warning("Volume %s is not released yet: %s", device.volume_id, error.message)
        concurrency.sleep(compute_task.FIRST_RETRY_S)
    removal.release(task.ctxt, host.cinder, device, host.driver.volumes, keep=True)
