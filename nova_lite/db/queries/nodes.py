"""Compute nodes: the inventory that the hosts report.

How much of it is allocated (``*_used``) is none of the hosts' business:
:mod:`nova_lite.db.queries.allocations` alone changes it.
"""

import typing

import sqlalchemy as sa
from oslo_utils import timeutils

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.db import session
from nova_lite.db.models import api
from nova_lite.db.queries import cells
from nova_lite.db.queries import services
from nova_lite.db.queries import upsert

_NODES = api.compute_nodes
_INVENTORY = (
    "host",
    "hypervisor_hostname",
    "hypervisor_type",
    "hypervisor_version",
    "architecture",
    "cpu_info",
    "host_ip",
    "vcpus",
    "vcpus_reserved",
    "vcpus_ratio",
    "memory_mib",
    "memory_mib_reserved",
    "memory_mib_ratio",
    "disk_gib",
    "disk_gib_reserved",
    "disk_gib_ratio",
)
# Each allocation is a server here (or one on its way).
_RUNNING_VMS = (
    sa.select(sa.func.count())
    .select_from(api.allocations)
    .where(api.allocations.c.node_uuid == _NODES.c.uuid)
    .scalar_subquery()
    .label("running_vms")
)


def report(
    tx: session.Connection, node: objects.ComputeNode, *, down_time_s: float
) -> objects.ComputeNode:
    """Record a host's inventory. What is used is never touched, and nothing is
    written when nothing changed. A new host joins the cell.

    A node is known by its uuid, and else by its host and hypervisor name: a
    host that lost its uuid (reinstalled) gets the old one back, so that its
    capacity is not counted twice and its servers keep their allocations. A host
    that was renamed takes its node along, unless the old name is still alive: then
    it is a copy of that host.

    :param down_time_s: seconds of silence after which a host counts as down.
    :raises Conflict: another host that is up has that uuid.
    :returns: the node as the database has it now. Its ``uuid`` may not be the
        one that was reported; use the returned one from then on.
    """
    known = _find(tx, node)
    inventory = {name: getattr(node, name) for name in _INVENTORY}
    if known is None:
        created = inventory | {
            "uuid": node.uuid,
            "vcpus_used": 0,
            "memory_mib_used": 0,
            "disk_gib_used": 0,
            "updated_at": timeutils.utcnow(),
        }
        # If another report of this host won the race, it said the same.
        upsert.insert_if_absent(tx, _NODES, created)
        cells.map_host(tx, node.host, cells.ensure_default(tx).id)
        known = _find(tx, node)
    if known is None:  # Deleted by an administrator in between.
        raise exceptions.HostNotFound(host=node.host)
    if known.host != node.host:
        _check_is_renamed(tx, node, known.host, down_time_s)
    changes = {name: value for name, value in inventory.items() if value != getattr(known, name)}
    if changes:
        changes["updated_at"] = timeutils.utcnow()
        tx.execute(sa.update(_NODES).where(_NODES.c.uuid == known.uuid).values(changes))
        for name, value in changes.items():
            setattr(known, name, value)
    return known


def list_all(tx: session.Connection, host: str | None = None) -> list[objects.ComputeNode]:
    """Nodes in the order of their ids, optionally of one host."""
    query = sa.select(_NODES, _RUNNING_VMS).order_by(_NODES.c.id)
    if host is not None:
        query = query.where(_NODES.c.host == host)
    return [_to_object(row) for row in tx.execute(query)]


def get(tx: session.Connection, node_uuid: str) -> objects.ComputeNode:
    """One node.

    :raises HostNotFound: there is none.
    """
    row = tx.execute(sa.select(_NODES, _RUNNING_VMS).where(_NODES.c.uuid == node_uuid)).first()
    if row is None:
        raise exceptions.HostNotFound(host=node_uuid)
    return _to_object(row)


def _check_is_renamed(
    tx: session.Connection, node: objects.ComputeNode, old_name: str, down_time_s: float
) -> None:
    service = services.get_by_host(tx, old_name, services.COMPUTE_BINARY)
    if service and services.seen_recently(service.last_seen_up, timeutils.utcnow(), down_time_s):
        raise exceptions.Conflict(
            reason=f"Host {node.host} has the identity of host {old_name}, which is up. If it is "
            f"a copy of that host, delete the file compute_id in its state_path. If {old_name} is "
            f"its old name, it can start when that has been silent for {down_time_s:.0f} s."
        )


def _find(tx: session.Connection, node: objects.ComputeNode) -> objects.ComputeNode | None:
    same_name = sa.and_(
        _NODES.c.host == node.host,
        _NODES.c.hypervisor_hostname == node.hypervisor_hostname,
    )
    rows = tx.execute(
        sa.select(_NODES, _RUNNING_VMS).where(sa.or_(_NODES.c.uuid == node.uuid, same_name))
    ).all()
    return min(
        (_to_object(row) for row in rows),
        key=lambda found: found.uuid != node.uuid,
        default=None,
    )


def _to_object(row: sa.Row[typing.Any]) -> objects.ComputeNode:
    return objects.ComputeNode(**row._mapping)
