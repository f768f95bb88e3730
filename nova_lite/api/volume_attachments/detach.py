"""Detaching a volume from a server.

Clients repeat the DELETE until the volume is gone (terraform does), so a repeat
while the first one is under way is harmless: 202. The operation is recorded before
Cinder is asked: whoever dies in between leaves what says that the volume is detaching.
"""

import contextlib
import logging

from nova_lite import exceptions
from nova_lite import objects
from nova_lite import states
from nova_lite import transitions
from nova_lite.api import request
from nova_lite.api import validation
from nova_lite.api.servers import load
from nova_lite.api.servers import placement
from nova_lite.api.shapes import NOTHING
from nova_lite.api.volume_attachments import handlers
from nova_lite.api.volume_attachments import policy
from nova_lite.db.queries import operations

LOG = logging.getLogger(__name__)

OWNER = "api"


@validation.answers({202: NOTHING})
def delete(req: request.Request, server_id: str, volume_id: str) -> request.Response:
    """``DELETE …/os-volume_attachments/{volume_id}``."""
    instance = load.instance(req, server_id)
    req.authorize(policy.DELETE, load.target(instance))
    load.refuse_locked(req, instance)
    device = handlers.load_device(req, server_id, volume_id)
    if device.is_root:
        raise exceptions.InvalidInput("Cannot detach a root device volume")
    with req.database.cell.read() as tx:
        doing = operations.at_volume(tx, server_id, volume_id)
    if transitions.DETACH_VOLUME.action in doing:
        return request.ACCEPTED
    transitions.DETACH_VOLUME.check(instance)
    if transitions.SWAP_VOLUME.action in doing:
        raise _is_moving(device)
    if device.phase in _NOT_YET:
        raise exceptions.Conflict(
            reason=f"Volume {volume_id} is still being attached to instance {server_id}; detach "
            "it when that is done."
        )
    host = placement.host_up(req, instance)

    try:
        operation = req.database.cell.transact(
            operations.start,
            req.ctxt,
            instance,
            transitions.DETACH_VOLUME,
            owner=OWNER,
            step=operations.STEP_RESERVE,
            arguments={"volume_id": volume_id},
            alone=True,
        )
    except exceptions.OperationInProgress as error:
        # Somebody was quicker.
        if error.facts["action"] != transitions.DETACH_VOLUME.action:
            raise _is_moving(device) from error
        return request.ACCEPTED
    operation = _begin(req, operation, device, host)
    req.services.compute.detach_volume(req.ctxt, host, instance, operation, device)
    return request.ACCEPTED


def _begin(
    req: request.Request,
    operation: objects.Operation,
    device: objects.BlockDeviceMapping,
    host: str,
) -> objects.Operation:
    """Have Cinder keep others away, and give the operation to the host; on a failure
    all is as it was.

    :raises exceptions.NovaLiteError: Cinder refuses.
    """
    cinder, volume_id = req.services.cinder, device.volume_id
    if device.phase not in _BEGUN:
        try:
            _keep_others_away(req, device)
        except exceptions.NovaLiteError as error:
            if isinstance(error, exceptions.RemoteServiceError):
                # Its answer may be all that was lost; if this fails too, the entry stays
                # open and the reaper sees to it.
                cinder.roll_detaching(req.ctxt, volume_id)
            with contextlib.suppress(exceptions.OperationSuperseded):
                req.database.cell.transact(
                    operations.finish,
                    operation,
                    states.OperationStatus.ERROR,
                    message=error.message,
                )
            raise
    try:
        return req.database.cell.transact(operations.hand_over, operation, owner=host)
    except exceptions.OperationSuperseded as error:
        # The server was deleted, or the reaper took us for dead.
        cinder.roll_detaching(req.ctxt, volume_id)
        raise exceptions.Conflict(
            reason=f"Instance {device.instance_uuid} changed while the detach began."
        ) from error


def _keep_others_away(req: request.Request, device: objects.BlockDeviceMapping) -> None:
    """The volume becomes ``detaching``, unless Cinder does not have it (any more): then
    there is nobody to keep away, and the guest has the disk all the same.

    :raises exceptions.NovaLiteError: Cinder refuses.
    """
    try:
        req.services.cinder.begin_detaching(req.ctxt, device.volume_id)
    except (exceptions.VolumeNotFound, exceptions.InvalidVolume) as error:
        if not _is_gone(req, device):
            raise
        LOG.info("Detaching what Cinder does not have: %s", error.message)


def _is_gone(req: request.Request, device: objects.BlockDeviceMapping) -> bool:
    """Whether the volume, or the server's attachment of it, was deleted in Cinder."""
    # Not with the user's eyes, who is not shown what is another project's.
    client, ctxt = req.services.cinder, req.ctxt.as_service()
    try:
        volume = client.get_volume(ctxt, device.volume_id)
        if device.attachment_id:
            client.get_attachment(ctxt, device.attachment_id)
            return False
    except (exceptions.VolumeNotFound, exceptions.AttachmentNotFound):
        return True
    except exceptions.NovaLiteError:
        # Cinder has refused, and does not say more.
        return False
    return all(use.server_uuid != device.instance_uuid for use in volume.attachments)


def _is_moving(device: objects.BlockDeviceMapping) -> exceptions.Conflict:
    return exceptions.Conflict(
        reason=f"Volume {device.volume_id} of instance {device.instance_uuid} is being moved to "
        "another back end; detach it when that is done."
    )


_NOT_YET = (
    None,
    states.DevicePhase.RESERVED,
    states.DevicePhase.CONNECTED,
    states.DevicePhase.PLUGGED,
)
# An earlier detach failed half-way: Cinder knows of it already.
_BEGUN = (states.DevicePhase.UNPLUGGING, states.DevicePhase.DISCONNECTED)
