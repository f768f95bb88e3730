"""The query of a list of actions."""

from nova_lite.api import shapes
from nova_lite.api import validation
from nova_lite.api.validation import obj
from nova_lite.api.validation import one
from nova_lite.api.validation import Schema

_ANYTHING: Schema = obj({}, additional=True)
_TIME: Schema = one({"format": "date-time"})
_PAGED: Schema = {
    "limit": one(validation.DIGITS),
    "marker": one(),
    "changes-since": _TIME,
}

INDEX = validation.Schemas(
    ("2.1", "2.57", _ANYTHING),
    ("2.58", "2.65", obj(_PAGED)),
    ("2.66", None, obj({**_PAGED, "changes-before": _TIME})),
)

# What is answered.


def _action(minor: int) -> Schema:
    properties: Schema = {
        "action": shapes.TEXT,
        "instance_uuid": shapes.UUID,
        "request_id": {"type": "string", "pattern": "^req-"},
        "user_id": shapes.TEXT_OR_NULL,
        "project_id": shapes.TEXT_OR_NULL,
        "start_time": shapes.PRECISE_TIME,
        "message": shapes.TEXT_OR_NULL,
    }
    if minor >= 58:
        properties["updated_at"] = shapes.PRECISE_TIME
    return properties


def _event(minor: int) -> Schema:
    properties: Schema = {
        "event": shapes.TEXT,
        "start_time": shapes.PRECISE_TIME,
        "finish_time": shapes.nullable(shapes.PRECISE_TIME),
        "result": shapes.TEXT_OR_NULL,
        # By policy, for administrators.
        "traceback": shapes.TEXT_OR_NULL,
    }
    if minor >= 62:
        properties |= {"hostId": shapes.TEXT, "host": shapes.TEXT_OR_NULL}
    if minor >= 84:
        properties["details"] = shapes.TEXT_OR_NULL
    return shapes.exact(properties, optional=["traceback", "host", "details"])


def _shown(minor: int) -> Schema:
    properties = _action(minor) | {"events": shapes.array(_event(minor))}
    # Before 2.51 who may not see events sees none, not an empty list.
    optional = ["events"] if minor < 51 else []
    return shapes.exact({"instanceAction": shapes.exact(properties, optional)})


def _listed(minor: int) -> Schema:
    item = shapes.exact(_action(minor))
    if minor < 58:
        return shapes.exact({"instanceActions": shapes.array(item)})
    properties = {"instanceActions": shapes.array(item), "links": shapes.NEXT_LINK}
    return shapes.exact(properties, optional=["links"])


LISTED = validation.by_version((1, 58), _listed)
SHOWN = validation.by_version((1, 51, 58, 62, 84), _shown)
