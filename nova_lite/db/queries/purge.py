"""Removes for good what deleted servers left behind."""

import collections.abc
import datetime

import sqlalchemy as sa

from nova_lite.db import session
from nova_lite.db.models import api
from nova_lite.db.models import cell
from nova_lite.db.queries import services

_SERVERS = cell.instances
_deleted_at = sa.func.coalesce(
    _SERVERS.c.terminated_at, _SERVERS.c.updated_at, _SERVERS.c.created_at
)
_NEVER = datetime.datetime(1970, 1, 1)

# Rows that hang on a server, children first.
_OF_A_SERVER = (
    cell.block_device_mapping,
    cell.instance_faults,
    cell.instance_actions,
)


SweptUntil = collections.abc.Mapping[str, datetime.datetime]
"""Hosts, and until when (naive UTC) they are sure to have learned what was deleted."""


def swept_until(
    tx: session.Connection, before: datetime.datetime, sweep_interval: datetime.timedelta
) -> SweptUntil:
    """Hosts that may not know of a server that was deleted before that time.

    A host asks in each sweep which of its guests belong to deleted servers, and
    only their rows tell it; one that is away asks when it comes back. A host
    whose service was deleted does not come back.

    :param tx: a connection to the API database.
    :param before: naive UTC.
    :param sweep_interval: the time between two sweeps of a host.
    """
    until = {
        service.host: service.last_seen_up - sweep_interval if service.last_seen_up else _NEVER
        for service in services.list_all(tx, binary=services.COMPUTE_BINARY)
    }
    return {host: when for host, when in until.items() if when < before}


def deleted_servers(
    tx: session.Connection, before: datetime.datetime, limit: int, hosts: SweptUntil
) -> list[str]:
    """Uuids of servers that were deleted before that time, oldest first, but for
    those that their host may not know of.

    :param tx: a connection to the cell database.
    :param before: naive UTC.
    :param hosts: see :func:`swept_until`.
    """
    query = (
        sa.select(_SERVERS.c.uuid)
        .where(
            _SERVERS.c.deleted.is_(True),
            _deleted_at < before,
            _SERVERS.c.host.is_(None) | ~_is_awaited(hosts),
        )
        .order_by(_SERVERS.c.id)
        .limit(limit)
    )
    return list(tx.execute(query).scalars())


def awaited(
    tx: session.Connection, before: datetime.datetime, hosts: SweptUntil
) -> dict[str, int]:
    """How many servers :func:`deleted_servers` leaves out, by host."""
    query = (
        sa.select(_SERVERS.c.host, sa.func.count())
        .where(_SERVERS.c.deleted.is_(True), _deleted_at < before, _is_awaited(hosts))
        .group_by(_SERVERS.c.host)
        .order_by(_SERVERS.c.host)
    )
    return {host: count for host, count in tx.execute(query)}


def _is_awaited(hosts: SweptUntil) -> sa.ColumnElement[bool]:
    return sa.or_(
        sa.false(),
        *(sa.and_(_SERVERS.c.host == host, until <= _deleted_at) for host, until in hosts.items()),
    )


def purge_servers(tx: session.Connection, server_uuids: list[str]) -> None:
    """Remove servers with their block devices, faults and journal from a cell."""
    actions = cell.instance_actions
    operations = sa.select(actions.c.operation_id).where(actions.c.instance_uuid.in_(server_uuids))
    events = cell.instance_actions_events
    tx.execute(sa.delete(events).where(events.c.operation_id.in_(operations)))
    for table in _OF_A_SERVER:
        tx.execute(sa.delete(table).where(table.c.instance_uuid.in_(server_uuids)))
    tx.execute(sa.delete(cell.instances).where(cell.instances.c.uuid.in_(server_uuids)))


def purge_request_specs(tx: session.Connection, server_uuids: list[str]) -> None:
    """Remove what the API database remembers of how servers were asked for."""
    specs = api.request_specs
    tx.execute(sa.delete(specs).where(specs.c.instance_uuid.in_(server_uuids)))
