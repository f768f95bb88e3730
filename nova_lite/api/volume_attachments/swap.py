"""Another volume in the place of one: Cinder's own call, while it migrates a volume.

A user who could call it would leave the guest's disk under another volume's name
(bug 2112187), so what is asked of Cinder is not only whether the volume moves, but
whether it moves to that one.
"""

import contextlib
import typing

from nova_lite import exceptions
from nova_lite import objects
from nova_lite import revert
from nova_lite import states
from nova_lite import transitions
from nova_lite.api import request
from nova_lite.api.servers import load
from nova_lite.api.servers import placement
from nova_lite.db.queries import operations
from nova_lite.volume import flow
from nova_lite.volume import swapping

if typing.TYPE_CHECKING:
    from nova_lite.volume import records

OWNER = "api"


def swap(
    req: request.Request, device: objects.BlockDeviceMapping, new_volume_id: str
) -> request.Response:
    """Hand the guest's disk over from the volume of ``device`` to another; 202.

    :raises exceptions.Conflict: Cinder does not migrate the one to the other, or the
        server's, the host's or the device's state does not allow it.
    :raises exceptions.InvalidVolume: the new volume cannot take the place.
    """
    instance = load.instance(req, device.instance_uuid)
    transitions.SWAP_VOLUME.check(instance)
    old, new = _volumes(req, device, new_volume_id)
    _check_volumes(req, instance, old, new)
    if device.phase != states.DevicePhase.COMPLETE:
        raise _is_busy(instance, old)
    host = placement.host_up(req, instance)

    try:
        operation = req.database.cell.transact(
            operations.start,
            req.ctxt,
            instance,
            transitions.SWAP_VOLUME,
            owner=OWNER,
            step=operations.STEP_RESERVE,
            arguments={"volume_id": old.id, "new_volume_id": new.id},
            alone=True,
        )
    except exceptions.OperationInProgress as error:
        raise _is_busy(instance, old) from error
    operation = _reserve(req, operation, device, new, host)
    req.services.compute.swap_volume(req.ctxt.as_service(), host, instance, operation, device)
    return request.ACCEPTED


def _is_busy(instance: objects.Instance, volume: "records.Volume") -> exceptions.Conflict:
    return exceptions.Conflict(
        reason=f"Volume {volume.id} is being attached to or detached from instance "
        f"{instance.uuid}; try again when that is done."
    )


def _volumes(
    req: request.Request, device: objects.BlockDeviceMapping, new_volume_id: str
) -> tuple["records.Volume", "records.Volume"]:
    """The two, between which Cinder moves data now.

    :raises exceptions.Conflict: it does not.
    """
    # Only administrators are shown what is being migrated.
    client, ctxt = req.services.cinder, req.ctxt.as_service()
    old = client.get_volume(ctxt, device.volume_id)
    if not old.is_migrating:
        raise exceptions.Conflict(
            reason=f"Volume {old.id} is not being migrated by Cinder, so it cannot be swapped. "
            "Detach it and attach the other volume instead."
        )
    try:
        new = client.get_volume(ctxt, new_volume_id)
    except exceptions.VolumeNotFound as error:
        # It is named in the body, and not the resource of the path.
        raise exceptions.InvalidVolume(reason=error.message) from error
    if not new.is_target_of(old.id):
        raise exceptions.Conflict(
            reason=f"Volume {new.id} is not the one that Cinder migrates volume {old.id} to."
        )
    return old, new


def _check_volumes(
    req: request.Request,
    instance: objects.Instance,
    old: "records.Volume",
    new: "records.Volume",
) -> None:
    """The new volume can take the place of the old one (RULES B7, swap).

    :raises exceptions.InvalidVolume: it cannot.
    """
    reason = None
    if all(use.server_uuid != instance.uuid for use in old.attachments):
        reason = f"volume {old.id} is attached to a different instance"
    elif old.encrypted or new.encrypted:
        reason = f"volume {old.id} cannot be swapped under a running guest: it is encrypted"
    elif new.attachments:
        reason = f"volume {new.id} must be detached in order to swap"
    elif new.size_gib < old.size_gib:
        reason = (
            f"volume {new.id} must be of {old.size_gib} GiB or larger, and is of {new.size_gib}"
        )
    elif len(old.attachments) > 1 and _count_writers(req, old) > 1:
        reason = f"volume {old.id} has more than one read/write attachment, which excludes a swap"
    elif not req.conf.cinder.cross_az_attach and instance.availability_zone not in (
        None,
        new.availability_zone,
    ):
        reason = (
            f"instance {instance.uuid} and volume {new.id} are not in the same availability "
            f"zone: {instance.availability_zone}, {new.availability_zone}"
        )
    if reason is not None:
        raise exceptions.InvalidVolume(reason=reason)


def _count_writers(req: request.Request, volume: "records.Volume") -> int:
    client, ctxt = req.services.cinder, req.ctxt.as_service()
    found = [client.get_attachment(ctxt, use.attachment_id) for use in volume.attachments]
    return sum(attachment.attach_mode != "ro" for attachment in found)


def _reserve(
    req: request.Request,
    operation: objects.Operation,
    device: objects.BlockDeviceMapping,
    new: "records.Volume",
    host: str,
) -> objects.Operation:
    """Keep others from the old volume, hold the new one for the server, and give
    the operation to the host; on a failure nothing is left behind, or the entry stays
    open and the reaper sees to it.

    :raises exceptions.NovaLiteError: Cinder refuses.
    """
    client, old_id, ctxt = req.services.cinder, device.volume_id, req.ctxt.as_service()
    target = swapping.stand_in(device, new.id, reserved=False)
    undo = revert.Reverter("swap a volume")
    try:
        with undo:
            # Each before what it undoes, of which the answer alone may be lost.
            undo.add("tell Cinder that it stays", client.roll_detaching, ctxt, old_id)
            client.begin_detaching(ctxt, old_id)
            way = flow.flow_for(ctxt, device, client)
            undo.add("release the new volume", way.release, ctxt, target)
            way.reserve(ctxt, device.instance_uuid, target)
            handed = req.database.cell.transact(
                operations.hand_over,
                operation,
                owner=host,
                arguments=operation.arguments | {"new_attachment_id": target.attachment_id},
            )
            undo.commit()
    except exceptions.OperationSuperseded as error:
        raise exceptions.Conflict(
            reason=f"Instance {device.instance_uuid} changed while the volume was reserved."
        ) from error
    except exceptions.NovaLiteError as error:
        if not undo.failures:
            with contextlib.suppress(exceptions.OperationSuperseded):
                req.database.cell.transact(
                    operations.finish,
                    operation,
                    states.OperationStatus.ERROR,
                    message=error.message,
                )
        raise
    return handed
