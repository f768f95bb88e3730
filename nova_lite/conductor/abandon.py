"""Operations that were asked for and that no host has begun, nor will: what was
prepared for them in Cinder and Glance is given back."""

import logging

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import transitions
from nova_lite.image import glance
from nova_lite.volume import cinder
from nova_lite.volume import flow
from nova_lite.volume import swapping

LOG = logging.getLogger(__name__)

IMAGE_ACTIONS = (transitions.CREATE_IMAGE.action, transitions.SNAPSHOT_VOLUMES.action)


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
    if operation.action in IMAGE_ACTIONS:
        images.delete_image(ctxt, operation.arguments["image_id"])
    if device is None:
        return outcome
    if operation.action == transitions.ATTACH_VOLUME.action:
        flow.flow_for(ctxt, device, client, None).release(ctxt, device)
        outcome.removed_devices = [device.uuid]
    elif operation.action == transitions.DETACH_VOLUME.action:
        flow.flow_for(ctxt, device, client, None).roll_detaching(ctxt, device)
    elif operation.action == transitions.EXTEND_VOLUME.action:
        volume = client.get_volume(ctxt, device.volume_id)
        if volume.waits_for_extend:
            client.complete_extend(ctxt, volume.id, failed=True)
    elif operation.action == transitions.SWAP_VOLUME.action:
        _end_swap(ctxt, client, operation, device)
    return outcome


def _not_done(operation: objects.Operation) -> str:
    known = {
        transitions.ATTACH_VOLUME.action: "The volume was not attached",
        transitions.DETACH_VOLUME.action: "The volume was not detached",
        transitions.EXTEND_VOLUME.action: "The server was not told of the volume's new size",
        transitions.SWAP_VOLUME.action: "The volume was not swapped",
    }
    return known.get(operation.action, f"Not done ({transitions.TABLE[operation.action].name})")


def _end_swap(
    ctxt: context.RequestContext,
    client: cinder.CinderClient,
    operation: objects.Operation,
    device: objects.BlockDeviceMapping,
) -> None:
    """The new volume is released, and the server stays on the old one."""
    new_id = operation.arguments["new_volume_id"]
    attachment_id = operation.arguments.get("new_attachment_id")
    way = flow.flow_for(ctxt, device, client, None)
    way.release(ctxt, swapping.stand_in(device, new_id, attachment_id))
    way.roll_detaching(ctxt, device)
    try:
        client.complete_migration(ctxt, device.volume_id, new_id, failed=True)
    except (exceptions.InvalidVolume, exceptions.VolumeNotFound) as error:
        LOG.info("Cinder has ended the migration itself: %s", error.message)
