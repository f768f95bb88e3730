"""What answers are made of: schemas that those of many resources share.

Written from Nova's API reference and its samples, not from our views: they are what
clients rely on.
"""

import collections.abc

from nova_lite.api import validation
from nova_lite.api.validation import obj
from nova_lite.api.validation import Schema


def exact(properties: Schema, optional: collections.abc.Collection[str] = ()) -> Schema:
    """An object with these keys and no others, of which some may be absent."""
    return obj(properties, [name for name in properties if name not in optional])


def array(items: Schema, **limits: int) -> Schema:
    """A list of items of one shape."""
    return {"type": "array", "items": items, **limits}


def nullable(schema: Schema) -> Schema:
    """``schema``, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


TEXT: Schema = {"type": "string"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
NUMBER: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
NULL: Schema = {"type": "null"}
UUID: Schema = {"type": "string", "format": "uuid", "minLength": 36}
UUID_OR_NULL: Schema = nullable(UUID)

TIME: Schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}
"""Seconds, with a Z: what resources are created and updated at."""

PRECISE_TIME: Schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$"}
"""Microseconds, without a zone: what extensions of old brought in."""

_HREF: Schema = {"type": "string", "pattern": "^https?://[^ ]+$"}
BOOKMARK: Schema = exact({"rel": {"const": "bookmark"}, "href": _HREF})
LINKS: Schema = {
    "type": "array",
    "prefixItems": [exact({"rel": {"const": "self"}, "href": _HREF}), BOOKMARK],
    "minItems": 2,
    "maxItems": 2,
}
NEXT_LINK: Schema = {
    **array(exact({"rel": {"const": "next"}, "href": _HREF})),
    "minItems": 1,
    "maxItems": 1,
}
TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
"""An object whose values are all text: metadata, extra specs."""

NOTHING = validation.Schemas(("2.1", None, NULL))
"""An answer without a body."""


def collection(name: str, item: Schema, *, paged: bool = True) -> Schema:
    """A list of resources, with a link to the next page if there is one."""
    properties: Schema = {name: array(item)}
    if paged:
        properties[f"{name}_links"] = NEXT_LINK
    return exact(properties, optional=[f"{name}_links"])
