"""What requests for quotas may contain, and what is answered."""

from nova_lite.api import shapes
from nova_lite.api import validation
from nova_lite.api.validation import obj
from nova_lite.api.validation import Schema

RESOURCES = ("instances", "cores", "ram", "metadata_items", "key_pairs")
"""What a quota can be set for. Nova's other resources do not exist here, and setting
a limit that would not be kept is refused."""

_LIMIT = validation.integer(-1, 0x7FFFFFFF)

UPDATE = validation.Schemas(
    (
        "2.1",
        None,
        obj(
            {
                "quota_set": obj(
                    {
                        **{resource: _LIMIT for resource in RESOURCES},
                        "tenant_id": {"type": "string"},
                        "force": validation.BOOLEAN,
                    }
                )
            },
            ["quota_set"],
        ),
    )
)

CHANGE_QUERY = validation.Schemas(
    ("2.1", "2.74", obj({}, additional=True)),
    ("2.75", None, obj({"user_id": validation.one()})),
)

# What is answered.

_NUMBER: Schema = {"type": "integer", "minimum": -1}
_USAGE: Schema = shapes.exact({"limit": _NUMBER, "in_use": shapes.COUNT, "reserved": shapes.COUNT})


def _quotas(value: Schema, *, with_id: bool) -> validation.Schemas:
    properties = dict.fromkeys(RESOURCES, value) | ({"id": shapes.TEXT} if with_id else {})
    return validation.Schemas(("2.1", None, shapes.exact({"quota_set": shapes.exact(properties)})))


SHOWN = _quotas(_NUMBER, with_id=True)
UPDATED = _quotas(_NUMBER, with_id=False)
DETAILED = _quotas(_USAGE, with_id=True)
