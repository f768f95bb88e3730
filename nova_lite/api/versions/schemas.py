"""What is answered about versions."""

from nova_lite.api import shapes
from nova_lite.api import validation
from nova_lite.api.validation import Schema

_VERSION: Schema = {
    "id": {"const": "v2.1"},
    "status": {"const": "CURRENT"},
    "version": {"type": "string", "pattern": r"^2\.\d+$"},
    "min_version": {"const": "2.1"},
    "updated": shapes.TIME,
}
_SELF: Schema = shapes.exact({"rel": {"const": "self"}, "href": shapes.TEXT})
_MEDIA_TYPE: Schema = shapes.exact({"base": shapes.TEXT, "type": shapes.TEXT})
_LINK: Schema = shapes.exact(
    {"rel": shapes.TEXT, "href": shapes.TEXT, "type": shapes.TEXT}, optional=["type"]
)
_LISTED = _VERSION | {"links": shapes.array(_SELF)}
_ALONE = _VERSION | {
    "links": shapes.array(_LINK, minItems=2),
    "media-types": shapes.array(_MEDIA_TYPE, minItems=1),
}

LISTED = validation.Schemas(
    ("2.1", None, shapes.exact({"versions": shapes.array(shapes.exact(_LISTED))}))
)
SHOWN = validation.Schemas(("2.1", None, shapes.exact({"version": shapes.exact(_ALONE)})))
