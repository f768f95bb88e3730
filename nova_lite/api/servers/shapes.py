"""What answers about servers look like, by version.

From Nova's API reference and samples. Left out is what needs networking, which is
not here: ``security_groups`` of a server that exists, addresses.
"""

from nova_lite.api import validation
from nova_lite.api.servers import status
from nova_lite.api.shapes import array
from nova_lite.api.shapes import BOOKMARK
from nova_lite.api.shapes import collection
from nova_lite.api.shapes import COUNT
from nova_lite.api.shapes import exact
from nova_lite.api.shapes import FLAG
from nova_lite.api.shapes import LINKS
from nova_lite.api.shapes import NULL
from nova_lite.api.shapes import nullable
from nova_lite.api.shapes import NUMBER
from nova_lite.api.shapes import PRECISE_TIME
from nova_lite.api.shapes import TEXT
from nova_lite.api.shapes import TEXT_OR_NULL
from nova_lite.api.shapes import TEXTS
from nova_lite.api.shapes import TIME
from nova_lite.api.shapes import UUID
from nova_lite.api.validation import Schema

_CHANGES = (1, 3, 9, 16, 19, 26, 47, 63, 71, 73, 75, 90, 96, 98, 100)

_STATUSES = (
    "ACTIVE", "BUILD", "DELETED", "ERROR", "HARD_REBOOT", "MIGRATING", "PASSWORD", "PAUSED",
    "REBOOT", "REBUILD", "RESCUE", "RESIZE", "REVERT_RESIZE", "SHELVED", "SHELVED_OFFLOADED",
    "SHUTOFF", "SOFT_DELETED", "SUSPENDED", "UNKNOWN", "VERIFY_RESIZE",
)  # fmt: skip

_DISK_CONFIG = {"enum": ["AUTO", "MANUAL"]}
_FAULT = exact(
    {"code": NUMBER, "created": TIME, "message": TEXT, "details": TEXT}, optional=["details"]
)
_EXTENDED = "OS-EXT-SRV-ATTR:"


def _only_in(statuses: frozenset[str], key: str, *, always: bool) -> Schema:
    """``key`` is there in some statuses only (and ``always`` in those)."""
    rule: Schema = {
        "if": {"properties": {"status": {"enum": sorted(statuses)}}},
        "else": {"not": {"required": [key]}},
    }
    return rule | ({"then": {"required": [key]}} if always else {})


def _image(minor: int) -> Schema:
    properties: Schema = {"id": UUID, "links": array(BOOKMARK)}
    if minor >= 98:
        properties["properties"] = TEXTS
    return {"anyOf": [exact(properties), {"const": ""}]}


def _flavor(minor: int) -> Schema:
    if minor < 47:
        return exact({"id": TEXT, "links": array(BOOKMARK)})
    properties: Schema = {
        "vcpus": COUNT,
        "ram": COUNT,
        "disk": COUNT,
        "ephemeral": COUNT,
        "swap": COUNT,
        "original_name": TEXT,
        "extra_specs": TEXTS,
    }
    # Who may not list extra specs does not see them here.
    return exact(properties, optional=["extra_specs"])


def _plain(minor: int) -> Schema:
    """The keys of every answer about one server."""
    properties: Schema = {
        "id": UUID,
        "name": TEXT,
        "status": {"enum": list(_STATUSES)},
        "tenant_id": TEXT,
        "user_id": TEXT,
        "metadata": TEXTS,
        "hostId": {"type": "string", "pattern": "^([0-9a-f]{56})?$"},
        "image": _image(minor),
        "flavor": _flavor(minor),
        "created": TIME,
        "updated": TIME,
        "addresses": exact({}),
        "accessIPv4": TEXT,
        "accessIPv6": TEXT,
        "links": LINKS,
        "OS-DCF:diskConfig": _DISK_CONFIG,
        "progress": {"type": "integer", "minimum": 0, "maximum": 100},
        "fault": _FAULT,
    }
    later: tuple[tuple[int, str, Schema], ...] = (
        (9, "locked", FLAG),
        (19, "description", TEXT_OR_NULL),
        (26, "tags", array(TEXT)),
        (63, "trusted_image_certificates", NULL),
        (73, "locked_reason", TEXT_OR_NULL),
        (90, f"{_EXTENDED}hostname", TEXT),
        (96, "pinned_availability_zone", TEXT_OR_NULL),
    )
    return properties | {name: schema for since, name, schema in later if minor >= since}


def _whole(minor: int) -> Schema:
    """The keys that a show and a detailed list have beside the plain ones."""
    volume: Schema = {"id": UUID}
    if minor >= 3:
        volume["delete_on_termination"] = FLAG
    properties: Schema = {
        "config_drive": {"enum": ["", "True"]},
        "key_name": TEXT_OR_NULL,
        "OS-EXT-AZ:availability_zone": TEXT,
        "OS-SRV-USG:launched_at": nullable(PRECISE_TIME),
        "OS-SRV-USG:terminated_at": nullable(PRECISE_TIME),
        "OS-EXT-STS:task_state": TEXT_OR_NULL,
        "OS-EXT-STS:vm_state": TEXT,
        "OS-EXT-STS:power_state": {"enum": [0, 1, 3, 4, 6, 7]},
        "os-extended-volumes:volumes_attached": array(exact(volume)),
        # By policy, for administrators.
        f"{_EXTENDED}host": TEXT_OR_NULL,
        f"{_EXTENDED}hypervisor_hostname": TEXT_OR_NULL,
        f"{_EXTENDED}instance_name": TEXT,
    }
    if minor >= 3:
        properties |= {
            f"{_EXTENDED}reservation_id": TEXT,
            f"{_EXTENDED}launch_index": COUNT,
            f"{_EXTENDED}hostname": TEXT,
            f"{_EXTENDED}kernel_id": TEXT,
            f"{_EXTENDED}ramdisk_id": TEXT,
            f"{_EXTENDED}root_device_name": TEXT_OR_NULL,
            f"{_EXTENDED}user_data": TEXT_OR_NULL,
        }
    if minor >= 16:
        properties["host_status"] = {"enum": ["UP", "DOWN", "MAINTENANCE", "UNKNOWN", ""]}
    if minor >= 100:
        properties["scheduler_hints"] = {"type": "object", "additionalProperties": True}
    return properties


def _server(minor: int, *, whole: bool, alone: bool) -> Schema:
    properties = _plain(minor)
    if alone and minor >= 71:
        # Not in lists: one more look at the database a server.
        properties["server_groups"] = array(UUID, maxItems=1)
    if whole:
        properties |= _whole(minor)
    by_policy = [name for name in properties if name.startswith(_EXTENDED)]
    if minor >= 90:
        by_policy.remove(f"{_EXTENDED}hostname")
    return exact(properties, optional=["progress", "fault", "host_status", *by_policy]) | {
        "allOf": [
            _only_in(status.WITH_PROGRESS, "progress", always=True),
            _only_in(status.WITH_FAULT, "fault", always=False),
        ]
    }


def _shown(minor: int) -> Schema:
    return exact({"server": _server(minor, whole=True, alone=True)})


def _updated(minor: int) -> Schema:
    return exact({"server": _server(minor, whole=minor >= 75, alone=True)})


def _detailed(minor: int) -> Schema:
    return collection("servers", _server(minor, whole=True, alone=False))


SHOWN = validation.by_version(_CHANGES, _shown)
UPDATED = validation.by_version(_CHANGES, _updated)
DETAILED = validation.by_version(_CHANGES, _detailed)
LISTED = validation.Schemas(
    ("2.1", None, collection("servers", exact({"id": UUID, "name": TEXT, "links": LINKS})))
)

_NEW = exact(
    {
        "id": UUID,
        "links": LINKS,
        "OS-DCF:diskConfig": _DISK_CONFIG,
        "security_groups": array(exact({"name": TEXT})),
        "adminPass": TEXT,
    },
    # ``[api] enable_instance_password`` says whether it is told.
    optional=["adminPass"],
)
CREATED = validation.Schemas(
    ("2.1", None, {"oneOf": [exact({"server": _NEW}), exact({"reservation_id": TEXT})]})
)

METADATA = validation.Schemas(("2.1", None, exact({"metadata": TEXTS})))
METADATA_ITEM = validation.Schemas(
    ("2.1", None, exact({"meta": {**TEXTS, "minProperties": 1, "maxProperties": 1}}))
)
TAGS = validation.Schemas(("2.26", None, exact({"tags": array(TEXT, maxItems=50)})))
CONSOLE_OUTPUT = validation.Schemas(("2.1", None, exact({"output": TEXT})))

_DEVICE = exact(
    {
        "device_name": TEXT,
        "disk_bus": TEXT,
        "boot_index": {"type": "integer", "minimum": -1},
        "source_type": {"enum": ["blank", "image", "snapshot", "volume"]},
        "destination_type": {"enum": ["local", "volume"]},
        "size_gib": COUNT,
        "size_mib": COUNT,
        "tag": TEXT_OR_NULL,
        "data": TEXT,
        "why": TEXT,
        "cinder_calls": array(
            exact(
                {
                    "call": {"type": "string", "pattern": "^(GET|POST|PUT|DELETE) /"},
                    "by": {"enum": ["api", "compute"]},
                    "body": {"type": "object", "additionalProperties": True},
                },
                optional=["body"],
            )
        ),
        "on_delete": {"enum": ["destroyed", "kept"]},
    },
    optional=["size_gib", "size_mib"],
)
_REFUSED = exact({"host": TEXT, "rule": TEXT, "reason": TEXT})
_HOSTS = exact(
    {
        "suitable": COUNT,
        "refused": {"type": "object", "additionalProperties": COUNT},
        "suitable_hosts": array(TEXT),
        "refused_hosts": array(_REFUSED),
        "unknown": TEXT,
    },
    optional=["suitable", "refused", "suitable_hosts", "refused_hosts", "unknown"],
)
_CHARGED = exact(
    {
        "instances": COUNT,
        "cores": COUNT,
        "ram_mib": COUNT,
        "host_disk_gib": COUNT,
        "new_volumes_gib": COUNT,
    }
)
PLANNED = validation.Schemas(
    (
        "2.1",
        None,
        exact(
            {
                "dry_run": exact(
                    {
                        "servers": {"type": "integer", "minimum": 1},
                        "charged": _CHARGED,
                        "devices": array(_DEVICE, minItems=1),
                        "hosts": _HOSTS,
                    }
                )
            }
        ),
    )
)

IMAGE_CREATED = validation.Schemas(
    ("2.1", "2.44", NULL), ("2.45", None, exact({"image_id": UUID}))
)
"""``createImage``: an address in the header, or an id in the body."""
