"""What requests for flavors may contain."""

from nova_lite.api import shapes
from nova_lite.api import validation
from nova_lite.api.validation import integer
from nova_lite.api.validation import many
from nova_lite.api.validation import obj
from nova_lite.db.queries import flavors

_MAX_INT = 0x7FFFFFFF
_NAME = validation.NAME
_DESCRIPTION = validation.description(65535)


def _create(**more: validation.Schema) -> validation.Schema:
    properties = {
        "name": _NAME,
        "id": {
            "type": ["string", "number", "null"],
            "minLength": 1,
            "maxLength": 255,
            "pattern": "^(?! )[a-zA-Z0-9. _-]*(?<! )$",
        },
        "ram": integer(1, _MAX_INT),
        "vcpus": integer(1, _MAX_INT),
        "disk": integer(0, _MAX_INT),
        "OS-FLV-EXT-DATA:ephemeral": integer(0, _MAX_INT),
        "swap": integer(0, _MAX_INT),
        "rxtx_factor": {
            "type": ["number", "string"],
            "pattern": r"^[0-9]{1,9}(\.[0-9]+)?$",
            "minimum": 0,
            "maximum": _MAX_INT,
        },
        "os-flavor-access:is_public": validation.BOOLEAN,
        **more,
    }
    required = ["name", "ram", "vcpus", "disk"]
    return obj({"flavor": obj(properties, required)}, ["flavor"])


CREATE = validation.Schemas(
    ("2.1", "2.54", _create()),
    ("2.55", None, _create(description=_DESCRIPTION)),
)

UPDATE = validation.Schemas(
    (
        "2.1",
        None,
        obj({"flavor": obj({"description": _DESCRIPTION}, ["description"])}, ["flavor"]),
    ),
)


def _index(*, strict: bool) -> validation.Schema:
    properties = {
        **validation.PAGING,
        "is_public": many(),
        "minRam": many(),
        "minDisk": many(),
        "sort_key": many({"enum": sorted(flavors.SORT_COLUMNS)}),
        "sort_dir": many({"enum": ["asc", "desc"]}),
    }
    return obj(properties, additional=not strict)


INDEX = validation.Schemas(
    ("2.1", "2.74", _index(strict=False)), ("2.75", None, _index(strict=True))
)

_SPECS = {
    "type": "object",
    "patternProperties": {
        "^[a-zA-Z0-9-_:. ]{1,255}$": {"type": ["string", "number"], "maxLength": 255}
    },
    "additionalProperties": False,
}

SPECS_CREATE = validation.Schemas(("2.1", None, obj({"extra_specs": _SPECS}, ["extra_specs"])))
SPECS_UPDATE = validation.Schemas(
    ("2.1", None, {**_SPECS, "minProperties": 1, "maxProperties": 1}),
)


def _access(action: str) -> validation.Schema:
    tenant = {"type": "string", "minLength": 1, "maxLength": 255}
    return obj({action: obj({"tenant": tenant}, ["tenant"])}, [action])


ADD_ACCESS = validation.Schemas(("2.1", None, _access("addTenantAccess")))
REMOVE_ACCESS = validation.Schemas(("2.1", None, _access("removeTenantAccess")))

# What is answered.


_SWAP_OR_NONE: validation.Schema = {"anyOf": [{"type": "integer", "minimum": 1}, {"const": ""}]}


def _brief(minor: int) -> validation.Schema:
    properties = {"id": shapes.TEXT, "name": shapes.TEXT, "links": shapes.LINKS}
    if minor >= 55:
        properties["description"] = shapes.TEXT_OR_NULL
    return properties


def _flavor(minor: int) -> validation.Schema:
    properties = _brief(minor) | {
        "ram": shapes.COUNT,
        "disk": shapes.COUNT,
        # No swap is an empty string before 2.75.
        "swap": shapes.COUNT if minor >= 75 else _SWAP_OR_NONE,
        "vcpus": shapes.COUNT,
        "OS-FLV-EXT-DATA:ephemeral": shapes.COUNT,
        "OS-FLV-DISABLED:disabled": shapes.FLAG,
        "os-flavor-access:is_public": shapes.FLAG,
        "rxtx_factor": {"anyOf": [{"type": "number", "minimum": 0}, {"const": ""}]},
    }
    if minor >= 61:
        properties["extra_specs"] = shapes.TEXTS
    # Who may not list extra specs does not see them here.
    return shapes.exact(properties, optional=["extra_specs"])


LISTED = validation.by_version(
    (1, 55), lambda minor: shapes.collection("flavors", shapes.exact(_brief(minor)))
)
DETAILED = validation.by_version(
    (1, 55, 61, 75), lambda minor: shapes.collection("flavors", _flavor(minor))
)
SHOWN = validation.by_version(
    (1, 55, 61, 75), lambda minor: shapes.exact({"flavor": _flavor(minor)})
)
_PAIR = shapes.exact({"flavor_id": shapes.TEXT, "tenant_id": shapes.TEXT})
ACCESS = validation.Schemas(("2.1", None, shapes.exact({"flavor_access": shapes.array(_PAIR)})))
SPECS = validation.Schemas(("2.1", None, shapes.exact({"extra_specs": shapes.TEXTS})))
ONE_SPEC = validation.Schemas(
    ("2.1", None, {**shapes.TEXTS, "minProperties": 1, "maxProperties": 1})
)
