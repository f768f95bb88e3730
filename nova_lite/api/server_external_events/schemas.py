"""What other services may tell us, and what they are answered."""

from nova_lite.api import shapes
from nova_lite.api import validation
from nova_lite.api.validation import obj
from nova_lite.api.validation import Schema

STATUSES = ["failed", "completed", "in-progress"]

_NETWORK = [
    "network-changed",
    "network-vif-plugged",
    "network-vif-unplugged",
    "network-vif-deleted",
]


def _names(minor: int) -> list[str]:
    names = list(_NETWORK)
    for since, name in (
        (51, "volume-extended"),
        (76, "power-update"),
        (82, "accelerator-request-bound"),
        (93, "volume-reimaged"),
    ):
        if minor >= since:
            names.append(name)
    return names


def _properties(minor: int) -> Schema:
    return {
        "server_uuid": validation.UUID,
        "name": {"type": "string", "enum": _names(minor)},
        "status": {"type": "string", "enum": STATUSES},
        "tag": {"type": "string", "maxLength": 255},
    }


def _create(minor: int) -> Schema:
    event = obj(_properties(minor), ["server_uuid", "name"])
    return obj({"events": {"type": "array", "items": event, "minItems": 1}}, ["events"])


_VERSIONS = (1, 51, 76, 82, 93)

CREATE = validation.by_version(_VERSIONS, _create)

# What is answered.


def _created(minor: int) -> Schema:
    properties = _properties(minor) | {"code": {"enum": [200, 400, 404, 422]}}
    event = shapes.exact(properties, optional=["tag"])
    return shapes.exact({"events": shapes.array(event)})


CREATED = validation.by_version(_VERSIONS, _created)
