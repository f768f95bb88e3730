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
from nova_lite.volume import cinder
from nova_lite.volume import records

FIRST_POLL_S = 0.1
LAST_POLL_S = 3.0

DEVICE_KEY = "nova_lite_device"
"""Metadata of each new volume: the device it was made for."""

UNFINISHED = frozenset({"creating", "downloading"})

OnProgress = collections.abc.Callable[[records.Volume, float], object]
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


@dataclasses.dataclass
class Order:
    """A volume to be made: of an image, of a snapshot, or blank."""

    device_uuid: str
    """The device it is for: what finds it again if Cinder's answer is lost."""
    size_gib: int | None
    volume_type: str | None = None
    name: str = ""
    image_id: str | None = None
    snapshot_id: str | None = None
    availability_zone: str | None = None
    """None leaves the choice to Cinder."""


def create(
    ctxt: context.RequestContext, client: cinder.CinderClient, order: Order
) -> records.Volume:
    """Have Cinder begin to make a volume; it is not there yet.

    If Cinder's answer is lost, the volume it began to make, if it did, is returned.

    :raises nova_lite.exceptions.InvalidBlockDevice: the order has no size.
    """
    if not order.size_gib:
        raise exceptions.InvalidBlockDevice(reason="a new volume needs a size")
    wanted = dataclasses.asdict(order)
    metadata = {DEVICE_KEY: wanted.pop("device_uuid")}
    try:
        return client.create_volume(ctxt, description="", metadata=metadata, **wanted)
    except exceptions.RemoteServiceError:
        made = find(ctxt, client, order.device_uuid)
        if made is None:
            raise
        return made


def find(
    ctxt: context.RequestContext, client: cinder.CinderClient, device_uuid: str
) -> records.Volume | None:
    """The volume that was made for a device, whoever heard of it."""
    found = client.find_volumes(ctxt, {DEVICE_KEY: device_uuid})
    return found[0] if found else None


def wait_until_available(
    ctxt: context.RequestContext,
    client: cinder.CinderClient,
    volume: records.Volume,
    *,
    patience: Patience,
    on_progress: OnProgress | None = None,
) -> records.Volume:
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
    volume: records.Volume,
    waited_s: float,
) -> records.Volume:
    """The volume as it is now; a Cinder that is away for a moment is waited for."""
    try:
        return client.get_volume(ctxt, volume.id)
    except exceptions.VolumeNotFound:
        raise _not_created(volume, waited_s, "It was deleted.") from None
    except exceptions.RemoteServiceError:
        return volume


def _not_created(
    volume: records.Volume, waited_s: float, reason: str
) -> exceptions.VolumeNotCreated:
    return exceptions.VolumeNotCreated(
        volume_id=volume.id, status=volume.status, waited_s=waited_s, reason=reason
    )
