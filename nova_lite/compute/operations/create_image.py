"""Make an image of a server's local root disk."""

from nova_lite import exceptions
from nova_lite import states
from nova_lite.compute import host as compute_host
from nova_lite.compute import task as compute_task


def run(host: compute_host.ComputeHost, task: compute_task.InstanceTask) -> None:
    """Fill the image that the operation's arguments name.

    :raises Exception: whatever failed; nothing of the snapshot is left, and the
        image is deleted.
    """
    _require_support(host, task)
    image_id, instance_uuid = task.operation.arguments["image_id"], task.instance.uuid
    snapshots = host.driver.snapshots
    # Undone from below: Glance lets go of what was published before that goes, and
    # that goes before what it was cloned from.
    task.undo.add("discard the snapshot", snapshots.discard, instance_uuid, image_id)
    task.undo.add("unpublish the snapshot", snapshots.unpublish, instance_uuid, image_id)
    task.undo.add("delete the image", host.glance.delete_image, task.ctxt, image_id)
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
        try:
            _add_location(host, task, image_id, location)
        except (exceptions.Forbidden, exceptions.InvalidInput, exceptions.RemoteConflict):
            # This Glance takes no locations, or not from users, or is elsewhere.
            host.driver.snapshots.unpublish(task.instance.uuid, image_id)
            return False
    return True


def _add_location(
    host: compute_host.ComputeHost, task: compute_task.InstanceTask, image_id: str, location: str
) -> None:
    """Tell Glance. If it fails at that, it may not read what the image shares with
    the server's disk: Ceph's guide gives Glance's user its own pool only."""
    try:
        host.glance.add_location(task.ctxt, image_id, location)
    except exceptions.RemoteConflict:
        raise
    except exceptions.RemoteServiceError:
        host.driver.snapshots.make_independent(task.instance.uuid, image_id)
        host.glance.add_location(task.ctxt, image_id, location)


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
