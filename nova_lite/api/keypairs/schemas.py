"""What requests for keypairs may contain, by version."""

from nova_lite.api import shapes
from nova_lite.api import validation
from nova_lite.api.validation import many
from nova_lite.api.validation import obj
from nova_lite.api.validation import Schema

# What may be in a name is said by the handler, in words.
_NAME = {"type": "string", "minLength": 1, "maxLength": 255}
_USER = {"type": "string", "minLength": 1, "maxLength": 255}
_TYPE = {"type": "string", "enum": ["ssh", "x509"]}


def _create(*, kinds: bool = False, users: bool = False, required: bool = False) -> Schema:
    properties: Schema = {"name": _NAME, "public_key": {"type": "string"}}
    if kinds:
        properties["type"] = _TYPE
    if users:
        properties["user_id"] = _USER
    keypair = obj(properties, ["name", *(["public_key"] if required else [])])
    return obj({"keypair": keypair}, ["keypair"])


CREATE = validation.Schemas(
    ("2.1", "2.1", _create()),
    ("2.2", "2.9", _create(kinds=True)),
    ("2.10", "2.91", _create(kinds=True, users=True)),
    ("2.92", None, _create(kinds=True, users=True, required=True)),
)

_OF_USER: Schema = {"user_id": many()}

INDEX = validation.Schemas(
    ("2.1", "2.9", obj({}, additional=True)),
    ("2.10", "2.34", obj(_OF_USER, additional=True)),
    ("2.35", "2.74", obj({**_OF_USER, **validation.PAGING}, additional=True)),
    ("2.75", None, obj({**_OF_USER, **validation.PAGING})),
)

ONE = validation.Schemas(
    ("2.1", "2.9", obj({}, additional=True)),
    ("2.10", "2.74", obj(_OF_USER, additional=True)),
    ("2.75", None, obj(_OF_USER)),
)

# What is answered.


def _item(minor: int) -> Schema:
    properties: Schema = {
        "name": shapes.TEXT,
        "public_key": shapes.TEXT,
        "fingerprint": shapes.TEXT,
    }
    if minor >= 2:
        properties["type"] = {"enum": ["ssh", "x509"]}
    return properties


def _listed(minor: int) -> Schema:
    item = shapes.exact({"keypair": shapes.exact(_item(minor))})
    return shapes.collection("keypairs", item, paged=minor >= 35)


def _shown(minor: int) -> Schema:
    more = {
        "id": shapes.NUMBER,
        "user_id": shapes.TEXT,
        "created_at": shapes.PRECISE_TIME,
        "updated_at": shapes.NULL,
        "deleted": {"const": False},
        "deleted_at": shapes.NULL,
    }
    return shapes.exact({"keypair": shapes.exact(_item(minor) | more)})


def _created(minor: int) -> Schema:
    properties = _item(minor) | {"user_id": shapes.TEXT}
    if minor < 92:
        properties["private_key"] = shapes.TEXT
    return shapes.exact({"keypair": shapes.exact(properties, optional=["private_key"])})


LISTED = validation.by_version((1, 2, 35), _listed)
SHOWN = validation.by_version((1, 2), _shown)
CREATED_2_1 = validation.Schemas(("2.1", "2.1", _created(1)))
CREATED = validation.by_version((2, 92), _created)
DELETED_2_1 = validation.Schemas(("2.1", "2.1", shapes.NULL))
DELETED = validation.Schemas(("2.2", None, shapes.NULL))
