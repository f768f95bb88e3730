"""New volumes for servers: from an image, a snapshot, or blank.

The wait follows Cinder: it polls fast first, since small volumes are there at
once, and its deadline grows with the size.
"""

import collections.abc
import dataclasses
import time
import typing

from nova_lite import concurrency
from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite.volume import cinder

FIRST_POLL_S = 0.1
LAST_POLL_S = 3.0

UNFINISHED = frozenset({"creating", "downloading"})

OnProgress = collections.abc.Callable[[cinder.Volume, float], object]
"""Called with the volume and the seconds waited, after every poll."""


@dataclasses.dataclass(frozen=True)
class Patience:
    """How long a new volume may take: some seconds, and more for each GiB."""

    timeout_s: float
    timeout_per_gib_s: float

    @classmethod
    def of(cls, conf: typing.Any) -> "Patience":
        """As ``[compute] block_device_allocate_timeout*`` say."""
        options = conf.compute
        return cls(
            options.block_device_allocate_timeout_s,
            options.block_device_allocate_timeout_per_gib_s,
        )

    def limit_s(self, size_gib: int) -> float:
        """Seconds for a volume of that size; the first GiB is in the base."""
        return self.timeout_s + self.timeout_per_gib_s * max(0, size_gib - 1)


def create_and_wait(
    ctxt: context.RequestContext,
    client: cinder.CinderClient,
    bdm: objects.BlockDeviceMapping,
    instance_uuid: str,
    *,
    availability_zone: str | None,
    patience: Patience,
    on_progress: OnProgress | None = None,
) -> cinder.Volume:
    """Make the volume a mapping asks for, and wait until it is available.

    ``bdm.volume_id`` is set as soon as Cinder has accepted the order, and a
    mapping that has one is only waited for: a repeated build makes no second
    volume. The volume is kept when the wait fails; deleting it is the caller's
    undo.

    :param availability_zone: of the volume; None leaves the choice to Cinder.
    :raises nova_lite.exceptions.VolumeNotCreated: it failed or took too long.
    """
    if not bdm.volume_id:
        volume = order(ctxt, client, bdm, instance_uuid, availability_zone)
    else:
        volume = client.get_volume(ctxt, bdm.volume_id)
    return wait_until_available(ctxt, client, volume, patience=patience, on_progress=on_progress)


def order(
    ctxt: context.RequestContext,
    client: cinder.CinderClient,
    bdm: objects.BlockDeviceMapping,
    instance_uuid: str,
    availability_zone: str | None,
) -> cinder.Volume:
    """Have Cinder begin to make the volume, and note its id in the mapping.

    :raises nova_lite.exceptions.InvalidBlockDevice: no volume can be made of it.
    """
    size_gib = bdm.volume_size
    volume_type = bdm.volume_type
    if bdm.source_type == "snapshot":
        snapshot = client.get_snapshot(ctxt, bdm.snapshot_id)
        size_gib = size_gib or snapshot.size_gib
        if not volume_type:
            volume_type = client.get_volume(ctxt, snapshot.volume_id).volume_type
    elif bdm.source_type not in ("image", "blank") or not size_gib:
        raise exceptions.InvalidBlockDevice(
            reason=f"cannot make a volume of source {bdm.source_type} and size {size_gib}"
        )
    volume = client.create_volume(
        ctxt,
        size_gib,
        name=_name(bdm, instance_uuid),
        description="",
        image_id=bdm.image_id if bdm.source_type == "image" else None,
        snapshot_id=bdm.snapshot_id if bdm.source_type == "snapshot" else None,
        volume_type=volume_type,
        availability_zone=availability_zone,
    )
    bdm.volume_id = volume.id
    bdm.volume_size = volume.size_gib
    return volume


def _name(bdm: objects.BlockDeviceMapping, instance_uuid: str) -> str:
    return f"{instance_uuid}-blank-vol" if bdm.source_type == "blank" else ""


def wait_until_available(
    ctxt: context.RequestContext,
    client: cinder.CinderClient,
    volume: cinder.Volume,
    *,
    patience: Patience,
    on_progress: OnProgress | None = None,
) -> cinder.Volume:
    """Poll a volume until it is no longer being made.

    :raises nova_lite.exceptions.VolumeNotCreated: it failed or took too long.
    """
    begin = time.monotonic()
    limit_s = patience.limit_s(volume.size_gib)
    delay_s = FIRST_POLL_S
    while volume.status in UNFINISHED:
        waited_s = time.monotonic() - begin
        if waited_s >= limit_s:
            raise _not_created(volume, waited_s, f"The limit is {limit_s:.0f} seconds.")
        concurrency.sleep(min(delay_s, limit_s - waited_s))
        delay_s = min(delay_s * 2, LAST_POLL_S)
        volume = _look(ctxt, client, volume, time.monotonic() - begin)
        if on_progress is not None:
            on_progress(volume, time.monotonic() - begin)
    if volume.status not in ("available", "reserved", "attaching", "in-use"):
        raise _not_created(volume, time.monotonic() - begin, "Cinder could not make it.")
    return volume


def _look(
    ctxt: context.RequestContext,
    client: cinder.CinderClient,
    volume: cinder.Volume,
    waited_s: float,
) -> cinder.Volume:
    """The volume as it is now; a Cinder that is away for a moment is waited for."""
    try:
        return client.get_volume(ctxt, volume.id)
    except exceptions.VolumeNotFound:
        raise _not_created(volume, waited_s, "It was deleted.") from None
    except exceptions.RemoteServiceError:
        return volume


def _not_created(
    volume: cinder.Volume, waited_s: float, reason: str
) -> exceptions.VolumeNotCreated:
    return exceptions.VolumeNotCreated(
        volume_id=volume.id, status=volume.status, waited_s=waited_s, reason=reason
    )
