"""What becomes of an image of a server whose maker died on this host."""

from nova_lite import context
from nova_lite import objects
from nova_lite import transitions
from nova_lite.compute import host as compute_host
from nova_lite.image import unfinished


def roll_back(
    host: compute_host.ComputeHost, ctxt: context.RequestContext, operation: objects.Operation
) -> objects.Outcome:
    """Leave either a whole image or none.

    :returns: how the operation ended.
    :raises nova_lite.exceptions.NovaLiteError: not now: try it again.
    """
    image_id = operation.arguments["image_id"]
    on_host = operation.action == transitions.CREATE_IMAGE.action
    if on_host:
        # First, for it may still be copying.
        host.driver.snapshots.discard(operation.instance_uuid, image_id)
    if unfinished.remove_unless_whole(ctxt, host.glance, host.cinder, operation):
        return objects.Outcome(succeeded=True)
    if on_host:
        host.driver.snapshots.unpublish(operation.instance_uuid, image_id)
        # What the published was cloned from.
        host.driver.snapshots.discard(operation.instance_uuid, image_id)
    return objects.Outcome(
        succeeded=False,
        message=f"No image {image_id}: the compute service was restarted in the middle of it",
    )
