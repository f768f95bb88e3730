"""Queries of hypervisors."""

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
