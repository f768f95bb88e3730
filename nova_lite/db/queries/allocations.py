"""The allocation ledger: who holds how much of which node.

A row of ``allocations`` and the node's ``*_used`` change in one transaction,
always in that order, so that two claims cannot wait for each other.
"""

import collections.abc
import dataclasses
import typing

import sqlalchemy as sa
from oslo_utils import timeutils

from nova_lite import exceptions
from nova_lite.db import session
from nova_lite.db.models import api
from nova_lite.db.queries import upsert

_NODES = api.compute_nodes
_ALLOCATIONS = api.allocations


@dataclasses.dataclass(frozen=True, slots=True)
class Resources:
    """An amount of each resource that a host can run out of."""

    vcpus: int = 0
    memory_mib: int = 0
    disk_gib: int = 0

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(
            self.vcpus + other.vcpus,
            self.memory_mib + other.memory_mib,
            self.disk_gib + other.disk_gib,
        )

    def __sub__(self, other: "Resources") -> "Resources":
        return Resources(
            self.vcpus - other.vcpus,
            self.memory_mib - other.memory_mib,
            self.disk_gib - other.disk_gib,
        )


RESOURCES = tuple(field.name for field in dataclasses.fields(Resources))


def used(resource: str) -> sa.ColumnElement[int]:
    """How much of a resource of a node is allocated, as SQL."""
    return _NODES.c[f"{resource}_used"]


def capacity(resource: str) -> sa.ColumnElement[float]:
    """How much of a resource a node may sell, as SQL."""
    total, reserved = _NODES.c[resource], _NODES.c[f"{resource}_reserved"]
    sellable: sa.ColumnElement[float] = (total - reserved) * _NODES.c[f"{resource}_ratio"]
    return sellable


def _amount(resource: str) -> sa.BindParameter[int]:
    return sa.bindparam(f"amount_{resource}", type_=sa.Integer)


def _bound(resources: Resources) -> dict[str, int]:
    return {f"amount_{resource}": getattr(resources, resource) for resource in RESOURCES}


# Built once: putting an expression together costs more than SQLite takes for it.
_TAKE = (
    sa.update(_NODES)
    .where(
        _NODES.c.uuid == sa.bindparam("node"),
        *(
            # A server that takes none of it is welcome on a host that is over it.
            sa.or_(
                _amount(resource) == 0,
                used(resource) + _amount(resource) <= capacity(resource),
            )
            for resource in RESOURCES
        ),
    )
    .values({f"{resource}_used": used(resource) + _amount(resource) for resource in RESOURCES})
)
_GIVE_BACK = (
    sa.update(_NODES)
    .where(_NODES.c.uuid == sa.bindparam("node"))
    .values({f"{resource}_used": used(resource) - _amount(resource) for resource in RESOURCES})
)


@dataclasses.dataclass(frozen=True, slots=True)
class Allocation:
    """What a consumer (a server's uuid) holds of a node."""

    consumer_uuid: str
    node_uuid: str
    resources: Resources


@dataclasses.dataclass(frozen=True, slots=True)
class Drift:
    """A node whose count is not the sum of its allocations."""

    node_uuid: str
    host: str
    resource: str
    recorded: int
    allocated: int


@dataclasses.dataclass(frozen=True, slots=True)
class Orphan:
    """An allocation that nobody will give back."""

    consumer_uuid: str
    node_uuid: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Audit:
    """What is wrong in the ledger; both are empty when nothing is."""

    drifts: tuple[Drift, ...]
    orphans: tuple[Orphan, ...]


def claim(
    tx: session.Connection, consumer_uuid: str, node_uuid: str, resources: Resources
) -> None:
    """Take ``resources`` of the node, if it has them. Call it in a transaction.

    A consumer that holds an allocation on the node already has what it wants:
    that is success, and is counted once. The row comes first and the node
    second, so that the lock every other claim waits for is held for one
    statement only.

    :raises ClaimFailed: the node has no room, or is gone. The transaction must
        be rolled back, which leaving ``write()`` by the error does.
    """
    row = dataclasses.asdict(resources) | {
        "consumer_uuid": consumer_uuid,
        "node_uuid": node_uuid,
        "created_at": timeutils.utcnow(),
    }
    if not upsert.insert_if_absent(tx, _ALLOCATIONS, row):
        return
    taken = tx.execute(_TAKE, {"node": node_uuid} | _bound(resources))
    if taken.rowcount == 0:
        raise exceptions.ClaimFailed(reason="the host has no room left for the server")


def release(tx: session.Connection, consumer_uuid: str, node_uuid: str | None = None) -> bool:
    """Give back what the consumer holds, everywhere or of one node. Call it in
    a transaction. Doing it twice gives back once.

    :returns: whether there was anything to give back.
    """
    held = _ALLOCATIONS.c.consumer_uuid == consumer_uuid
    if node_uuid is not None:
        held &= _ALLOCATIONS.c.node_uuid == node_uuid
    # Only who deleted a row gives back what it said. In an order of their own,
    # so that two releases do not wait for each other.
    rows = sorted(_delete(tx, held), key=lambda row: row.node_uuid)
    for row in rows:
        tx.execute(_GIVE_BACK, {"node": row.node_uuid} | _bound(row.resources))
    return bool(rows)


def move(tx: session.Connection, from_uuid: str, to_uuid: str, node_uuid: str) -> bool:
    """Hand an allocation over to another consumer; the node does not notice.

    A migration takes over what its server holds of the source this way, so
    that the server can claim its destination.

    :returns: whether ``from_uuid`` held one.
    """
    moved = tx.execute(
        sa.update(_ALLOCATIONS)
        .where(
            _ALLOCATIONS.c.consumer_uuid == from_uuid,
            _ALLOCATIONS.c.node_uuid == node_uuid,
        )
        .values(consumer_uuid=to_uuid)
    )
    return moved.rowcount > 0


def get_for_consumer(tx: session.Connection, consumer_uuid: str) -> list[Allocation]:
    """What the consumer holds, by node."""
    rows = tx.execute(
        sa.select(_ALLOCATIONS)
        .where(_ALLOCATIONS.c.consumer_uuid == consumer_uuid)
        .order_by(_ALLOCATIONS.c.id)
    )
    return [of_row(row) for row in rows]


def audit(tx: session.Connection) -> Audit:
    """Where the ledger contradicts itself, or outlives its servers."""
    return Audit(tuple(_drifts(tx)), tuple(_orphans(tx)))


def repair(tx: session.Connection) -> Audit:
    """Give back what orphans hold and make every count the sum of its
    allocations. Call it in a transaction.

    :returns: what was wrong.
    """
    _wait_for_claims(tx)
    found = audit(tx)
    for orphan in found.orphans:
        release(tx, orphan.consumer_uuid, orphan.node_uuid)
    _write_sums(tx)
    return found


def recount(tx: session.Connection) -> None:
    """Make every count the sum of its allocations. Call it in a transaction."""
    _wait_for_claims(tx)
    _write_sums(tx)


def _wait_for_claims(tx: session.Connection) -> None:
    """Claims that are under way have their row in already or wait for the node:
    either way they are counted once."""
    tx.execute(sa.select(_NODES.c.id).order_by(_NODES.c.id).with_for_update()).all()


def _write_sums(tx: session.Connection) -> None:
    for drift in _drifts(tx):
        tx.execute(
            sa.update(_NODES)
            .where(_NODES.c.uuid == drift.node_uuid)
            .values({f"{drift.resource}_used": drift.allocated})
        )


def _drifts(tx: session.Connection) -> collections.abc.Iterator[Drift]:
    sums = (
        sa.select(
            _ALLOCATIONS.c.node_uuid,
            *(sa.func.sum(_ALLOCATIONS.c[resource]).label(resource) for resource in RESOURCES),
        )
        .group_by(_ALLOCATIONS.c.node_uuid)
        .subquery()
    )
    query = (
        sa.select(
            _NODES.c.uuid,
            _NODES.c.host,
            *(used(resource) for resource in RESOURCES),
            *(sums.c[resource].label(f"{resource}_sum") for resource in RESOURCES),
        )
        .select_from(_NODES.outerjoin(sums, sums.c.node_uuid == _NODES.c.uuid))
        .order_by(_NODES.c.id)
    )
    for row in tx.execute(query).mappings():
        for resource in RESOURCES:
            recorded, allocated = row[f"{resource}_used"], int(row[f"{resource}_sum"] or 0)
            if recorded != allocated:
                yield Drift(row["uuid"], row["host"], resource, recorded, allocated)


def _orphans(tx: session.Connection) -> collections.abc.Iterator[Orphan]:
    mappings = api.instance_mappings
    query = (
        sa.select(_ALLOCATIONS, mappings.c.instance_uuid, _NODES.c.uuid.label("known_node"))
        .select_from(
            _ALLOCATIONS.outerjoin(
                mappings, mappings.c.instance_uuid == _ALLOCATIONS.c.consumer_uuid
            ).outerjoin(_NODES, _NODES.c.uuid == _ALLOCATIONS.c.node_uuid)
        )
        .where(mappings.c.instance_uuid.is_(None) | _NODES.c.uuid.is_(None))
        .order_by(_ALLOCATIONS.c.id)
    )
    for row in tx.execute(query):
        reason = "no such server" if row.instance_uuid is None else "no such node"
        yield Orphan(row.consumer_uuid, row.node_uuid, reason)


def _delete(tx: session.Connection, condition: sa.ColumnElement[bool]) -> list[Allocation]:
    delete = sa.delete(_ALLOCATIONS).where(condition)
    if tx.dialect.delete_returning:
        rows = tx.execute(delete.returning(_ALLOCATIONS)).all()
    else:
        # MySQL proper.
        rows = tx.execute(sa.select(_ALLOCATIONS).where(condition).with_for_update()).all()
        tx.execute(delete)
    return [of_row(row) for row in rows]


def of_row(row: sa.Row[typing.Any]) -> Allocation:
    """A row of all columns."""
    return Allocation(
        row.consumer_uuid,
        row.node_uuid,
        Resources(row.vcpus, row.memory_mib, row.disk_gib),
    )
