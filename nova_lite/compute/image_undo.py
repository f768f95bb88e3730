"""What becomes of an image of a server whose maker died: whole, it stays; if not,
it goes, with everything that was made for it."""

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import transitions
from nova_lite.compute import host as compute_host
from nova_lite.volume import snapshots

ACTIONS = (transitions.CREATE_IMAGE.action, transitions.SNAPSHOT_VOLUMES.action)


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
    if _is_whole(host, ctxt, image_id):
        return objects.Outcome(succeeded=True)
    # The snapshots while their image still says that there was something.
    if not on_host:
        snapshots.remove_all(ctxt, host.cinder, image_id)
    host.glance.delete_image(ctxt, image_id)
    if on_host:
        host.driver.snapshots.unpublish(operation.instance_uuid, image_id)
        # What the published was cloned from.
        host.driver.snapshots.discard(operation.instance_uuid, image_id)
    return objects.Outcome(
        succeeded=False,
        message=f"No image {image_id}: the compute service was restarted in the middle of it",
    )


def _is_whole(host: compute_host.ComputeHost, ctxt: context.RequestContext, image_id: str) -> bool:
    try:
        return bool(host.glance.get_image(ctxt, image_id).status == "active")
    except exceptions.ImageNotFound:
        return False
