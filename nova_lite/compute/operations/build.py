"""Build a server: claim room, prepare its block devices, start its guest."""

import logging

from nova_lite import exceptions
from nova_lite import objects
from nova_lite import states
from nova_lite.blockdev import types
from nova_lite.compute import host as compute_host
from nova_lite.compute import task as compute_task
from nova_lite.compute import volumes
from nova_lite.virt import interface
from nova_lite.virt.configdrive import content

LOG = logging.getLogger(__name__)

ABORTS = (
    exceptions.BuildAborted,
    exceptions.InvalidInput,
    exceptions.VolumeNotCreated,
    exceptions.NotFound,
    exceptions.QuotaExceeded,
    exceptions.UnsupportedByDriver,
)
"""Errors that no other host would cure: the request itself cannot be met."""


def run(
    host: compute_host.ComputeHost,
    task: compute_task.InstanceTask,
    spec: objects.RequestSpec,
) -> None:
    """Build and start the server of ``task``.

    :raises Exception: whatever failed; the task has undone everything, and
        told the conductor either to try the next host or to give up.
    """
    task.end_badly = lambda error: _end_badly(host, task, error)
    instance = task.instance
    with task.step("claim"):
        host.resources.claim(instance, spec)
        task.undo.add("release claim", host.resources.release, instance.uuid)

    for device in task.devices:
        if device.is_volume:
            _prepare_volume(host, task, device)
    info = types.block_device_info(instance, task.devices)

    root_image = None
    if not instance.boots_from_volume:
        with task.step("fetch_image"):
            root_image = _fetch_image(host, task, spec.image)
    with task.step("create_disks"):
        task.undo.add("remove disks", host.driver.disks.remove, instance.uuid)
        host.driver.disks.create(instance, info, root_image)
    if content.is_wanted(host.conf, instance, spec.image):
        with task.step("create_config_drive"):
            _create_config_drive(host, task, spec, info, root_image)
    _spawn(host, task, spec, info, root_image)


def _fetch_image(
    host: compute_host.ComputeHost,
    task: compute_task.InstanceTask,
    image: objects.ImageMeta,
) -> interface.RootImage:
    if not host.driver.capabilities.uses_image_files:
        return interface.RootImage(image.id, "", image.disk_format, image.size_bytes)
    root_gib = task.instance.flavor.root_gib
    return host.images.ensure(task.ctxt, image, host.glance.download, root_gib=root_gib)


def _prepare_volume(
    host: compute_host.ComputeHost,
    task: compute_task.InstanceTask,
    device: objects.BlockDeviceMapping,
) -> None:
    doing = states.TaskState.BLOCK_DEVICE_MAPPING
    if device.source_type != "volume":
        with task.step("create_volume", doing):
            volumes.create(host, task, device)
    with task.step("connect_volume", doing):
        task.undo.add(
            f"disconnect volume {device.volume_id}",
            _hold,
            host,
            task,
            device,
        )
        way = volumes.connect(host, task, device)
    with task.step("complete_attachment", doing):
        way.complete(task.ctxt, device)
        task.save_device(device)


def _hold(
    host: compute_host.ComputeHost,
    task: compute_task.InstanceTask,
    device: objects.BlockDeviceMapping,
) -> None:
    if task.superseded:
        # The delete that took over releases the reservation it knows of: a new
        # one would be nobody's.
        volumes.disconnect(host, task.ctxt, device)
    else:
        volumes.disconnect_and_hold(host, task.ctxt, task.operation, device)
    task.save_device(device)


def _create_config_drive(
    host: compute_host.ComputeHost,
    task: compute_task.InstanceTask,
    spec: objects.RequestSpec,
    info: interface.BlockDeviceInfo,
    root_image: interface.RootImage | None,
) -> None:
    """Undone with the disks, beside which it is."""
    driver, instance = host.driver, task.instance
    places = driver.guests.device_places(instance, spec.image, info, root_image)
    devices = content.device_metadata(task.devices, places)
    driver.disks.write_config_drive(
        instance.uuid, content.files(instance, devices, task.admin_password)
    )
    task.facts["config_drive"] = True


def _spawn(
    host: compute_host.ComputeHost,
    task: compute_task.InstanceTask,
    spec: objects.RequestSpec,
    info: interface.BlockDeviceInfo,
    root_image: interface.RootImage | None,
) -> None:
    with task.step("spawn", states.TaskState.SPAWNING):
        task.undo.add("destroy guest", host.driver.guests.destroy, task.instance.uuid)
        host.driver.guests.spawn(task.instance, spec.image, info, root_image)
    task.facts["power_state"] = int(states.PowerState.RUNNING)


def _end_badly(
    host: compute_host.ComputeHost, task: compute_task.InstanceTask, error: Exception
) -> None:
    """Everything is undone: another host, or the end."""
    if task.superseded or isinstance(error, ABORTS):
        for device in task.devices:
            try:
                volumes.discard_created(host, task.ctxt, device)
                task.save_device(device)
            except exceptions.NovaLiteError as left:
                LOG.warning("Volume %s is left behind: %s", device.volume_id, left.message)
        task.facts.update(host=None, node=None)
        task.fail(error)
        return
    LOG.warning("Build of %s failed on this host: %s", task.instance.uuid, error, exc_info=error)
    task.reschedule(error)
