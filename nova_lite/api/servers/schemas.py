"""What requests for servers may contain, by version."""

import typing

from nova_lite.api import microversion
from nova_lite.api import validation
from nova_lite.api.validation import integer
from nova_lite.api.validation import many
from nova_lite.api.validation import obj
from nova_lite.api.validation import one
from nova_lite.api.validation import Schema
from nova_lite.db.queries import listing

_MAX_INT = 0x7FFFFFFF
_TEXT255 = {"type": ["string", "null"], "maxLength": 255}
_HOSTNAME = {"type": "string", "minLength": 2, "maxLength": 63, "pattern": r"^[a-zA-Z0-9-]+$"}
_FQDN = {"type": "string", "minLength": 2, "maxLength": 255, "pattern": r"^[a-zA-Z0-9.-]+$"}
_HOST = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[a-zA-Z0-9\-._]*$"}
_TAG = {"type": "string", "minLength": 1, "maxLength": 60, "pattern": "^[^,/]*$"}
_TAGS = {"type": "array", "items": _TAG, "maxItems": 50}
_DISK_CONFIG = {"type": "string", "enum": ["AUTO", "MANUAL"]}
_IPV4 = {"type": "string", "anyOf": [{"format": "ipv4"}, {"maxLength": 0}]}
_IPV6 = {"type": "string", "anyOf": [{"format": "ipv6"}, {"maxLength": 0}]}
_DEVICE_NAME = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": "^[a-zA-Z0-9._/-]*$",
}
_VOLUME_SIZE = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": _MAX_INT},
        {"type": "string", "pattern": "^0*[1-9][0-9]{0,9}$", "maxLength": 10},
        {"type": "null"},
    ]
}
_HINTS = {"type": "object", "additionalProperties": True}


def _bdm_v1() -> Schema:
    return obj(
        {
            "virtual_name": {"type": "string", "maxLength": 255},
            "volume_id": validation.UUID,
            "snapshot_id": validation.UUID,
            "volume_size": _VOLUME_SIZE,
            "device_name": _DEVICE_NAME,
            "delete_on_termination": validation.BOOLEAN,
            "no_device": {},
            "connection_info": {"type": "string", "maxLength": 1024},
        }
    )


def _bdm_v2(*, tag: bool, volume_type: bool) -> Schema:
    properties: Schema = {
        "virtual_name": {"type": "string", "maxLength": 255},
        "volume_id": validation.UUID,
        "snapshot_id": validation.UUID,
        "volume_size": _VOLUME_SIZE,
        "device_name": _DEVICE_NAME,
        "delete_on_termination": validation.BOOLEAN,
        "no_device": {},
        "source_type": {"type": "string", "enum": ["volume", "image", "snapshot", "blank"]},
        "uuid": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9-]*$"},
        "image_id": validation.UUID,
        "destination_type": {"type": "string", "enum": ["local", "volume"]},
        "guest_format": _TEXT255,
        "device_type": _TEXT255,
        "disk_bus": _TEXT255,
        "boot_index": {
            "type": ["integer", "string", "null"],
            "pattern": "^-?[0-9]+$",
            "maxLength": 10,
        },
    }
    if tag:
        properties["tag"] = _TAG
    if volume_type:
        properties["volume_type"] = {"type": ["string", "null"], "minLength": 0, "maxLength": 255}
    return obj(properties)


V1_KEYS = frozenset(_bdm_v1()["properties"])
IMAGE_ROWS_V1 = validation.Schemas(("2.1", None, {"type": "array", "items": _bdm_v1()}))
IMAGE_ROWS_V2 = validation.Schemas(
    ("2.1", None, {"type": "array", "items": _bdm_v2(tag=True, volume_type=True)})
)


def _networks(*, words: bool) -> Schema:
    rows = {"type": "array", "items": {"type": "object"}}
    return {"oneOf": [rows, {"type": "string", "enum": ["auto", "none"]}]} if words else rows


def _create(version: microversion.Version) -> Schema:
    """The body of ``POST /servers`` at one version."""

    def since(minor: int) -> bool:
        return version.minor >= minor

    properties: Schema = {
        "name": validation.NAME,
        "imageRef": {"type": "string", "anyOf": [{"format": "uuid"}, {"maxLength": 0}]},
        "flavorRef": {"type": ["string", "integer"], "minLength": 1},
        "adminPass": {"type": "string", "maxLength": 255},
        "metadata": validation.METADATA,
        "networks": _networks(words=since(37)),
        "OS-DCF:diskConfig": _DISK_CONFIG,
        "accessIPv4": _IPV4,
        "accessIPv6": _IPV6,
        "availability_zone": {"type": ["string", "null"], "maxLength": 255},
        "block_device_mapping": {"type": "array", "items": _bdm_v1()},
        "block_device_mapping_v2": {
            "type": "array",
            # Tags came in 2.32, went by mistake in 2.33 and came back in 2.42.
            "items": _bdm_v2(tag=version.minor == 32 or since(42), volume_type=since(67)),
        },
        "config_drive": {"anyOf": [validation.BOOLEAN, {"type": "null"}]},
        "key_name": {"type": ["string", "null"], "minLength": 1, "maxLength": 255},
        "min_count": integer(1),
        "max_count": integer(1),
        "return_reservation_id": validation.BOOLEAN,
        "security_groups": {
            "type": "array",
            "items": obj({"name": {"type": "string", "maxLength": 255}}),
        },
        "user_data": {"type": ["string", "null"], "format": "base64", "maxLength": 65535},
    }
    later: tuple[tuple[int, str, typing.Any], ...] = (
        (19, "description", validation.description(255)),
        (52, "tags", _TAGS),
        (63, "trusted_image_certificates", {"type": ["array", "null"], "maxItems": 50}),
        (74, "host", _HOST),
        (74, "hypervisor_hostname", {"type": "string", "minLength": 1, "maxLength": 255}),
        (90, "hostname", _FQDN if since(94) else _HOSTNAME),
    )
    properties |= {name: schema for minor, name, schema in later if since(minor)}
    if not since(57):
        properties["personality"] = {"type": "array"}
    required = ["name", "flavorRef", *(["networks"] if since(37) else [])]
    return obj(
        {
            "server": obj(properties, required),
            "os:scheduler_hints": _HINTS,
            "OS-SCH-HNT:scheduler_hints": _HINTS,
        },
        ["server"],
    )


_CREATE_CHANGES = (1, 19, 32, 33, 37, 42, 52, 57, 63, 67, 74, 90, 94)

CREATE = validation.Schemas(
    *(
        (
            f"2.{minor}",
            f"2.{following - 1}" if following else None,
            _create(microversion.Version(2, minor)),
        )
        for minor, following in zip(_CREATE_CHANGES, (*_CREATE_CHANGES[1:], None), strict=True)
    )
)


def _update(*, description: bool = False, hostname: Schema | None = None) -> Schema:
    properties: Schema = {
        "name": validation.NAME,
        "OS-DCF:diskConfig": _DISK_CONFIG,
        "accessIPv4": _IPV4,
        "accessIPv6": _IPV6,
    }
    if description:
        properties["description"] = validation.description(255)
    if hostname:
        properties["hostname"] = hostname
    return obj({"server": obj(properties)}, ["server"])


UPDATE = validation.Schemas(
    ("2.1", "2.18", _update()),
    ("2.19", "2.89", _update(description=True)),
    ("2.90", "2.93", _update(description=True, hostname=_HOSTNAME)),
    ("2.94", None, _update(description=True, hostname=_FQDN)),
)

# Sort keys that exist in Nova but order nothing here; accepted and passed over.
_IGNORED_SORT_KEYS = (
    "architecture", "auto_disk_config", "cell_name", "cleaned", "default_ephemeral_device",
    "default_swap_device", "deleted", "deleted_at", "disable_terminate",
    "ephemeral_gb", "instance_type_id", "kernel_id", "key_data", "locked_by", "memory_mb",
    "os_type", "progress", "ramdisk_id", "reservation_id", "root_gb", "vcpus", "vm_mode",
)  # fmt: skip

_TAG_FILTERS = ("tags", "tags-any", "not-tags", "not-tags-any")
_COMMON_FILTERS = (
    "access_ip_v4", "access_ip_v6", "all_tenants", "auto_disk_config", "availability_zone",
    "changes-since", "config_drive", "created_at", "deleted", "deleted_at", "description",
    "display_description", "display_name", "flavor", "host", "hostname", "image", "image_ref",
    "instance_name", "ip", "ip6", "kernel_id", "key_name", "launch_index", "launched_at",
    "locked_by", "name", "node", "power_state", "progress", "project_id", "ramdisk_id",
    "reservation_id", "root_device_name", "soft_deleted", "status", "task_state", "tenant_id",
    "terminated_at", "user_id", "uuid", "vm_state", "limit", "marker",
)  # fmt: skip


def _index(minor: int) -> Schema:
    properties: Schema = {name: many() for name in _COMMON_FILTERS}
    properties |= {
        "changes-since": one({"format": "date-time"}),
        "name": many({"format": "regex"}),
        "hostname": many({"format": "regex"}),
        "display_name": many({"format": "regex"}),
        "limit": many(validation.DIGITS),
        "sort_key": many({"enum": sorted({*listing.SORT_COLUMNS, *_IGNORED_SORT_KEYS})}),
        "sort_dir": many({"enum": ["asc", "desc"]}),
    }
    if minor >= 26:
        properties |= {name: many() for name in _TAG_FILTERS}
    if minor >= 66:
        properties["changes-before"] = one({"format": "date-time"})
    if minor >= 73:
        properties["locked"] = many(validation.BOOLEAN)
    # Unknown parameters pass unread, except that 2.75 is strict.
    return obj(properties, additional=minor < 75)


INDEX = validation.Schemas(
    ("2.1", "2.25", _index(1)),
    ("2.26", "2.65", _index(26)),
    ("2.66", "2.72", _index(66)),
    ("2.73", "2.74", _index(73)),
    ("2.75", None, _index(75)),
)

_META = obj({"metadata": validation.METADATA}, ["metadata"])
METADATA = validation.Schemas(("2.1", None, _META))
METADATA_ITEM = validation.Schemas(
    (
        "2.1",
        None,
        obj({"meta": {**validation.METADATA, "minProperties": 1, "maxProperties": 1}}, ["meta"]),
    )
)
TAGS = validation.Schemas(("2.1", None, obj({"tags": _TAGS}, ["tags"])))
TAG = validation.Schemas(("2.1", None, _TAG))

CONSOLE_OUTPUT = validation.Schemas(
    (
        "2.1",
        None,
        obj(
            {
                "os-getConsoleOutput": {
                    "type": ["object", "null"],
                    "properties": {
                        "length": {"anyOf": [integer(-1), {"type": "null"}]},
                    },
                    "additionalProperties": False,
                }
            }
        ),
    )
)

CREATE_IMAGE = validation.Schemas(
    (
        "2.1",
        None,
        obj(
            {
                "createImage": obj(
                    {"name": validation.NAME, "metadata": validation.METADATA}, ["name"]
                )
            },
            ["createImage"],
        ),
    )
)

# The action's value means nothing, and clients send null, {} or anything.
STOP = validation.Schemas(("2.1", None, obj({"os-stop": {}}, ["os-stop"])))
START = validation.Schemas(("2.1", None, obj({"os-start": {}}, ["os-start"])))

_LOCK_REASON = obj({"locked_reason": {"type": "string", "minLength": 1, "maxLength": 255}})
LOCK = validation.Schemas(
    ("2.1", "2.72", obj({"lock": {}})),
    ("2.73", None, obj({"lock": {"oneOf": [_LOCK_REASON, {"type": "null"}]}})),
)
