"""Queries of hypervisors."""

from nova_lite.api import shapes
from nova_lite.api import validation
from nova_lite.api.validation import obj
from nova_lite.api.validation import one
from nova_lite.api.validation import Schema

_PAGED: Schema = {"limit": one(validation.DIGITS), "marker": one()}
_BY_NAME: Schema = {
    "hypervisor_hostname_pattern": one({"type": "string", "minLength": 1}),
    "with_servers": one(validation.BOOLEAN),
}

INDEX = validation.Schemas(
    ("2.1", "2.32", obj({}, additional=True)),
    ("2.33", "2.52", obj(_PAGED, additional=True)),
    ("2.53", "2.74", obj({**_PAGED, **_BY_NAME}, additional=True)),
    ("2.75", None, obj({**_PAGED, **_BY_NAME})),
)
SHOW = validation.Schemas(
    ("2.1", "2.52", obj({}, additional=True)),
    ("2.53", "2.74", obj({"with_servers": _BY_NAME["with_servers"]}, additional=True)),
    ("2.75", None, obj({"with_servers": _BY_NAME["with_servers"]})),
)

# What is answered.

_SERVERS: Schema = shapes.array(shapes.exact({"uuid": shapes.UUID, "name": shapes.TEXT}))
_USAGE: Schema = {
    "vcpus": shapes.COUNT,
    "vcpus_used": shapes.COUNT,
    "memory_mb": shapes.COUNT,
    "memory_mb_used": shapes.COUNT,
    "free_ram_mb": shapes.NUMBER,
    "local_gb": shapes.COUNT,
    "local_gb_used": shapes.COUNT,
    "free_disk_gb": shapes.NUMBER,
    "running_vms": shapes.COUNT,
    "current_workload": shapes.COUNT,
    "disk_available_least": {"type": ["integer", "null"]},
}


def _brief(minor: int) -> Schema:
    return {
        "id": shapes.UUID if minor >= 53 else shapes.NUMBER,
        "hypervisor_hostname": shapes.TEXT,
        "state": {"enum": ["up", "down"]},
        "status": {"enum": ["enabled", "disabled"]},
    }


def _detail(minor: int) -> Schema:
    service: Schema = {
        "id": shapes.UUID if minor >= 53 else shapes.NUMBER,
        "host": shapes.TEXT,
        "disabled_reason": shapes.TEXT_OR_NULL,
    }
    properties = _brief(minor) | {
        "hypervisor_type": shapes.TEXT,
        "hypervisor_version": shapes.NUMBER,
        "host_ip": shapes.TEXT_OR_NULL,
        "service": shapes.exact(service),
    }
    if minor >= 88:
        return properties | {"uptime": shapes.TEXT_OR_NULL}
    # JSON in a string until 2.27.
    cpu_info = {"type": "object", "additionalProperties": True} if minor >= 28 else shapes.TEXT
    return properties | _USAGE | {"cpu_info": cpu_info}


def _item(properties: Schema, minor: int) -> Schema:
    if minor < 53:
        return shapes.exact(properties)
    # With ``with_servers``.
    return shapes.exact(properties | {"servers": _SERVERS}, optional=["servers"])


_CHANGES = (1, 28, 33, 53, 88)
LISTED = validation.by_version(
    _CHANGES,
    lambda minor: shapes.collection("hypervisors", _item(_brief(minor), minor), paged=minor >= 33),
)
DETAILED = validation.by_version(
    _CHANGES,
    lambda minor: shapes.collection(
        "hypervisors", _item(_detail(minor), minor), paged=minor >= 33
    ),
)
SHOWN = validation.by_version(
    _CHANGES, lambda minor: shapes.exact({"hypervisor": _item(_detail(minor), minor)})
)
STATISTICS = validation.Schemas(
    (
        "2.1",
        "2.87",
        shapes.exact({"hypervisor_statistics": shapes.exact({"count": shapes.COUNT} | _USAGE)}),
    )
)
FOUND = validation.Schemas(
    ("2.1", "2.52", shapes.collection("hypervisors", shapes.exact(_brief(1)), paged=False))
)
WITH_SERVERS = validation.Schemas(
    (
        "2.1",
        "2.52",
        shapes.collection(
            "hypervisors",
            shapes.exact(_brief(1) | {"servers": _SERVERS}, optional=["servers"]),
            paged=False,
        ),
    )
)
