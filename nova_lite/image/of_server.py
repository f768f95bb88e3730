"""What an image of a server says about itself, before it has data.

The properties are Nova's: those of the image the server was made from, and where it
comes from (``image_type``, ``instance_uuid``, ``base_image_ref``, ``user_id``, ...).
"""

import collections.abc

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite.image import glance

NOT_INHERITED = frozenset(
    {
        # About the bytes of the image the server was made from.
        "cache_in_nova", "bittorrent", "img_signature", "img_signature_certificate_uuid",
        "img_signature_hash_method", "img_signature_key_type", "signature_verified",
    }
)  # fmt: skip
NOT_INHERITED_BY_VOLUMES = frozenset(
    {"block_device_mapping", "bdm_v2", "mappings", "root_device_name"}
)
"""About devices: a server that boots from a volume has its own to tell."""
_GLANCES_OWN_PREFIX = "os_glance"


def describe(
    ctxt: context.RequestContext,
    instance: objects.Instance,
    source: objects.ImageMeta | None,
    *,
    image_id: str,
    name: str,
    metadata: collections.abc.Mapping[str, str],
) -> objects.ImageMeta:
    """The record of a new image of ``instance``.

    :param source: the image the server was made from, if it is known.
    :param metadata: what the user wants to be its properties too.
    :raises nova_lite.exceptions.InvalidInput: an image cannot have such a property.
    """
    _check(metadata)
    from_volume = instance.boots_from_volume
    min_disk_gib = source.min_disk_gib if source is not None else 0
    if not from_volume:
        # The copy of the root disk is as large as that is.
        min_disk_gib = max(min_disk_gib, instance.flavor.root_gib)
    return objects.ImageMeta(
        id=image_id,
        name=name,
        min_disk_gib=min_disk_gib,
        min_ram_mib=source.min_ram_mib if source is not None else 0,
        owner=None if ctxt.project_id == instance.project_id else instance.project_id,
        properties=_inherited(source, from_volume=from_volume)
        | _origin(ctxt, instance)
        | dict(metadata),
    )


def _check(metadata: collections.abc.Mapping[str, str]) -> None:
    for key in metadata:
        if key in glance.CORE_KEYS or key.startswith(_GLANCES_OWN_PREFIX):
            raise exceptions.InvalidInput(
                f"metadata: {key!r} is what the image service itself says of an image; use "
                "another name."
            )


def _inherited(source: objects.ImageMeta | None, *, from_volume: bool) -> dict[str, str]:
    dropped = glance.CORE_KEYS | NOT_INHERITED
    if from_volume:
        dropped |= NOT_INHERITED_BY_VOLUMES
    properties = source.properties if source is not None else {}
    return {
        key: value
        for key, value in properties.items()
        if isinstance(value, str)
        and key not in dropped
        and not key.startswith(_GLANCES_OWN_PREFIX)
    }


def _origin(ctxt: context.RequestContext, instance: objects.Instance) -> dict[str, str]:
    facts = {
        "image_type": "snapshot",
        "instance_uuid": instance.uuid,
        "user_id": ctxt.user_id,
        "base_image_ref": instance.image_ref or "",
        "owner_id": instance.project_id,
        **instance.system_metadata.get("owner", {}),
    }
    return {key: str(value) for key, value in facts.items() if value is not None}
