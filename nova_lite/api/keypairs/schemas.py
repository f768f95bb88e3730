"""What requests for keypairs may contain, by version."""

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
