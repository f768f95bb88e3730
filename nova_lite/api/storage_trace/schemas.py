"""What a storage trace answers."""

from nova_lite.api import shapes
from nova_lite.api import validation
from nova_lite.api.validation import Schema

_TEXTS = shapes.array(shapes.TEXT)

# "connection" has what its kind of storage is told by; no secrets.
_CONNECTION: Schema = {
    "type": "object",
    "properties": {"driver_volume_type": shapes.TEXT_OR_NULL},
    "additionalProperties": True,
}

_IMAGE = shapes.exact(
    {
        "id": shapes.TEXT,
        "name": shapes.TEXT_OR_NULL,
        "disk_format": shapes.TEXT_OR_NULL,
        "status": shapes.TEXT_OR_NULL,
        "locations": _TEXTS,
        "unknown": shapes.TEXT,
    },
    optional=["name", "disk_format", "status", "locations", "unknown"],
)

# Cinder does not have it, or does not answer: its id and that.
_VOLUME = shapes.exact(
    {
        "id": shapes.TEXT,
        "status": shapes.TEXT,
        "name": shapes.TEXT_OR_NULL,
        "size_gib": shapes.NUMBER,
        "volume_type": shapes.TEXT_OR_NULL,
        "multiattach": shapes.FLAG,
        "encrypted": shapes.FLAG,
        "servers": _TEXTS,
    },
    optional=["name", "size_gib", "volume_type", "multiattach", "encrypted", "servers"],
)

_ATTACHMENT = shapes.exact(
    {
        "id": shapes.TEXT,
        "status": shapes.TEXT,
        "server": shapes.TEXT_OR_NULL,
        "volume": shapes.TEXT,
    },
    optional=["server", "volume"],
)

_DISAGREEMENT = shapes.exact(
    {
        "kind": shapes.TEXT,
        "severity": {"enum": ["critical", "error", "warning", "note"]},
        "says": shapes.TEXT,
        "advice": shapes.TEXT,
    }
)

_GUEST = shapes.exact({"host": shapes.TEXT, "name": shapes.TEXT, "runs": shapes.FLAG})

_SERVER = shapes.exact(
    {
        "id": shapes.UUID,
        "name": shapes.TEXT,
        "project_id": shapes.TEXT,
        "host": shapes.TEXT_OR_NULL,
        "vm_state": shapes.TEXT,
        "task_state": shapes.TEXT_OR_NULL,
        "at_work": shapes.FLAG,
        "guests": shapes.array(_GUEST),
    }
)

_DISK = shapes.exact(
    {
        "host": shapes.TEXT,
        "device": shapes.TEXT,
        "source_type": shapes.TEXT,
        "source": shapes.TEXT,
        "live": shapes.FLAG,
        "defined": shapes.FLAG,
        "is_missing": shapes.FLAG,
    }
)

_CEPH = shapes.exact(
    {
        "image": shapes.TEXT,
        "size_bytes": shapes.nullable(shapes.NUMBER),
        "parent": shapes.TEXT_OR_NULL,
        "snapshots": _TEXTS,
        "watchers": _TEXTS,
        "locks": _TEXTS,
    }
)

_DEVICE = shapes.exact(
    {
        "device": shapes.TEXT_OR_NULL,
        "boot_index": shapes.nullable(shapes.NUMBER),
        "source_type": shapes.TEXT_OR_NULL,
        "destination_type": shapes.TEXT_OR_NULL,
        "phase": shapes.TEXT_OR_NULL,
        "delete_on_termination": shapes.FLAG,
        "image": shapes.nullable(_IMAGE),
        "snapshot": shapes.TEXT_OR_NULL,
        "volume": shapes.nullable(_VOLUME),
        "attachment": shapes.nullable(_ATTACHMENT),
        "connection": shapes.nullable(_CONNECTION),
        "guest": shapes.nullable(_DISK),
        "host_connected": shapes.nullable(shapes.FLAG),
        "ceph": shapes.nullable(_CEPH),
        "disagreements": shapes.array(_DISAGREEMENT),
    }
)

SHOWN = validation.Schemas(
    (
        "2.1",
        None,
        shapes.exact(
            {
                "storage_trace": shapes.exact(
                    {
                        "server": _SERVER,
                        "devices": shapes.array(_DEVICE),
                        "unknown_disks": shapes.array(
                            shapes.exact({"host": shapes.TEXT, "volume": shapes.TEXT})
                        ),
                        "silent": {
                            "type": "object",
                            "additionalProperties": {"type": "string"},
                        },
                        "other_disagreements": shapes.array(_DISAGREEMENT),
                        "disagreements": shapes.NUMBER,
                    }
                )
            }
        ),
    )
)
