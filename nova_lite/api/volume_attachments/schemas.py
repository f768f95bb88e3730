"""What requests for a server's volumes may contain."""

from nova_lite.api import shapes
from nova_lite.api import validation
from nova_lite.api.validation import obj
from nova_lite.api.validation import Schema

_TAG = {"type": "string", "minLength": 1, "maxLength": 60, "pattern": "^[^,/]*$"}
# Neither "vdb" nor "/dev/nvme0n1" pass; what passes is advice that is not taken.
_DEVICE = {"type": ["string", "null"], "pattern": r"^/dev/x?[a-z]?d?[a-z]+[0-9]*$"}


def _create(**more: Schema) -> Schema:
    properties = {"volumeId": validation.UUID, "device": _DEVICE, **more}
    return obj({"volumeAttachment": obj(properties, ["volumeId"])}, ["volumeAttachment"])


CREATE = validation.Schemas(
    ("2.1", "2.48", _create()),
    ("2.49", "2.78", _create(tag=_TAG)),
    ("2.79", None, _create(tag=_TAG, delete_on_termination=validation.BOOLEAN)),
)

_UNCHANGED = {
    "device": {"type": ["string", "null"]},
    "tag": {"type": ["string", "null"]},
    "serverId": validation.UUID,
    "id": validation.UUID,
    "attachment_id": validation.UUID,
    "bdm_uuid": validation.UUID,
}


def _update(**more: Schema) -> Schema:
    properties = {"volumeId": validation.UUID, **more}
    return obj({"volumeAttachment": obj(properties, ["volumeId"])}, ["volumeAttachment"])


UPDATE = validation.Schemas(
    ("2.1", "2.84", _update()),
    ("2.85", None, _update(delete_on_termination=validation.BOOLEAN, **_UNCHANGED)),
)


def _index(*, strict: bool) -> Schema:
    properties = {
        "limit": validation.many(validation.DIGITS),
        "offset": validation.many(validation.DIGITS),
    }
    return obj(properties, additional=not strict)


INDEX = validation.Schemas(
    ("2.1", "2.74", _index(strict=False)), ("2.75", None, _index(strict=True))
)

# What is answered.


def _attachment(minor: int, *, new: bool) -> validation.Schema:
    properties = {
        "serverId": shapes.UUID,
        "volumeId": shapes.UUID,
        "device": shapes.TEXT_OR_NULL,
    }
    if new or minor < 89:
        properties["id"] = shapes.UUID
    else:
        properties |= {"attachment_id": shapes.UUID_OR_NULL, "bdm_uuid": shapes.UUID}
    if minor >= 70:
        properties["tag"] = shapes.TEXT_OR_NULL
    if minor >= 79:
        properties["delete_on_termination"] = shapes.FLAG
    return shapes.exact(properties)


ATTACHED = validation.by_version(
    (1, 70, 79), lambda minor: shapes.exact({"volumeAttachment": _attachment(minor, new=True)})
)
SHOWN = validation.by_version(
    (1, 70, 79, 89),
    lambda minor: shapes.exact({"volumeAttachment": _attachment(minor, new=False)}),
)
LISTED = validation.by_version(
    (1, 70, 79, 89),
    lambda minor: shapes.exact({"volumeAttachments": shapes.array(_attachment(minor, new=False))}),
)
