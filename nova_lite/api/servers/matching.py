"""Whether a server that is only asked for is one that a list is about.

Says of a :class:`listing.Server` what :mod:`filters` says of a row, so that a filter
finds a server from the moment its create is answered.
"""

import collections.abc
import re
import typing

from oslo_utils import strutils
from oslo_utils import timeutils

from nova_lite import exceptions
from nova_lite.api import request
from nova_lite.api.servers import status
from nova_lite.db.queries import listing

Predicate: typing.TypeAlias = collections.abc.Callable[[listing.Server], bool]

# Parameters compared as they are, with what.
EQUAL = {
    "access_ip_v4": "access_ip_v4",
    "access_ip_v6": "access_ip_v6",
    "availability_zone": "availability_zone",
    "description": "display_description",
    "display_description": "display_description",
    "host": "host",
    "image": "image_ref",
    "image_ref": "image_ref",
    "key_name": "key_name",
    "node": "node",
    "project_id": "project_id",
    "reservation_id": "reservation_id",
    "root_device_name": "root_device_name",
    "task_state": "task_state",
    "tenant_id": "project_id",
    "user_id": "user_id",
    "uuid": "uuid",
    "vm_state": "vm_state",
}
REGEX = {"name": "display_name", "display_name": "display_name", "hostname": "hostname"}
MAX_CHOICES = 3
_REPEATED_GROUP = re.compile(r"\)[*+{]")
_REPETITION = re.compile(r"[*+{]|(?<!\()\?")
TIMES = frozenset({"created_at", "launched_at", "terminated_at"})
NUMBERS = frozenset({"power_state", "launch_index"})


def predicate(given: request.Query) -> Predicate:
    """Whether a server passes every filter of a query.

    :param given: parameters that :mod:`filters` has found meaningful; the last
        value of each counts, and every status.
    """
    tests = [_test(name, values) for name, values in given.items()]
    return lambda server: all(test(server) for test in tests)


def check_pattern(name: str, value: str) -> str:
    """Refuse patterns that could keep this process busy for ever.

    Python's ``re`` tries every way to split a text among repetitions: a repeated
    group takes exponential time, each further repetition another power of the
    text's length, and what is optional or has alternatives inside a group doubles
    it. Alternatives of the whole pattern are tried one after the other.

    :raises exceptions.InvalidInput: it is one of those.
    """
    choices = len(_REPETITION.findall(value))
    if "(" in value:
        choices += value.count("|")
    if _REPEATED_GROUP.search(value) or choices > MAX_CHOICES:
        raise exceptions.InvalidInput(
            f"filter {name}: the pattern may take too long; repeat no group, and use at most "
            f"{MAX_CHOICES} of * + ? {{, or of | beside groups"
        )
    return value


def _test(name: str, values: list[str]) -> Predicate:
    if name == "status":
        return _status(values)
    value = values[-1]
    if name in EQUAL:
        wanted = None if value == "None" else value
        return lambda server: getattr(server, EQUAL[name]) == wanted
    if name in REGEX:
        pattern = re.compile(check_pattern(name, value))
        return lambda server: _found(pattern, getattr(server, REGEX[name]))
    if name in NUMBERS:
        return lambda server: bool(getattr(server, name) == int(value))
    if name in TIMES:
        return lambda server: bool(getattr(server, name) == time(value))
    special = _SPECIAL.get(name)
    return special(value) if special else lambda _server: True


def _found(pattern: re.Pattern[str], text: str | None) -> bool:
    return text is not None and pattern.search(text) is not None


def time(value: str) -> typing.Any:
    """A naive time, in UTC."""
    return timeutils.normalize_time(timeutils.parse_isotime(value))


def _flag(value: str) -> bool:
    return bool(strutils.bool_from_string(value, strict=True))


def _changed(server: listing.Server) -> typing.Any:
    return server.updated_at or server.created_at


def _all_tags(value: str) -> Predicate:
    return lambda server: set(value.split(",")) <= set(server.tags)


def _any_tag(value: str) -> Predicate:
    return lambda server: bool(set(value.split(",")) & set(server.tags))


def _not(test: collections.abc.Callable[[str], Predicate]) -> typing.Any:
    return lambda value: lambda server: not test(value)(server)


def _status(values: list[str]) -> Predicate:
    wanted = {value.upper() for value in values}
    return lambda server: status.of(server.vm_state, server.task_state) in wanted


_SPECIAL: dict[str, collections.abc.Callable[[str], Predicate]] = {
    "flavor": lambda value: lambda server: server.flavor["flavorid"] == value,
    "locked": lambda value: lambda server: server.locked == _flag(value),
    "config_drive": lambda value: lambda server: server.config_drive == _flag(value),
    "changes-since": lambda value: lambda server: bool(_changed(server) >= time(value)),
    "changes-before": lambda value: lambda server: bool(_changed(server) <= time(value)),
    "tags": _all_tags,
    "tags-any": _any_tag,
    "not-tags": _not(_all_tags),
    "not-tags-any": _not(_any_tag),
    # What is only asked for is not deleted, and has no address.
    "deleted": lambda value: lambda _server: not _flag(value),
    "ip": lambda _value: lambda _server: False,
    "ip6": lambda _value: lambda _server: False,
}
