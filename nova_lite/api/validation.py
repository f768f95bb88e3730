"""JSON schemas with version ranges.

A :class:`Schemas` is a list of ``(first version, last version, schema)``. Each
schema is spelled out or made by a function of arguments; none is made by changing
another's copy. That the ranges of one list neither overlap nor leave a gap is
checked when it is made, so that a mistake cannot be imported.
"""

import collections.abc
import functools
import json
import math
import re
import typing
import unicodedata

import jsonschema
from oslo_utils import netutils
from oslo_utils import strutils
from oslo_utils import timeutils
from oslo_utils import uuidutils

from nova_lite import exceptions
from nova_lite.api import microversion

Schema: typing.TypeAlias = dict[str, typing.Any]
SchemaOrMaker: typing.TypeAlias = Schema | collections.abc.Callable[[], Schema]

MAX_INT = 0x7FFFFFFF
"""The greatest number that all databases keep in an integer column."""

NAME_LENGTH = 255
"""Characters a name may have."""

F = typing.TypeVar("F", bound=collections.abc.Callable[..., typing.Any])

FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("uuid")
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or uuidutils.is_uuid_like(value)


# In UTC it may be before the first year or after the last.
@FORMATS.checks("date-time", raises=(ValueError, OverflowError))
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or bool(
        timeutils.normalize_time(timeutils.parse_isotime(value))
    )


@FORMATS.checks("column-integer")
def _fits_column(value: object) -> bool:
    # What is no number the pattern beside it refuses.
    digits = value.lstrip("-") if isinstance(value, str) else ""
    return not (digits.isascii() and digits.isdigit()) or int(digits[:21]) <= MAX_INT


@FORMATS.checks("ipv4")
def _is_ipv4(value: object) -> bool:
    return not isinstance(value, str) or netutils.is_valid_ipv4(value, strict=True)


@FORMATS.checks("ipv6")
def _is_ipv6(value: object) -> bool:
    return not isinstance(value, str) or netutils.is_valid_ipv6(value)


@FORMATS.checks("regex", raises=re.error)
def _is_regex(value: object) -> bool:
    return not isinstance(value, str) or bool(re.compile(value))


@FORMATS.checks("printable")
def _is_printable(value: object) -> bool:
    # As Nova: spaces of any script, but no line breaks, control or unassigned characters.
    return not isinstance(value, str) or not any(
        category[0] == "C" or category in ("Zl", "Zp")
        for category in map(unicodedata.category, value)
    )


@FORMATS.checks("trimmed-name")
def _is_name(value: object) -> bool:
    return not isinstance(value, str) or (bool(value.strip()) and _is_printable(value))


@FORMATS.checks("base64")
def _is_base64(value: object) -> bool:
    import base64
    import binascii

    if not isinstance(value, str):
        return True
    try:
        base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


class Schemas:
    """The schemas of one body, query or response, by microversion.

    :param ranges: ``("2.1", "2.18", schema)``, ascending, without a gap; a
        last version of None means up to the newest. A schema may be a function
        that makes it, so that one which nobody uses costs nothing.
    """

    def __init__(self, *ranges: tuple[str, str | None, SchemaOrMaker]) -> None:
        self._made_of: list[tuple[microversion.Version, microversion.Version, SchemaOrMaker]] = []
        for first, last, schema in ranges:
            since = microversion.parse(first)
            until = microversion.parse(last) if last else microversion.MAXIMUM
            if since > until:
                raise ValueError(f"range {first}-{last} is empty")
            if self._made_of:
                before = self._made_of[-1][1]
                if since != microversion.Version(before.major, before.minor + 1):
                    raise ValueError(f"range {first}-{last} does not follow {before}")
            self._made_of.append((since, until, schema))

    @functools.cached_property
    def ranges(self) -> list[tuple[microversion.Version, microversion.Version, Schema]]:
        """First and last version, and schema; made when it is first asked for."""
        return [
            (since, until, schema() if callable(schema) else schema)
            for since, until, schema in self._made_of
        ]

    def at(self, version: microversion.Version) -> Schema:
        """The schema of ``version``.

        :raises LookupError: there is none: the handler does not exist then.
        """
        for since, until, schema in self.ranges:
            if since <= version <= until:
                return schema
        raise LookupError(f"no schema at {version}")

    @functools.cached_property
    def _validators(self) -> dict[int, jsonschema.Draft202012Validator]:
        return {
            id(schema): jsonschema.Draft202012Validator(schema, format_checker=FORMATS)
            for _, _, schema in self.ranges
        }

    def check(self, value: object, version: microversion.Version, *, where: str = "") -> None:
        """Refuse what the schema of ``version`` does not allow.

        :param where: what the value is, for the message (``"query"``).
        :raises exceptions.InvalidInput: names the element and the reason.
        """
        validator = self._validators[id(self.at(version))]
        error = next(iter(validator.iter_errors(value)), None)
        if error is not None:
            raise exceptions.InvalidInput(_describe(error, where))


def load_json(raw: bytes) -> typing.Any:
    """The JSON values in ``raw``, all of which databases and JSON can hold.

    :raises ValueError: it is no JSON in UTF-8, or has a number that is not finite.
    :raises RecursionError: it is nested too deeply.
    :raises exceptions.InvalidInput: see :func:`require_storable`.
    """
    value = json.loads(raw.decode(), parse_float=_finite, parse_constant=_finite)
    require_storable(value)
    return value


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits} is not a finite number")
    return number


def require_storable(value: object) -> None:
    """Refuse text that no database keeps: half of a surrogate pair (JSON can write it,
    UTF-8 cannot), or NUL.

    :param value: JSON values; the keys of objects count, too.
    :raises exceptions.InvalidInput: there is such text.
    """
    if isinstance(value, str):
        if "\0" in value or not _is_utf8(value):
            raise exceptions.InvalidInput(
                "The request has a character that cannot be stored (NUL, or half of a surrogate "
                "pair); leave it out."
            )
    elif isinstance(value, dict):
        for key, item in value.items():
            require_storable(key)
            require_storable(item)
    elif isinstance(value, list):
        for item in value:
            require_storable(item)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def by_version(
    changes: collections.abc.Sequence[int], make: collections.abc.Callable[[int], Schema]
) -> Schemas:
    """Schemas of something that changes with some versions.

    :param changes: the minor versions at which it changes, ascending.
    :param make: gives the schema of a minor version.
    """
    ends = [*(f"2.{following - 1}" for following in changes[1:]), None]
    return Schemas(
        *(
            (f"2.{first}", last, functools.partial(make, first))
            for first, last in zip(changes, ends, strict=True)
        )
    )


def answers(by_status: collections.abc.Mapping[int, Schemas]) -> collections.abc.Callable[[F], F]:
    """Say what a handler answers when it succeeds: the body's schemas by status.

    Tests hold every answer against them; a daemon does not look.
    """

    def mark(handler: F) -> F:
        handler.answers = by_status  # type: ignore[attr-defined]
        return handler

    return mark


def _describe(error: jsonschema.ValidationError, where: str) -> str:
    """What is wrong and where; a password's value is not repeated."""
    path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.absolute_path)
    path = path.lstrip(".") or where
    if not error.absolute_path or isinstance(error.instance, dict | list):
        return f"Invalid input for {path or 'the request'}: {error.message}"
    return strutils.mask_password(
        f"Invalid input for field/attribute {path}. Value: {error.instance}. {error.message}"
    )


# Elements that many schemas use.

NAME: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": NAME_LENGTH,
    "format": "trimmed-name",
}
UUID: Schema = {"type": "string", "format": "uuid"}
BOOLEAN: Schema = {
    "type": ["boolean", "string"],
    "enum": [
        True, "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes", "y", "t",
        False, "False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no", "n", "f",
    ],
}  # fmt: skip
METADATA: Schema = {
    "type": "object",
    "patternProperties": {
        "^[a-zA-Z0-9-_:. ]{1,255}$": {"type": "string", "maxLength": 255},
    },
    "additionalProperties": False,
}


def integer(minimum: int | None = None, maximum: int | None = None) -> Schema:
    """A whole number that a column can hold, or its digits in a string."""
    number: Schema = {
        "type": "integer",
        "minimum": -MAX_INT if minimum is None else minimum,
        "maximum": MAX_INT if maximum is None else maximum,
    }
    pattern = "^[0-9]{1,20}$" if minimum is not None and minimum >= 0 else "^-?[0-9]{1,20}$"
    digits = {"type": "string", "allOf": [{"pattern": pattern}, {"format": "column-integer"}]}
    return {"anyOf": [number, digits]}


def obj(
    properties: Schema,
    required: collections.abc.Sequence[str] = (),
    *,
    additional: bool = False,
) -> Schema:
    """An object; unknown keys are refused unless ``additional``."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": additional,
    }


def description(longest: int) -> Schema:
    """A text for people, of at most ``longest`` characters on one line."""
    return {"type": ["string", "null"], "maxLength": longest, "format": "printable"}


def many(items: Schema | None = None) -> Schema:
    """A query parameter that may be given several times."""
    return {"type": "array", "items": items or {"type": "string"}}


def one(item: Schema | None = None) -> Schema:
    """A query parameter that may be given once."""
    return {"type": "array", "items": item or {"type": "string"}, "maxItems": 1}


DIGITS: Schema = {"type": "string", "pattern": "^[0-9]+$", "maxLength": 19}
PAGING: Schema = {"limit": many(DIGITS), "marker": many()}
