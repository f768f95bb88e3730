"""Make an image of a server that boots from a volume: each of its volumes gets a
snapshot, and the image, without data of its own, names them."""

import json

from nova_lite import objects
from nova_lite.blockdev import image_rows
from nova_lite.compute import host as compute_host
from nova_lite.compute import task as compute_task
from nova_lite.volume import records
from nova_lite.volume import snapshots


def run(host: compute_host.ComputeHost, task: compute_task.InstanceTask) -> None:
    """Fill the image that the operation's arguments name.

    :raises Exception: whatever failed; the snapshots and the image are deleted.
    """
    image_id = task.operation.arguments["image_id"]
    task.undo.add("delete the image", host.glance.delete_image, task.ctxt, image_id)
    task.undo.add(
        "delete the volumes' snapshots", snapshots.remove_all, task.ctxt, host.cinder, image_id
    )
    made: dict[str, records.Snapshot] = {}
    for device in task.devices:
        if device.is_volume:
            with task.step("snapshot_volume"):
                made[device.uuid] = snapshots.order(
                    *(task.ctxt, host.cinder, device.volume_id),
                    image_id=image_id,
                    image_name=task.operation.arguments["image_name"],
                )
    with task.step("wait_for_snapshots"):
        for snapshot in made.values():
            snapshots.wait_until_available(
                *(task.ctxt, host.cinder, snapshot),
                timeout_s=host.conf.compute.volume_snapshot_timeout_s,
                on_progress=task.require_ours,
            )
    with task.step("activate_image"):
        _activate(host, task, made)
    # The image is whole: whatever comes now, it is the user's.
    task.undo.commit()


def _activate(
    host: compute_host.ComputeHost,
    task: compute_task.InstanceTask,
    made: dict[str, records.Snapshot],
) -> None:
    image_id = task.operation.arguments["image_id"]
    rows = [
        image_rows.row_of(device, made[device.uuid].id if device.uuid in made else None)
        for device in sorted(task.devices, key=_order)
    ]
    properties = {"block_device_mapping": json.dumps(rows), "bdm_v2": "True"}
    if task.instance.root_device_name:
        properties["root_device_name"] = task.instance.root_device_name
    host.glance.update_image(
        task.ctxt, image_id, properties, disk_format="raw", container_format="bare"
    )
    host.glance.upload(task.ctxt, image_id, None)


def _order(device: objects.BlockDeviceMapping) -> tuple[bool, int, str]:
    """The root first, then the others by boot index and name."""
    index = -1 if device.boot_index is None else device.boot_index
    return index < 0, index, device.device_name or ""
