"""The block devices of a new server: parsed, merged, and checked (RULES B2, B3).
Nothing is reserved here.
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
from nova_lite.api.servers import sources
from nova_lite.blockdev import limits
from nova_lite.blockdev import naming
from nova_lite.blockdev import parse


@dataclasses.dataclass
class BootSource:
    """What a new server boots from, and its devices.

    ``image`` is the root's image metadata, from Glance or from the volume; ``zone``
    the one that its volumes bind it to, if any.
    """

    image: objects.ImageMeta
    image_ref: str | None
    devices: parse.Devices
    zone: str | None


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

    resolver = sources.Resolver(req)
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
    labels = _labels(parse.V2_KEY if v2 else parse.V1_KEY, v2 or v1, requested)
    sources.check(req, resolver, devices, labels)
    zone = sources.zone_of_volumes(req, resolver, devices)
    root = limits.root_of(devices)
    if root is None:
        raise AssertionError("limits.check lets no server without a root pass")
    if image is None:
        image = _image_of_root(resolver, root)
    _check_image(req, image, flavor, root)
    return BootSource(image, None if root.is_volume else image_ref, devices, zone)


def _labels(key: str, items: collections.abc.Sized, requested: parse.Devices) -> dict[int, str]:
    """How the user wrote each device; the image of a v1 request comes first, unwritten."""
    written = requested[len(requested) - len(items) :]
    return {id(device): f"{key}[{index}]" for index, device in enumerate(written)}


def _image_of_root(
    resolver: sources.Resolver, root: objects.BlockDeviceMapping
) -> objects.ImageMeta:
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
