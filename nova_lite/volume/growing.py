"""Cinder's extend of a volume that a server has."""

from nova_lite import context
from nova_lite import exceptions
from nova_lite.volume import cinder


def tell_failure(
    ctxt: context.RequestContext, client: cinder.CinderClient, volume_id: str
) -> None:
    """The guest does not see a volume's new size: have Cinder roll back, if it waits
    to hear of that (3.71).

    :raises nova_lite.exceptions.NovaLiteError: Cinder cannot take it now.
    """
    try:
        volume = client.get_volume(ctxt, volume_id)
    except exceptions.VolumeNotFound:
        return
    if volume.waits_for_extend:
        client.complete_extend(ctxt, volume_id, failed=True)
