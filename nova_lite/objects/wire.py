"""The common ground of all objects: registry, base class, JSON field."""

import copy
import datetime
import functools
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
        for name, attribute, default in self._defaults():
            if name not in kwargs:
                # A property would check and convert the value each time.
                setattr(self, attribute, copy.copy(default))

    @classmethod
    @functools.cache
    def _defaults(cls) -> list[tuple[str, str, typing.Any]]:
        """Name, attribute and value of each field that need not be given."""
        found = []
        for name, field in cls.fields.items():
            if field.default != fields.UnspecifiedDefault:
                mutable = isinstance(field.default, list | dict)
                attribute = name if mutable else base._get_attrname(name)
                found.append((name, attribute, field.default))
            elif field.nullable:
                found.append((name, base._get_attrname(name), None))
        return found

    def obj_what_changed(self) -> set[str]:
        """Nothing: what is written to a database is named by its writer, and
        looking for changes took a third of the time of a message."""
        return set()

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


class _Moment(fields.FieldType):
    """A naive UTC datetime that keeps its microseconds on the way (the
    library's own field cuts them, and steps are shorter than a second)."""

    @staticmethod
    def coerce(obj: object, attr: str, value: typing.Any) -> datetime.datetime:
        if isinstance(value, str):
            value = datetime.datetime.fromisoformat(value)
        if not isinstance(value, datetime.datetime):
            raise ValueError(f"{attr} needs a datetime, not {type(value).__name__}")
        if value.tzinfo is not None:
            value = value.astimezone(datetime.UTC).replace(tzinfo=None)
        return value

    @staticmethod
    def from_primitive(obj: object, attr: str, value: str) -> datetime.datetime:
        return datetime.datetime.fromisoformat(value)

    @staticmethod
    def to_primitive(obj: object, attr: str, value: datetime.datetime) -> str:
        return value.isoformat()

    @staticmethod
    def stringify(value: datetime.datetime) -> str:
        return value.isoformat()


class MomentField(fields.AutoTypedField):
    """A field of type naive UTC datetime."""

    AUTO_TYPE = _Moment()


class JsonField(fields.AutoTypedField):
    """A field of plain JSON values."""

    AUTO_TYPE = _Json()
