"""The common ground of all objects: registry, base class, JSON field."""

import copy
import typing

from oslo_serialization import jsonutils
from oslo_versionedobjects import base
from oslo_versionedobjects import fields

PROJECT_NAMESPACE = "nova_lite"

register = base.VersionedObjectRegistry.register


class WireObject(base.VersionedObject, base.ComparableVersionedObject):
    """Base of our objects: fields that were not given read as their default,
    or None when they may be null."""

    OBJ_PROJECT_NAMESPACE = PROJECT_NAMESPACE
    OBJ_SERIAL_NAMESPACE = PROJECT_NAMESPACE

    def __init__(self, **kwargs: typing.Any) -> None:
        super().__init__(**kwargs)
        for name, field in self.fields.items():
            if name in kwargs:
                continue
            if field.default != fields.UnspecifiedDefault:
                setattr(self, name, copy.copy(field.default))
            elif field.nullable:
                setattr(self, name, None)

    def to_json(self) -> str:
        """Text for a database column; :func:`from_json` reads it."""
        return str(jsonutils.dumps(self.obj_to_primitive()))


def from_json(text: str) -> typing.Any:
    """The object that :meth:`WireObject.to_json` wrote."""
    return WireObject.obj_from_primitive(jsonutils.loads(text))


class _Json(fields.FieldType):
    """Anything JSON can hold, kept as Python values on both sides."""

    @staticmethod
    def coerce(obj: object, attr: str, value: typing.Any) -> typing.Any:
        return value


class JsonField(fields.AutoTypedField):
    """A field of plain JSON values."""

    AUTO_TYPE = _Json()
