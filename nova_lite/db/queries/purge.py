"""Removes for good what deleted servers left behind."""

import datetime

import sqlalchemy as sa

from nova_lite.db import session
from nova_lite.db.models import api
from nova_lite.db.models import cell

# Rows that hang on a server, children first.
_OF_A_SERVER = (
    cell.block_device_mapping,
    cell.instance_faults,
    cell.instance_actions,
)


def deleted_servers(tx: session.Connection, before: datetime.datetime, limit: int) -> list[str]:
    """Uuids of servers that were deleted before that time, oldest first.

    :param tx: a connection to the cell database.
    :param before: naive UTC.
    """
    servers = cell.instances
    when = sa.func.coalesce(servers.c.terminated_at, servers.c.updated_at, servers.c.created_at)
    query = (
        sa.select(servers.c.uuid)
        .where(servers.c.deleted.is_(True), when < before)
        .order_by(servers.c.id)
        .limit(limit)
    )
    return list(tx.execute(query).scalars())


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
