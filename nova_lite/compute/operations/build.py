"""Build a server: claim room, prepare its block devices, start its guest."""

import collections.abc
import dataclasses
import functools
import logging

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import states
from nova_lite.blockdev import types
from nova_lite.compute import host as compute_host
from nova_lite.compute import task as compute_task
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

HOSTLESS = {"host": None, "node": None}
"""Where a server is whose build is given up."""


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

    disks = [types.disk_of(device, host) for device in task.devices]
    for disk in disks:
        if isinstance(disk, types.VolumeDisk):
            _attach(host, task, disk)
    info = types.block_device_info(instance, disks)

    root_image = None
    if not instance.boots_from_volume:
        with task.step("fetch_image") as step:
            root_image = _fetch_image(host, task, spec.image)
            step.message = root_image.story
        root = next(disk for disk in disks if isinstance(disk, types.LocalImageDisk))
        root_image = dataclasses.replace(root_image, disk_bus=root.bdm.disk_bus)
    with task.step("create_disks") as step:
        task.undo.add("remove disks", host.driver.disks.remove, instance.uuid)
        step.message = host.driver.disks.create(instance, info, root_image)
    if content.is_wanted(host.conf, instance, spec.image):
        with task.step("create_config_drive"):
            _create_config_drive(host, task, spec, info, root_image)
    _spawn(host, task, spec, info, root_image)


def _fetch_image(
    host: compute_host.ComputeHost,
    task: compute_task.InstanceTask,
    image: objects.ImageMeta,
) -> interface.RootImage:
    return host.driver.images.ensure(
        task.ctxt,
        image,
        host.glance.download,
        host.glance.rbd_urls,
        root_gib=task.instance.flavor.root_gib,
    )


def _attach(
    host: compute_host.ComputeHost, task: compute_task.InstanceTask, disk: types.VolumeDisk
) -> None:
    doing = states.TaskState.BLOCK_DEVICE_MAPPING
    if isinstance(disk, types.NewVolume):
        with task.step("create_volume", doing):
            disk.create(task)
    task.undo.add(f"disconnect volume {disk.bdm.volume_id}", _hold, host, task, disk)
    disk.attach(task, doing)


def _hold(
    host: compute_host.ComputeHost, task: compute_task.InstanceTask, disk: types.VolumeDisk
) -> None:
    if task.superseded:
        # The delete that took over releases the reservation it knows of: a new
        # one would be nobody's.
        disk.disconnect(task.ctxt)
    else:
        save = functools.partial(host.conductor.save_block_device, task.ctxt, task.operation)
        disk.hold(task.ctxt, task.instance.uuid, functools.partial(compute_task.insist, save))
    task.save_device(disk.bdm)


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
        # While it may run, nothing that it uses goes.
        task.undo.add_vital("destroy guest", host.driver.guests.destroy, task.instance.uuid)
        host.driver.guests.spawn(task.instance, spec.image, info, root_image)
    task.facts["power_state"] = int(states.PowerState.RUNNING)


def discard_volumes(
    host: compute_host.ComputeHost,
    ctxt: context.RequestContext,
    devices: collections.abc.Iterable[objects.BlockDeviceMapping],
    save: collections.abc.Callable[[objects.BlockDeviceMapping], object],
) -> None:
    """There is no further attempt: volumes that were made for the server go. One that
    cannot be deleted now does not keep the others."""
    for device in devices:
        if not device.is_volume:
            continue
        try:
            types.volume_of(device, host).discard(ctxt)
            save(device)
        except exceptions.NovaLiteError as left:
            LOG.warning("Volume %s is left behind: %s", device.volume_id, left.message)


def _end_badly(
    host: compute_host.ComputeHost, task: compute_task.InstanceTask, error: Exception
) -> None:
    """Another host, or the end; but not while there may be a guest here, which would
    share its volumes with the other host's."""
    is_over = task.superseded or isinstance(error, ABORTS)
    if task.is_half_undone:
        task.leave(error, reschedule=not is_over)
        return
    if is_over:
        discard_volumes(host, task.ctxt, task.devices, task.save_device)
        task.facts.update(HOSTLESS)
        task.fail(error)
        return
    LOG.warning("Build of %s failed on this host: %s", task.instance.uuid, error, exc_info=error)
    task.reschedule(error)
