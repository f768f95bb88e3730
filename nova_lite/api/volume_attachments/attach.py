"""Attaching an existing volume to a server.

The device's name is chosen here, from the server's rows, so nobody waits for the
host (PAINS D2); attaches at once to one server take turns at its row. The device and
the operation are recorded before Cinder is asked.
"""

import contextlib
import typing

from oslo_utils import strutils
from oslo_utils import uuidutils

from nova_lite import exceptions
from nova_lite import objects
from nova_lite import states
from nova_lite import transitions
from nova_lite.api import request
from nova_lite.api import validation
from nova_lite.api.servers import load
from nova_lite.api.servers import placement
from nova_lite.api.servers import sources
from nova_lite.api.volume_attachments import policy
from nova_lite.api.volume_attachments import schemas
from nova_lite.api.volume_attachments import views
from nova_lite.blockdev import naming
from nova_lite.db import session
from nova_lite.db.queries import block_devices
from nova_lite.db.queries import operations
from nova_lite.volume import flow

if typing.TYPE_CHECKING:
    from nova_lite.volume import records

OWNER = "api"


@validation.answers({200: schemas.ATTACHED})
def create(req: request.Request, server_id: str) -> dict[str, typing.Any]:
    """``POST …/os-volume_attachments``."""
    instance = load.instance(req, server_id)
    req.authorize(policy.CREATE, load.target(instance))
    body = req.body(schemas.CREATE)["volumeAttachment"]
    load.refuse_locked(req, instance)
    transitions.ATTACH_VOLUME.check(instance)
    host = placement.host_up(req, instance)
    volume = _load_volume(req, body["volumeId"])
    _check_volume(req, instance, volume)

    device = _device(instance, volume, body)
    operation = req.database.cell.transact(_record, req, instance, device)
    operation = _reserve(req, operation, device, host)
    req.services.compute.attach_volume(req.ctxt, host, instance, operation, device)
    return {"volumeAttachment": views.created(req.version, device)}


def _load_volume(req: request.Request, volume_id: str) -> "records.Volume":
    return req.services.cinder.get_volume(req.ctxt, volume_id)


def _check_volume(
    req: request.Request, instance: objects.Instance, volume: "records.Volume"
) -> None:
    """The volume can be attached to this server (RULES B7, hot attach)."""
    sources.check_multiattach(req, volume)
    with req.database.cell.read() as tx:
        uses = block_devices.list_of_volume(tx, volume.id)
    if any(use.instance_uuid == instance.uuid for use in uses):
        raise exceptions.InvalidVolume(
            reason=f"volume {volume.id} is already attached to instance {instance.uuid}"
        )
    if uses and not volume.multiattach:
        raise exceptions.InvalidVolume(
            reason=f"volume {volume.id} is already attached to instance {uses[0].instance_uuid}"
        )
    if not req.conf.cinder.cross_az_attach and instance.availability_zone not in (
        None,
        volume.availability_zone,
    ):
        raise exceptions.InvalidVolume(
            reason=f"instance {instance.uuid} and volume {volume.id} are not in the same "
            f"availability zone: {instance.availability_zone}, {volume.availability_zone}"
        )


def _device(
    instance: objects.Instance, volume: "records.Volume", body: dict[str, typing.Any]
) -> objects.BlockDeviceMapping:
    bus = instance.system_metadata.get("image_properties", {}).get("hw_disk_bus")
    return objects.BlockDeviceMapping(
        uuid=uuidutils.generate_uuid(),
        instance_uuid=instance.uuid,
        source_type="volume",
        destination_type="volume",
        disk_bus=bus if bus in naming.PREFIXES else None,
        device_type="disk",
        boot_index=-1,
        volume_id=volume.id,
        volume_size=volume.size_gib,
        tag=body.get("tag"),
        delete_on_termination=strutils.bool_from_string(
            body.get("delete_on_termination", False), strict=True
        ),
    )


def _record(
    tx: session.Connection,
    req: request.Request,
    instance: objects.Instance,
    device: objects.BlockDeviceMapping,
) -> objects.Operation:
    """Write the operation and the device, under a name that is free.

    :raises exceptions.InvalidVolume: another request attached it meanwhile.
    """
    # First: it locks the server's row, so the others of this server come one after the
    # other, and each sees the devices of those before it.
    operation = operations.start(
        tx,
        req.ctxt,
        instance,
        transitions.ATTACH_VOLUME,
        owner=OWNER,
        step=operations.STEP_RESERVE,
        arguments={"volume_id": device.volume_id},
    )
    others = block_devices.list_for_instance(tx, instance.uuid)
    if any(other.volume_id == device.volume_id for other in others):
        raise exceptions.InvalidVolume(
            reason=f"volume {device.volume_id} is already attached to instance {instance.uuid}"
        )
    _check_room(req, others)
    device.device_name = naming.next_free(
        [instance.root_device_name, *(other.device_name for other in others)], device.disk_bus
    )
    block_devices.add(tx, [device])
    return operation


def _check_room(req: request.Request, devices: list[objects.BlockDeviceMapping]) -> None:
    limit = req.conf.api.max_disk_devices_to_attach
    if 0 <= limit <= len(devices):
        raise exceptions.Forbidden(
            f"The maximum allowed number of disk devices ({limit}) to attach to a single "
            "instance has been exceeded."
        )


def _reserve(
    req: request.Request,
    operation: objects.Operation,
    device: objects.BlockDeviceMapping,
    host: str,
) -> objects.Operation:
    """Hold the volume for the server and give the operation to the host; on a
    failure nothing is left behind.

    :raises exceptions.NovaLiteError: Cinder refuses.
    """
    way = flow.flow_for(req.ctxt, device, req.services.cinder)
    try:
        way.reserve(req.ctxt, device.instance_uuid, device)
    except exceptions.NovaLiteError as error:
        if isinstance(error, exceptions.RemoteServiceError):
            # Its answer may be all that was lost; if this fails too, the entry stays
            # open and the reaper sees to it.
            way.release(req.ctxt, device)
        with contextlib.suppress(exceptions.OperationSuperseded):
            req.database.cell.transact(_forget, operation, device, error.message)
        raise
    try:
        return req.database.cell.transact(_hand_over, operation, device, host)
    except exceptions.OperationSuperseded as error:
        # The server was deleted, or the reaper took us for dead.
        way.release(req.ctxt, device)
        raise exceptions.Conflict(
            reason=f"Instance {device.instance_uuid} changed while the volume was attached."
        ) from error


def _hand_over(
    tx: session.Connection,
    operation: objects.Operation,
    device: objects.BlockDeviceMapping,
    host: str,
) -> objects.Operation:
    block_devices.save(tx, [device])
    return operations.hand_over(tx, operation, owner=host)


def _forget(
    tx: session.Connection,
    operation: objects.Operation,
    device: objects.BlockDeviceMapping,
    message: str,
) -> None:
    block_devices.remove(tx, device.uuid)
    operations.finish(tx, operation, states.OperationStatus.ERROR, message=message)
