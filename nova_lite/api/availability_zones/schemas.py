"""What is answered about availability zones."""

from nova_lite.api import shapes
from nova_lite.api import validation
from nova_lite.api.validation import Schema

_SERVICE: Schema = shapes.exact(
    {
        "available": shapes.FLAG,
        "active": shapes.FLAG,
        "updated_at": shapes.nullable(shapes.PRECISE_TIME),
    }
)
_SERVICES: Schema = {"type": "object", "additionalProperties": _SERVICE}
_HOSTS: Schema = {"type": "object", "additionalProperties": _SERVICES}


def _zones(hosts: Schema) -> validation.Schemas:
    zone = {
        "zoneName": shapes.TEXT,
        "zoneState": shapes.exact({"available": shapes.FLAG}),
        "hosts": hosts,
    }
    zones = shapes.array(shapes.exact(zone))
    return validation.Schemas(("2.1", None, shapes.exact({"availabilityZoneInfo": zones})))


LISTED = _zones(shapes.NULL)
DETAILED = _zones(_HOSTS)
