"""An image of a server whose making was broken off: whole, it stays; if not, it goes,
with the volume snapshots that were made for it."""

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import transitions
from nova_lite.image import glance
from nova_lite.volume import cinder
from nova_lite.volume import snapshots

ACTIONS = (transitions.CREATE_IMAGE.action, transitions.SNAPSHOT_VOLUMES.action)


def remove_unless_whole(
    ctxt: context.RequestContext,
    images: glance.GlanceClient,
    client: cinder.CinderClient,
    operation: objects.Operation,
) -> bool:
    """Leave either a whole image or none.

    :returns: whether it is whole.
    :raises nova_lite.exceptions.NovaLiteError: Glance or Cinder cannot do it now.
    """
    image_id = operation.arguments["image_id"]
    if _is_whole(ctxt, images, image_id):
        return True
    # The snapshots while their image still says that there was something.
    if operation.action == transitions.SNAPSHOT_VOLUMES.action:
        snapshots.remove_all(ctxt, client, image_id)
    images.delete_image(ctxt, image_id)
    return False


def _is_whole(ctxt: context.RequestContext, images: glance.GlanceClient, image_id: str) -> bool:
    """Whether Glance has its data. Those in Ceph are not looked for, which conductors
    could not do: they are only removed when Glance does not name them (any more)."""
    try:
        return bool(images.get_image(ctxt, image_id).status == "active")
    except exceptions.ImageNotFound:
        return False
