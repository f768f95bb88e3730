"""Make an image of a server's local root disk."""

import logging

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import states
from nova_lite.compute import host as compute_host
from nova_lite.compute import task as compute_task

LOG = logging.getLogger(__name__)

LOOKS = 5
LOOK_PAUSE_S = 1.0


def run(host: compute_host.ComputeHost, task: compute_task.InstanceTask) -> None:
    """Fill the image that the operation's arguments name.

    :raises Exception: whatever failed; nothing of the snapshot is left, and the
        image is deleted.
    """
    _require_support(host, task)
    image_id, instance_uuid = task.operation.arguments["image_id"], task.instance.uuid
    snapshots = host.driver.snapshots
    # Undone from below: what was published goes before what it was cloned from.
    task.undo.add("discard the snapshot", snapshots.discard, instance_uuid, image_id)
    task.undo.add("withdraw the image", _withdraw, host, task, image_id)
    with task.step("take_snapshot", states.TaskState.IMAGE_SNAPSHOT):
        snapshots.take(instance_uuid, image_id)
    if not _publish(host, task, image_id):
        _upload(host, task, image_id)
    with task.step("discard_snapshot"):
        snapshots.discard(instance_uuid, image_id)
    # The image is whole: whatever comes now, it is the user's.
    task.undo.commit()


def _require_support(host: compute_host.ComputeHost, task: compute_task.InstanceTask) -> None:
    able = host.driver.capabilities
    if not able.supports_snapshot:
        raise exceptions.UnsupportedByDriver(capability="images of servers")
    is_off = task.instance.vm_state in (states.VmState.STOPPED, states.VmState.SUSPENDED)
    if not able.supports_live_snapshot and not is_off:
        raise exceptions.UnsupportedByDriver(
            capability="images of running servers: stop the server first"
        )


def _publish(
    host: compute_host.ComputeHost, task: compute_task.InstanceTask, image_id: str
) -> bool:
    """Where storage and Glance agree on it, the image is made without moving data."""
    with task.step("publish_snapshot", states.TaskState.IMAGE_PENDING_UPLOAD):
        location = host.driver.snapshots.publish(task.instance.uuid, image_id)
    if location is None:
        return False
    with task.step("register_location", states.TaskState.IMAGE_UPLOADING):
        _describe(host, task, image_id, "raw")
        if _register(host, task, image_id, location):
            return True
        host.driver.snapshots.unpublish(task.instance.uuid, image_id)
        return False


def _register(
    host: compute_host.ComputeHost, task: compute_task.InstanceTask, image_id: str, location: str
) -> bool:
    """Tell Glance where the data are.

    :returns: False if it takes no locations, or not from users, or is elsewhere:
        the image is as it was.
    """
    try:
        _add_location(host, task, image_id, location)
    except (exceptions.Forbidden, exceptions.InvalidInput, exceptions.RemoteConflict):
        return False
    except exceptions.RemoteServiceError:
        # It may not read what the image shares with the server's disk: Ceph's guide
        # gives Glance's user its own pool only. Or it is slow, and may yet do what it
        # was asked first: from here on a refusal is an error, and the image is deleted.
        host.driver.snapshots.make_independent(task.instance.uuid, image_id)
        _add_location(host, task, image_id, location)
    return True


def _add_location(
    host: compute_host.ComputeHost, task: compute_task.InstanceTask, image_id: str, location: str
) -> None:
    """Make it the image's location.

    :raises nova_lite.exceptions.NovaLiteError: Glance did not do it; it is asked, for
        what it answered may be lost, or be about a repetition.
    """
    try:
        host.glance.add_location(task.ctxt, image_id, location)
    except exceptions.NovaLiteError as error:
        if not _is_at(host, task, image_id, location):
            raise
        LOG.info("Image %s is at %s, although Glance said: %s", image_id, location, error)


def _is_at(
    host: compute_host.ComputeHost, task: compute_task.InstanceTask, image_id: str, location: str
) -> bool:
    """Whether the image has its data, at that location.

    :raises nova_lite.exceptions.RemoteServiceError: nobody knows.
    """
    if _look_at(host, task, image_id).status != "active":
        return False
    try:
        urls = host.glance.rbd_urls(image_id)
    except exceptions.NovaLiteError as error:
        LOG.info("Glance does not say where image %s is: %s", image_id, error.message)
        urls = []
    # One that hides locations can have it only from us: the image was made for this.
    return not urls or location in urls


def _look_at(
    host: compute_host.ComputeHost, task: compute_task.InstanceTask, image_id: str
) -> objects.ImageMeta:
    """What is decided by this cannot be mended: ask until Glance answers, within reason."""
    for _ in range(LOOKS - 1):
        try:
            return host.glance.get_image(task.ctxt, image_id)
        except exceptions.RemoteServiceError as error:
            LOG.warning("%s; asking again for image %s", error.message, image_id)
        concurrency.sleep(LOOK_PAUSE_S)
    return host.glance.get_image(task.ctxt, image_id)


def _withdraw(
    host: compute_host.ComputeHost, task: compute_task.InstanceTask, image_id: str
) -> None:
    """Delete the image, and only then what was published: while Glance may name it,
    it must be whole."""
    host.glance.delete_image(task.ctxt, image_id)
    host.driver.snapshots.unpublish(task.instance.uuid, image_id)


def _upload(
    host: compute_host.ComputeHost, task: compute_task.InstanceTask, image_id: str
) -> None:
    with task.step("extract_snapshot", states.TaskState.IMAGE_PENDING_UPLOAD):
        file = host.driver.snapshots.extract(task.instance.uuid, image_id, task.require_ours)
    with task.step("upload_image", states.TaskState.IMAGE_UPLOADING):
        _describe(host, task, image_id, file.disk_format)
        host.glance.upload(task.ctxt, image_id, file.path, task.require_ours)


def _describe(
    host: compute_host.ComputeHost,
    task: compute_task.InstanceTask,
    image_id: str,
    disk_format: str,
) -> None:
    host.glance.update_image(
        task.ctxt,
        image_id,
        # What EC2 called these two is what Nova's images have.
        {"image_state": "available", "image_location": "snapshot"},
        disk_format=disk_format,
        container_format="bare",
    )
