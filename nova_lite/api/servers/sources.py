"""What the devices of a new server are made of: looked up as the user, and checked
against what only Glance and Cinder know (RULES B3). Nothing is reserved here.
"""

import collections.abc
import typing

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.api import microversion
from nova_lite.api import request

if typing.TYPE_CHECKING:
    from nova_lite.volume import records

Labels: typing.TypeAlias = collections.abc.Mapping[int, str]
"""How the user wrote a device, ``block_device_mapping_v2[0]``, by ``id(device)``."""


class Resolver:
    """Looks up each image, volume, snapshot and volume type once a request.

    What exists but is not for this user is not found, in the same words.
    """

    def __init__(self, req: request.Request) -> None:
        self._req = req
        self._images: dict[str, objects.ImageMeta] = {}
        self._volumes: dict[str, records.Volume] = {}
        self._snapshots: dict[str, records.Snapshot] = {}
        self._type_names: dict[str, str] | None = None

    def image(self, image_id: str) -> objects.ImageMeta:
        """:raises exceptions.InvalidInput: no such image for this user."""
        if image_id not in self._images:
            try:
                image = self._req.services.glance.get_image(self._req.ctxt, image_id)
            except (exceptions.ImageNotFound, exceptions.Forbidden) as error:
                raise exceptions.InvalidInput(f"Image {image_id} could not be found.") from error
            self._images[image_id] = image
        return self._images[image_id]

    def volume(self, volume_id: str) -> "records.Volume":
        """:raises exceptions.InvalidBlockDevice: no such volume for this user."""
        if volume_id not in self._volumes:
            try:
                volume = self._req.services.cinder.get_volume(self._req.ctxt, volume_id)
            except (exceptions.NotFound, exceptions.Forbidden) as error:
                raise exceptions.InvalidBlockDevice(
                    reason=f"failed to get volume {volume_id}: it could not be found."
                ) from error
            self._volumes[volume_id] = volume
        return self._volumes[volume_id]

    def snapshot(self, snapshot_id: str) -> "records.Snapshot":
        """:raises exceptions.InvalidBlockDevice: no such snapshot for this user."""
        if snapshot_id not in self._snapshots:
            try:
                snapshot = self._req.services.cinder.get_snapshot(self._req.ctxt, snapshot_id)
            except (exceptions.NotFound, exceptions.Forbidden) as error:
                raise exceptions.InvalidBlockDevice(
                    reason=f"failed to get snapshot {snapshot_id}: it could not be found."
                ) from error
            self._snapshots[snapshot_id] = snapshot
        return self._snapshots[snapshot_id]

    def volume_type(self, wanted: str) -> str:
        """The name of the volume type with this id or name.

        :raises exceptions.InvalidBlockDevice: none that this user may use.
        """
        if self._type_names is None:
            found = self._req.services.cinder.list_volume_types(self._req.ctxt)
            # A name wins over an id that looks the same.
            self._type_names = {kind.id: kind.name for kind in found}
            self._type_names |= {kind.name: kind.name for kind in found}
        if wanted not in self._type_names:
            raise exceptions.InvalidBlockDevice(
                reason=f"volume_type {wanted} could not be found; use one of "
                f"{', '.join(sorted(set(self._type_names.values())))}."
            )
        return self._type_names[wanted]


def check(
    req: request.Request,
    resolver: Resolver,
    devices: collections.abc.Iterable[objects.BlockDeviceMapping],
    labels: Labels,
) -> None:
    """Every source exists, may be used, and its size fits; fills in sizes, and
    the names of volume types.

    :raises exceptions.InvalidBlockDevice: names the device and what to change.
    """
    for device in devices:
        try:
            _check_one(req, resolver, device)
        except exceptions.InvalidInput as error:
            label = labels.get(id(device))
            if label is None:
                raise
            reason = error.facts.get("reason", error.message)
            raise exceptions.InvalidBlockDevice(reason=f"{label}: {reason}") from error


def _check_one(
    req: request.Request, resolver: Resolver, device: objects.BlockDeviceMapping
) -> None:
    if device.volume_type:
        device.volume_type = resolver.volume_type(device.volume_type)
    if device.source_type == "image":
        resolver.image(device.image_id)
    elif device.source_type == "volume":
        volume = resolver.volume(device.volume_id)
        check_multiattach(req, volume)
        _check_attachable(volume)
        device.volume_size = volume.size_gib
    elif device.source_type == "snapshot":
        _check_snapshot(resolver.snapshot(device.snapshot_id), device)


def _check_snapshot(snapshot: "records.Snapshot", device: objects.BlockDeviceMapping) -> None:
    """A volume can be made of it (B14-3: upstream finds out minutes later)."""
    if snapshot.status not in ("available", "backing-up"):
        raise exceptions.InvalidBlockDevice(
            reason=f"snapshot {snapshot.id} has status {snapshot.status}; a volume can be made of "
            "it when it is available."
        )
    if device.volume_size is None:
        device.volume_size = snapshot.size_gib
    elif device.volume_size < snapshot.size_gib:
        raise exceptions.InvalidBlockDevice(
            reason=f"volume_size {device.volume_size} is less than the {snapshot.size_gib} GiB of "
            f"snapshot {snapshot.id}; ask for as much or more."
        )


def check_multiattach(req: request.Request, volume: "records.Volume") -> None:
    """A volume for several servers needs a client that knows them (S119).

    :raises exceptions.InvalidInput: the microversion is below 2.60.
    """
    if volume.multiattach and req.version < microversion.MULTIATTACH:
        raise exceptions.InvalidInput(
            f"Multiattach volumes are only supported starting with compute API version "
            f"{microversion.MULTIATTACH}."
        )


def _check_attachable(volume: "records.Volume") -> None:
    """Cinder would reserve it (RULES B6); it says so again when it is asked to.

    :raises exceptions.InvalidVolume: its status does not allow that.
    """
    allowed = {"available", "downloading"} | ({"in-use"} if volume.multiattach else set())
    if volume.status not in allowed:
        raise exceptions.InvalidVolume(
            reason=f"volume {volume.id} has status {volume.status}; to attach it, it must be "
            f"{' or '.join(sorted(allowed))}."
        )


def zone_of_volumes(
    req: request.Request,
    resolver: Resolver,
    devices: collections.abc.Iterable[objects.BlockDeviceMapping],
) -> str | None:
    """The zone that existing volumes bind their server to (B3-11).

    None if servers may use volumes of other zones, or no volume exists yet.

    :raises exceptions.InvalidBlockDevice: the volumes are in several zones.
    """
    if req.conf.cinder.cross_az_attach:
        return None
    zones: dict[str, str] = {}
    for device in devices:
        if device.source_type == "volume":
            zone = resolver.volume(device.volume_id).availability_zone
            if zone:
                zones.setdefault(zone, device.volume_id)
    if len(zones) > 1:
        places = ", ".join(f"{volume_id} in {zone}" for zone, volume_id in sorted(zones.items()))
        raise exceptions.InvalidBlockDevice(
            reason=f"the volumes of a server must be in one availability zone ({places}); give "
            "volumes of one zone."
        )
    return next(iter(zones), None)
