"""What requests for services may contain."""

from nova_lite.api import shapes
from nova_lite.api import validation
from nova_lite.api.validation import many
from nova_lite.api.validation import obj
from nova_lite.api.validation import Schema

_HOST = {"type": "string", "minLength": 1, "maxLength": 255}
_REASON = {"type": "string", "minLength": 1, "maxLength": 255}
_BY_HOST = {"host": _HOST, "binary": _HOST}

# Before 2.53 the path says what to do and the body says to whom.
ENABLE = validation.Schemas(("2.1", "2.52", obj(_BY_HOST, list(_BY_HOST))))
DISABLE_REASON = validation.Schemas(
    (
        "2.1",
        "2.52",
        obj({**_BY_HOST, "disabled_reason": _REASON}, [*_BY_HOST, "disabled_reason"]),
    )
)
FORCE_DOWN = validation.Schemas(
    ("2.11", "2.52", obj({**_BY_HOST, "forced_down": validation.BOOLEAN}, list(_BY_HOST)))
)

UPDATE = validation.Schemas(
    (
        "2.53",
        None,
        {
            **obj(
                {
                    "status": {"type": "string", "enum": ["enabled", "disabled"]},
                    "disabled_reason": _REASON,
                    "forced_down": validation.BOOLEAN,
                }
            ),
            "minProperties": 1,
        },
    )
)


def _index(*, strict: bool) -> Schema:
    return obj({"host": many(), "binary": many()}, additional=not strict)


INDEX = validation.Schemas(
    ("2.1", "2.74", _index(strict=False)), ("2.75", None, _index(strict=True))
)

# What is answered.


def _service(minor: int) -> Schema:
    properties: Schema = {
        "id": shapes.UUID if minor >= 53 else shapes.NUMBER,
        "binary": {"type": "string", "pattern": "^nova-"},
        "host": shapes.TEXT,
        "zone": shapes.TEXT,
        "status": {"enum": ["enabled", "disabled"]},
        "state": {"enum": ["up", "down"]},
        "updated_at": shapes.nullable(shapes.PRECISE_TIME),
        "disabled_reason": shapes.TEXT_OR_NULL,
    }
    if minor >= 11:
        properties["forced_down"] = shapes.FLAG
    return shapes.exact(properties)


def _updated(minor: int) -> Schema:
    if minor >= 53:
        return shapes.exact({"service": _service(minor)})
    properties: Schema = {
        "binary": shapes.TEXT,
        "host": shapes.TEXT,
        "status": {"enum": ["enabled", "disabled"]},
        "disabled_reason": shapes.TEXT,
    }
    optional = ["disabled_reason"]
    if minor >= 11:
        # Forcing down says nothing of the status.
        properties["forced_down"] = shapes.FLAG
        optional += ["forced_down", "status"]
    return shapes.exact({"service": shapes.exact(properties, optional)})


LISTED = validation.by_version(
    (1, 11, 53), lambda minor: shapes.collection("services", _service(minor), paged=False)
)
UPDATED = validation.by_version((1, 11, 53), _updated)
