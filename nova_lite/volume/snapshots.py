"""Snapshots of a server's volumes, which an image of the server names.

Each carries the image's id in its metadata, so that all of them are found again
whoever heard of them: a process may die, or Cinder's answer be lost.
"""

import collections.abc
import logging
import time

from nova_lite import concurrency
from nova_lite import context
from nova_lite import exceptions
from nova_lite.volume import cinder
from nova_lite.volume import records

LOG = logging.getLogger(__name__)

IMAGE_KEY = "nova_lite_image"
"""Metadata of a snapshot: the image it was made for."""

FIRST_POLL_S = 0.1
LAST_POLL_S = 3.0
MAX_DELETES = 20
"""How often a snapshot is asked to go that is still being made."""


def order(
    ctxt: context.RequestContext,
    client: cinder.CinderClient,
    volume_id: str,
    *,
    image_id: str,
    image_name: str,
) -> records.Snapshot:
    """Have Cinder begin to make a snapshot of a volume, used or not."""
    # Nova's name for it.
    name = f"snapshot for {image_name}"[:255]
    return client.create_snapshot(ctxt, volume_id, name=name, metadata={IMAGE_KEY: image_id})


def wait_until_available(
    ctxt: context.RequestContext,
    client: cinder.CinderClient,
    snapshot: records.Snapshot,
    *,
    timeout_s: float,
    on_progress: collections.abc.Callable[[], object],
) -> None:
    """Poll a snapshot until it is made.

    :param on_progress: called before each look; what it raises ends the wait.
    :raises nova_lite.exceptions.SnapshotNotCreated: it failed or took too long.
    """
    begin = time.monotonic()
    delay_s = FIRST_POLL_S
    while snapshot.status == "creating":
        waited_s = time.monotonic() - begin
        if waited_s >= timeout_s:
            break
        on_progress()
        concurrency.sleep(min(delay_s, timeout_s - waited_s))
        delay_s = min(delay_s * 2, LAST_POLL_S)
        snapshot = client.get_snapshot(ctxt, snapshot.id)
    if snapshot.status != "available":
        raise exceptions.SnapshotNotCreated(
            snapshot_id=snapshot.id,
            volume_id=snapshot.volume_id,
            status=snapshot.status,
            waited_s=time.monotonic() - begin,
        )


def remove_all(ctxt: context.RequestContext, client: cinder.CinderClient, image_id: str) -> None:
    """Delete every snapshot that was made for an image. None is success.

    :raises nova_lite.exceptions.NovaLiteError: Cinder refuses one; the others
        are deleted all the same.
    """
    failure = None
    for snapshot in client.find_snapshots(ctxt, {IMAGE_KEY: image_id}):
        try:
            _remove(ctxt, client, snapshot)
        except exceptions.NovaLiteError as error:
            LOG.warning("Snapshot %s is left behind: %s", snapshot.id, error.message)
            failure = error
    if failure is not None:
        raise failure


def _remove(
    ctxt: context.RequestContext, client: cinder.CinderClient, snapshot: records.Snapshot
) -> None:
    """Cinder deletes no snapshot that is still being made: that is waited for."""
    delay_s = FIRST_POLL_S
    for attempt in range(1, MAX_DELETES + 1):
        if snapshot.status == "deleting":
            return
        try:
            client.delete_snapshot(ctxt, snapshot.id)
        except exceptions.InvalidVolume:
            if attempt == MAX_DELETES:
                raise
        else:
            return
        concurrency.sleep(delay_s)
        delay_s = min(delay_s * 2, LAST_POLL_S)
        try:
            snapshot = client.get_snapshot(ctxt, snapshot.id)
        except exceptions.SnapshotNotFound:
            return
