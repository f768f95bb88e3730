"""The block devices of a new server: parsed, merged, and checked against what only
Glance and Cinder know (RULES B2, B3). Nothing is reserved here.
"""

import collections.abc
import dataclasses
import json
import typing

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.api import microversion
from nova_lite.api import request
from nova_lite.api import validation
from nova_lite.api.servers import policy
from nova_lite.api.servers import schemas
from nova_lite.blockdev import limits
from nova_lite.blockdev import naming
from nova_lite.blockdev import parse

if typing.TYPE_CHECKING:
    from nova_lite.volume import cinder


@dataclasses.dataclass
class BootSource:
    """What a new server boots from, and its devices.

    ``image`` is the root's image metadata, from Glance or from the volume.
    """

    image: objects.ImageMeta
    image_ref: str | None
    devices: parse.Devices


class Resolver:
    """Looks up each image, volume and snapshot once a request, as the user."""

    def __init__(self, req: request.Request) -> None:
        self._req = req
        self._images: dict[str, objects.ImageMeta] = {}
        self._volumes: dict[str, cinder.Volume] = {}
        self._snapshots: dict[str, cinder.Snapshot] = {}
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

    def volume(self, volume_id: str) -> "cinder.Volume":
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

    def snapshot(self, snapshot_id: str) -> "cinder.Snapshot":
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

    def volume_type(self, id_or_name: str) -> str:
        """The name of a volume type.

        :raises exceptions.InvalidBlockDevice: no such type for this user.
        """
        if self._type_names is None:
            types = self._req.services.cinder.list_volume_types(self._req.ctxt)
            self._type_names = {kind.id: kind.name for kind in types}
        if id_or_name in self._type_names.values():
            return id_or_name
        try:
            return self._type_names[id_or_name]
        except KeyError as error:
            raise exceptions.InvalidBlockDevice(
                reason=f"volume_type {id_or_name} could not be found; use one of "
                f"{', '.join(sorted(self._type_names.values()))}."
            ) from error


def resolve(
    req: request.Request,
    body: collections.abc.Mapping[str, typing.Any],
    flavor: objects.Flavor,
    *,
    count: int,
) -> BootSource:
    """What a request boots from.

    :param body: the ``server`` of the request, past its schema.
    :param count: servers asked for at most.
    :raises exceptions.InvalidInput: everything that cannot be booted, as a 400.
    """
    image_ref = body.get("imageRef") or None
    v2, v1 = body.get(parse.V2_KEY) or [], body.get(parse.V1_KEY) or []
    if v2 and v1:
        raise exceptions.InvalidInput(
            "Using different block_device_mapping syntaxes is not allowed in the same request."
        )
    if v2 or v1:
        req.authorize(policy.CREATE_ATTACH_VOLUME)
    elif image_ref is None:
        raise exceptions.InvalidInput("Invalid imageRef provided: Missing imageRef attribute")

    resolver = Resolver(req)
    image = resolver.image(image_ref) if image_ref else None
    defined = _image_defined(image)
    image_has_root = any(device.is_root for device in defined)
    if v2:
        requested = parse.parse_v2(v2, has_image_ref=image_ref is not None)
    else:
        requested = parse.parse_v1(v1, image_id=image_ref, image_has_root=image_has_root)
    if count > 1 and any(device.source_type == "volume" for device in requested):
        raise exceptions.InvalidInput("Cannot attach one or more volumes to multiple instances")
    if image_ref:
        limits.check_root_name(requested)
    devices = parse.merge_image_defined(defined, requested)
    parse.add_flavor_defined(devices, flavor)
    limits.check(devices, flavor, max_local_devices=req.conf.api.max_local_block_devices)
    _check_sources(req, resolver, devices)
    root = limits.root_of(devices)
    if root is None:
        raise AssertionError("limits.check lets no server without a root pass")
    if image is None:
        image = _image_of_root(resolver, root)
    _check_image(req, image, flavor, root)
    return BootSource(image, None if root.is_volume else image_ref, devices)


def _check_sources(
    req: request.Request, resolver: Resolver, devices: collections.abc.Iterable[typing.Any]
) -> None:
    """Every source exists, may be used, and its size fits; fills in sizes."""
    for device in devices:
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
            snapshot = resolver.snapshot(device.snapshot_id)
            if device.volume_size is None:
                device.volume_size = snapshot.size_gib
            elif device.volume_size < snapshot.size_gib:
                raise exceptions.InvalidBlockDevice(
                    reason=f"volume_size {device.volume_size} is less than the "
                    f"{snapshot.size_gib} GiB of snapshot {snapshot.id}; ask for as much or more."
                )


def check_multiattach(req: request.Request, volume: "cinder.Volume") -> None:
    """A volume for several servers needs a client that knows them (S119).

    :raises exceptions.InvalidInput: the microversion is below 2.60.
    """
    if volume.multiattach and req.version < microversion.MULTIATTACH:
        raise exceptions.InvalidInput(
            f"Multiattach volumes are only supported starting with compute API version "
            f"{microversion.MULTIATTACH}."
        )


def _check_attachable(volume: "cinder.Volume") -> None:
    """Cinder would reserve it (RULES B6); it says so again when it is asked to.

    :raises exceptions.InvalidVolume: its status does not allow that.
    """
    allowed = {"available", "downloading"} | ({"in-use"} if volume.multiattach else set())
    if volume.status not in allowed:
        raise exceptions.InvalidVolume(
            reason=f"volume {volume.id} has status {volume.status}; to attach it, it must be "
            f"{' or '.join(sorted(allowed))}."
        )


def _image_of_root(resolver: Resolver, root: objects.BlockDeviceMapping) -> objects.ImageMeta:
    """Image metadata of a server without ``imageRef`` (S132)."""
    if root.source_type == "image":
        return resolver.image(root.image_id)
    if root.source_type == "blank":
        return objects.ImageMeta()
    volume_id = root.volume_id
    if root.source_type == "snapshot":
        volume_id = resolver.snapshot(root.snapshot_id).volume_id
    volume = resolver.volume(volume_id)
    if not volume.bootable:
        raise exceptions.InvalidBlockDevice(
            reason=f"volume {volume_id} is not bootable; set it bootable, or boot from another."
        )
    metadata = dict(volume.image_metadata)
    return objects.ImageMeta(
        id=metadata.pop("image_id", None),
        name=metadata.pop("image_name", None),
        status="active",
        disk_format=metadata.pop("disk_format", None),
        container_format=metadata.pop("container_format", None),
        size_bytes=volume.size_gib * 1024**3,
        checksum=metadata.pop("checksum", None),
        min_disk_gib=_number(volume_id, metadata, "min_disk"),
        min_ram_mib=_number(volume_id, metadata, "min_ram"),
        properties=metadata,
    )


def _number(volume_id: str, metadata: dict[str, typing.Any], key: str) -> int:
    """Takes ``key`` out of a volume's image metadata, which its owner can set."""
    text = str(metadata.pop(key, None) or 0)
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise exceptions.InvalidBlockDevice(
            reason=f"volume {volume_id} has {key} {text!r} in its image metadata; set a number."
        )
    return int(text)


def _check_image(
    req: request.Request,
    image: objects.ImageMeta,
    flavor: objects.Flavor,
    root: objects.BlockDeviceMapping,
) -> None:
    """The image can be booted in this flavor and on this root."""
    if image.status not in (None, "active"):
        raise exceptions.InvalidInput(f"Image {image.id} is not active.")
    if image.min_ram_mib > flavor.memory_mib:
        raise exceptions.InvalidInput(
            f"Flavor's memory is too small for requested image: it needs {image.min_ram_mib} MiB "
            f"and the flavor has {flavor.memory_mib}."
        )
    if root.is_volume:
        if root.volume_size and image.min_disk_gib > root.volume_size:
            raise exceptions.InvalidInput(
                f"Volume is smaller than the minimum size specified in image metadata. Volume "
                f"size is {root.volume_size} GiB, minimum size is {image.min_disk_gib} GiB."
            )
        return
    if image.properties.get("cinder_encryption_key_id"):
        raise exceptions.InvalidInput(
            "Direct booting of an image uploaded from an encrypted volume is unsupported; create "
            "a volume from the image and boot from that."
        )
    if flavor.root_gib == 0:
        # No size is a size without limit.
        req.authorize(policy.ZERO_DISK)
        return
    needed_gib = max(image.min_disk_gib, -(-image.size_bytes // 1024**3))
    if needed_gib > flavor.root_gib:
        raise exceptions.InvalidInput(
            f"Flavor's disk is too small for requested image: it needs {needed_gib} GiB and the "
            f"flavor has {flavor.root_gib}."
        )


def _image_defined(image: objects.ImageMeta | None) -> parse.Devices:
    """Devices that the image's own properties define, in either form."""
    if image is None:
        return []
    rows = _json_list(image, "block_device_mapping")
    virtual = _checked(
        image,
        "mappings",
        schemas.IMAGE_ROWS_V1,
        [
            {"virtual_name": row.get("virtual"), "device_name": row.get("device")}
            for row in _json_list(image, "mappings")
            if str(row.get("virtual", "")).startswith(("swap", "ephemeral"))
        ],
    )
    devices = parse.parse_v1(virtual, image_id=None, image_has_root=True)
    if str(image.properties.get("bdm_v2", "")).lower() in ("true", "1", "yes"):
        cleaned = [
            {
                # Nova writes the source's id under the name of its kind.
                "uuid": row.get("uuid") or row.get(f"{row.get('source_type')}_id"),
                **{key: value for key, value in row.items() if key in _IMAGE_ROW_KEYS},
            }
            for row in rows
        ]
        cleaned = _checked(image, "block_device_mapping", schemas.IMAGE_ROWS_V2, cleaned)
        return [*devices, *parse.parse_v2(cleaned, has_image_ref=True)]
    known = [{key: value for key, value in row.items() if key in schemas.V1_KEYS} for row in rows]
    known = _checked(image, "block_device_mapping", schemas.IMAGE_ROWS_V1, known)
    own = parse.parse_v1(known, image_id=None, image_has_root=True)
    for device in own:
        if device.device_name == naming.DEFAULT_ROOT:
            device.boot_index = 0
    return [*devices, *own]


_IMAGE_ROW_KEYS = parse.V2_FIELDS - {"uuid", "image_id", "snapshot_id", "volume_id"}


def _checked(
    image: objects.ImageMeta,
    key: str,
    rows_schemas: validation.Schemas,
    rows: list[dict[str, typing.Any]],
) -> list[dict[str, typing.Any]]:
    """Rows from an image's property, by the rules for those of requests: anybody
    can write an image's properties. Nova writes null for what is not set.

    :raises exceptions.InvalidInput: names the image, the property and the reason.
    """
    found = [{k: v for k, v in row.items() if v is not None} for row in rows]
    try:
        rows_schemas.check(found, microversion.MAXIMUM)
    except exceptions.InvalidInput as error:
        raise exceptions.InvalidInput(
            f"Image {image.id}, property {key}: {error.message}"
        ) from error
    return found


def _json_list(image: objects.ImageMeta, key: str) -> list[dict[str, typing.Any]]:
    """A property that is a list, or the JSON text of one.

    :raises exceptions.InvalidInput: it is neither.
    """
    value = image.properties.get(key) or []
    try:
        rows = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        rows = None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise exceptions.InvalidInput(f"Image {image.id} has a malformed property {key}.")
    return rows
