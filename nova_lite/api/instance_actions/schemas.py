"""The query of a list of actions."""

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
