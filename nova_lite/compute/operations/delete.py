"""Delete a server: its guest, its volumes' connections, its disks. Every step
accepts that it is done already, so the whole can be repeated."""

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite.compute import host as compute_host
from nova_lite.compute import image_undo
from nova_lite.compute import task as compute_task
from nova_lite.image import unfinished
from nova_lite.volume import removal

MAX_TRIES = 3


def run(host: compute_host.ComputeHost, task: compute_task.InstanceTask) -> None:
    """Remove everything of the server of ``task`` from this host and Cinder.

    A volume that cannot be released is tried again, and in the end named in the
    journal: a delete always ends.
    """
    instance_uuid = task.instance.uuid
    with task.step("destroy_guest"):
        host.driver.guests.destroy(instance_uuid)
    if task.operation.superseded or any(device.is_volume for device in task.devices):
        with task.step("release_volumes"):
            left = _release(host, task)
        if left:
            task.message = f"Left behind: {'; '.join(left)}"
    with task.step("remove_disks"):
        host.driver.disks.remove(instance_uuid)
    task.facts["power_state"] = 0


def _release(host: compute_host.ComputeHost, task: compute_task.InstanceTask) -> list[str]:
    for _ in range(MAX_TRIES - 1):
        left = _release_once(host, task)
        if not left:
            return []
        concurrency.sleep(compute_task.FIRST_RETRY_S)
    return _release_once(host, task)


def _release_once(host: compute_host.ComputeHost, task: compute_task.InstanceTask) -> list[str]:
    left, superseded = [], task.operation.superseded
    for device in task.devices:
        if device.uuid in task.removed_devices:
            continue
        lines = removal.release_all(
            task.ctxt, host.cinder, [device], host.driver.volumes, superseded
        )
        if not lines:
            # Whatever fails later, this one is gone.
            task.removed_devices.append(device.uuid)
        left += lines
    try:
        removal.release_strays(
            task.ctxt, host.cinder, task.instance.uuid, task.devices, superseded
        )
    except exceptions.NovaLiteError as error:
        left.append(f"attachments: {error.message}")
    for operation in superseded:
        if operation.action in unfinished.ACTIONS:
            try:
                image_undo.roll_back(host, task.ctxt, operation)
            except exceptions.NovaLiteError as error:
                left.append(f"image {operation.arguments['image_id']}: {error.message}")
    return left
