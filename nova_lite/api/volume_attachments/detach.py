"""Detaching a volume from a server.

Clients repeat the DELETE until the volume is gone (terraform does), so a repeat
while the first one is under way is harmless: 202.
"""

from nova_lite import exceptions
from nova_lite import objects
from nova_lite import revert
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

    cinder = req.services.cinder
    with revert.Reverter("detach a volume") as undo:
        if device.phase not in _BEGUN:
            cinder.begin_detaching(req.ctxt, volume_id)
            undo.add("tell Cinder that it stays", cinder.roll_detaching, req.ctxt, volume_id)
        try:
            operation = req.database.cell.transact(
                operations.start,
                req.ctxt,
                instance,
                transitions.DETACH_VOLUME,
                owner=host,
                arguments={"volume_id": volume_id},
                alone=True,
            )
        except exceptions.OperationInProgress as error:
            # Somebody was quicker.
            if error.facts["action"] != transitions.DETACH_VOLUME.action:
                raise _is_moving(device) from error
            undo.commit()
            return request.ACCEPTED
        undo.commit()
    req.services.compute.detach_volume(req.ctxt, host, instance, operation, device)
    return request.ACCEPTED


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
