"""Which servers a list is about: query parameters to conditions."""

import collections.abc
import dataclasses
import json
import typing

import sqlalchemy as sa
from oslo_utils import strutils

from nova_lite import exceptions
from nova_lite.api import microversion
from nova_lite.api import request
from nova_lite.api import validation
from nova_lite.api.servers import matching
from nova_lite.api.servers import policy
from nova_lite.api.servers import status
from nova_lite.db.queries import listing

T = listing.TABLE
Condition: typing.TypeAlias = sa.ColumnElement[bool]

# Filters that need no right, and those that came with 2.83.
_FOR_ALL = frozenset(
    {
        "reservation_id", "name", "status", "image", "flavor", "ip", "ip6", "changes-since",
        "changes-before", "all_tenants", "tags", "tags-any", "not-tags", "not-tags-any", "locked",
        "hostname",
    }
)  # fmt: skip
_FOR_ALL_SINCE_2_83 = frozenset(
    {
        "availability_zone", "config_drive", "key_name", "created_at", "launched_at",
        "terminated_at", "power_state", "task_state", "vm_state", "progress", "user_id",
    }
)  # fmt: skip

# Filters that an earlier version passes unread.
_SINCE = {
    "tags": microversion.SERVER_TAGS,
    "tags-any": microversion.SERVER_TAGS,
    "not-tags": microversion.SERVER_TAGS,
    "not-tags-any": microversion.SERVER_TAGS,
    "changes-before": microversion.CHANGES_BEFORE,
    "locked": microversion.LOCKED_REASON,
}


@dataclasses.dataclass(frozen=True)
class Selected:
    """What a list selects.

    ``project_id`` is None for all projects. ``asked_for`` says the same of a
    build request's server as ``conditions`` say of a row.
    """

    project_id: str | None
    conditions: list[Condition]
    asked_for: matching.Predicate


def select(req: request.Request, query: request.Query, all_projects_rule: str) -> Selected:
    """The servers that ``query`` selects for this asker.

    :raises exceptions.Forbidden: all projects, or deleted ones, by one who may not.
    :raises exceptions.InvalidInput: a value that has no meaning.
    """
    given = _allowed(req, query)
    _check_status(req, given)
    project_id = _project(req, given, all_projects_rule)
    conditions: list[Condition] = []
    if project_id is not None:
        # As in Nova, the asker's own project, whichever another filter names.
        given = {name: values for name, values in given.items() if name not in _PROJECTS}
        conditions.append(T.c.project_id == project_id)
    conditions.extend(_deleted(given))
    for name, values in given.items():
        conditions.extend(_conditions(name, values))
    return Selected(project_id, conditions, matching.predicate(given))


def _allowed(req: request.Request, query: request.Query) -> request.Query:
    """The parameters this asker may filter by; others pass unread, like Nova's."""
    given = {
        name: values
        for name, values in query.items()
        if name not in _NOT_FILTERS and req.version >= _SINCE.get(name, microversion.MINIMUM)
    }
    if req.can(policy.ALL_FILTERS):
        return given
    allowed = _FOR_ALL
    if req.version >= microversion.MORE_SERVER_FILTERS:
        allowed = allowed | _FOR_ALL_SINCE_2_83
    if _is_about_deleted(given):
        raise exceptions.Forbidden("Only administrators may list deleted instances")
    return {name: values for name, values in given.items() if name in allowed}


def _check_status(req: request.Request, given: request.Query) -> None:
    """From 2.38 on a status that nothing can have is an error, not an empty list."""
    if req.version < microversion.STATUS_CHECKED:
        return
    statuses = given.get("status", [])
    if statuses and not status.vm_states(statuses)[0]:
        raise exceptions.InvalidInput(f"Invalid status value: {', '.join(statuses)}")


_NOT_FILTERS = frozenset({"limit", "marker", "sort_key", "sort_dir"})
_PROJECTS = frozenset({"project_id", "tenant_id"})


def _project(req: request.Request, given: request.Query, all_projects_rule: str) -> str | None:
    """The project whose servers are listed, or None for all."""
    every = False
    if "all_tenants" in given:
        text = given["all_tenants"][-1]
        every = text == "" or _boolean("all_tenants", text)
    if not every:
        return str(req.ctxt.project_id)
    req.authorize(all_projects_rule)
    return None


def _is_about_deleted(given: request.Query) -> bool:
    """Whether the statuses asked for are of deleted servers alone."""
    return status.vm_states(given.get("status", []))[0] == {"deleted"}


def _deleted(given: request.Query) -> list[Condition]:
    """Deleted servers are listed when asked for, or with ``changes-since``."""
    if "deleted" in given:
        return [T.c.deleted.is_(_boolean("deleted", given["deleted"][-1]))]
    if _is_about_deleted(given):
        return [T.c.deleted.is_(True)]
    if "changes-since" in given or "changes-before" in given:
        return []
    return [T.c.deleted.is_(False)]


def _conditions(name: str, values: list[str]) -> list[Condition]:
    """The condition of one parameter; none for those handled elsewhere.

    Of several statuses a server has one; of other parameters the last value counts.
    """
    if name == "status":
        return [_status(values)]
    value = values[-1]
    if name in matching.EQUAL:
        return [T.c[matching.EQUAL[name]] == (None if value == "None" else value)]
    if name in matching.REGEX:
        return [T.c[matching.REGEX[name]].regexp_match(matching.check_pattern(name, value))]
    if name in matching.NUMBERS:
        return [T.c[name] == _integer(name, value)]
    if name in matching.TIMES:
        return [T.c[name] == _time(name, value)]
    special = _SPECIAL.get(name)
    return [special(value)] if special else []


def _status(values: list[str]) -> Condition:
    vm_states, task_states = status.vm_states(values)
    condition: Condition = T.c.vm_state.in_(vm_states)
    if task_states is not None:
        condition = condition & T.c.task_state.in_(task_states)
    return condition


def _tag(tag: str) -> Condition:
    return sa.cast(T.c.tags, sa.Text).contains(json.dumps(tag), autoescape=True)


def _updated() -> sa.ColumnElement[typing.Any]:
    return sa.func.coalesce(T.c.updated_at, T.c.created_at)


_SPECIAL: dict[str, collections.abc.Callable[[str], Condition]] = {
    "flavor": lambda value: T.c.flavor["flavorid"].as_string() == value,
    "locked": lambda value: T.c.locked.is_(_boolean("locked", value)),
    "config_drive": lambda value: T.c.config_drive.is_(_boolean("config_drive", value)),
    "changes-since": lambda value: _updated() >= _time("changes-since", value),
    "changes-before": lambda value: _updated() <= _time("changes-before", value),
    "tags": lambda value: sa.and_(*(_tag(tag) for tag in value.split(","))),
    "tags-any": lambda value: sa.or_(*(_tag(tag) for tag in value.split(","))),
    "not-tags": lambda value: sa.not_(sa.and_(*(_tag(tag) for tag in value.split(",")))),
    "not-tags-any": lambda value: sa.not_(sa.or_(*(_tag(tag) for tag in value.split(",")))),
    # There is no networking yet, so no server has an address.
    "ip": lambda _value: sa.false(),
    "ip6": lambda _value: sa.false(),
}


_ADMINS_SORT_KEYS = frozenset({"host", "node"})


def order(req: request.Request, query: request.Query) -> listing.Order:
    """The order a list is asked for in, by the newest first if none is.

    :raises exceptions.Forbidden: where servers are would show, to one who may not see it.
    :raises exceptions.InvalidInput: more directions than keys.
    """
    keys = query.get("sort_key") or ["created_at"]
    directions = query.get("sort_dir") or ["desc"]
    if len(directions) > len(keys):
        raise exceptions.InvalidInput("Sort direction size exceeds sort key size")
    for key in keys:
        if key in _ADMINS_SORT_KEYS and not req.ctxt.is_admin:
            raise exceptions.Forbidden(f"Only administrators can sort servers by {key}")
    # As in Nova the first direction is also that of the keys that have none.
    directions = [*directions, *directions[:1] * (len(keys) - len(directions))]
    pairs = tuple(
        (key, direction == "desc")
        for key, direction in zip(keys, directions, strict=True)
        if key in listing.SORT_COLUMNS
    )
    return listing.Order(pairs) if pairs else listing.Order()


def _boolean(name: str, value: str) -> bool:
    try:
        return bool(strutils.bool_from_string(value, strict=True))
    except ValueError as error:
        raise exceptions.InvalidInput(f"Invalid value for {name}: {value!r}") from error


def _integer(name: str, value: str) -> int:
    try:
        number = int(value)
    except ValueError as error:
        raise exceptions.InvalidInput(f"Invalid value for {name}: {value!r}") from error
    if abs(number) > validation.MAX_INT:
        raise exceptions.InvalidInput(f"Invalid value for {name}: {value!r}")
    return number


def _time(name: str, value: str) -> typing.Any:
    try:
        return matching.time(value)
    except (ValueError, OverflowError) as error:
        raise exceptions.InvalidInput(f"Invalid value for {name}: {value!r}") from error
