"""Operations that were asked for and that no host has begun, nor will: what was
prepared for them in Cinder and Glance is given back."""

from nova_lite import context
from nova_lite import objects
from nova_lite import transitions
from nova_lite.image import glance
from nova_lite.image import unfinished
from nova_lite.volume import cinder
from nova_lite.volume import flow
from nova_lite.volume import growing
from nova_lite.volume import swapping


def give_back(
    ctxt: context.RequestContext,
    client: cinder.CinderClient,
    images: glance.GlanceClient,
    operation: objects.Operation,
    device: objects.BlockDeviceMapping | None,
    reason: str,
) -> objects.Outcome:
    """Give back what an operation holds, and say that it is over.

    :param device: of an operation on a volume, unless it is gone.
    :raises nova_lite.exceptions.NovaLiteError: Cinder or Glance cannot take it now.
    """
    outcome = objects.Outcome(succeeded=False, message=f"{_not_done(operation)}: {reason}")
    if operation.action in unfinished.ACTIONS:
        images.delete_image(ctxt, operation.arguments["image_id"])
    elif operation.action == transitions.SWAP_VOLUME.action:
        swapping.call_off(ctxt, client, operation, device)
    elif operation.action == transitions.EXTEND_VOLUME.action:
        growing.tell_failure(ctxt, client, operation.arguments["volume_id"])
    elif device is None:
        pass
    elif operation.action == transitions.ATTACH_VOLUME.action:
        flow.flow_for(ctxt, device, client, None).release(ctxt, device)
        outcome.removed_devices = [device.uuid]
    elif operation.action == transitions.DETACH_VOLUME.action:
        flow.flow_for(ctxt, device, client, None).roll_detaching(ctxt, device)
    return outcome


def _not_done(operation: objects.Operation) -> str:
    known = {
        transitions.ATTACH_VOLUME.action: "The volume was not attached",
        transitions.DETACH_VOLUME.action: "The volume was not detached",
        transitions.EXTEND_VOLUME.action: "The server was not told of the volume's new size",
        transitions.SWAP_VOLUME.action: "The volume was not swapped",
    }
    return known.get(operation.action, f"Not done ({transitions.TABLE[operation.action].name})")
