"""Quotas: what a project may use, and what it uses.

Usage is the sum over ``instance_mappings``, so it cannot drift from the truth.
That parallel requests do not pass the limit together is the business of
:func:`lock`: creates of one project take turns for the length of one transaction.
"""

import dataclasses
import typing

import sqlalchemy as sa
from oslo_config import cfg

from nova_lite import exceptions
from nova_lite.db import session
from nova_lite.db.models import api

TABLE = api.quotas
_MAPPINGS = api.instance_mappings

# A row of the table that limits nothing; creates of a project lock it.
_LOCK = "lock"


@dataclasses.dataclass(frozen=True)
class Amount:
    """So many servers, cores and MiB of memory: used, asked or allowed."""

    instances: int
    cores: int
    ram: int


RESOURCES = tuple(field.name for field in dataclasses.fields(Amount))


def defaults(conf: cfg.ConfigOpts) -> dict[str, int]:
    """The limits of a project for which nothing is set (-1: none)."""
    return {
        "instances": conf.quota.instances,
        "cores": conf.quota.cores,
        "ram": conf.quota.ram_mib,
        "metadata_items": conf.quota.metadata_items,
        "key_pairs": conf.quota.key_pairs,
    }


def lock(tx: session.Connection, project_id: str) -> None:
    """Let no other create of the project pass until the transaction ends."""
    asker = {"asker": project_id}
    if tx.execute(_TAKE_LOCK, asker).rowcount:
        return
    try:
        with tx.begin_nested():
            tx.execute(
                sa.insert(TABLE).values(project_id=project_id, resource=_LOCK, hard_limit=-1)
            )
    except session.DuplicateKey:
        # The project's first two creates at once: now there is a row to lock.
        tx.execute(_TAKE_LOCK, asker)


def _limit(resource: str) -> sa.ScalarSelect[typing.Any]:
    return (
        sa.select(TABLE.c.hard_limit)
        .where(TABLE.c.project_id == sa.bindparam("asker"), TABLE.c.resource == resource)
        .scalar_subquery()
    )


# Built once: putting them together took longer than the database does for them.
# Writing what is there already takes the row's lock on every database.
_TAKE_LOCK = (
    sa.update(TABLE)
    .where(TABLE.c.project_id == sa.bindparam("asker"), TABLE.c.resource == _LOCK)
    .values(hard_limit=-1)
)
_LIMITED = ("instances", "cores", "ram", "metadata_items", "key_pairs")
_READ = sa.select(
    sa.func.count(_MAPPINGS.c.instance_uuid),
    sa.func.coalesce(sa.func.sum(_MAPPINGS.c.vcpus), 0),
    sa.func.coalesce(sa.func.sum(_MAPPINGS.c.memory_mib), 0),
    *(_limit(resource) for resource in _LIMITED),
).where(_MAPPINGS.c.project_id == sa.bindparam("asker"))


def read(
    tx: session.Connection, conf: cfg.ConfigOpts, project_id: str
) -> tuple[Amount, dict[str, int]]:
    """What a project uses and its limits, in one statement."""
    configured = defaults(conf)
    instances, cores, ram, *limits = tx.execute(_READ, {"asker": project_id}).one()
    own = dict(zip(_LIMITED, limits, strict=True))
    return (
        Amount(instances, int(cores), int(ram)),
        {name: configured[name] if own[name] is None else own[name] for name in configured},
    )


def room_for(
    tx: session.Connection,
    conf: cfg.ConfigOpts,
    project_id: str,
    *,
    each: Amount,
    least: int,
    most: int,
) -> int:
    """How many servers of a size still fit: ``most``, or fewer but ``least``.

    :raises exceptions.QuotaExceeded: names the resource, what is used and the limit.
    """
    used, limits = read(tx, conf, project_id)
    room = most
    for resource in RESOURCES:
        limit, size = limits[resource], getattr(each, resource)
        if limit < 0 or size == 0:
            continue
        fitting = (limit - getattr(used, resource)) // size
        if fitting < least:
            raise exceptions.QuotaExceeded(
                resource=resource,
                requested=least * size,
                used=getattr(used, resource),
                limit=limit,
            )
        room = min(room, fitting)
    return room


def set_limits(tx: session.Connection, project_id: str, limits: dict[str, int]) -> None:
    """Set some limits of a project."""
    for resource, hard_limit in limits.items():
        row = (TABLE.c.project_id == project_id) & (TABLE.c.resource == resource)
        if not tx.execute(sa.update(TABLE).where(row).values(hard_limit=hard_limit)).rowcount:
            tx.execute(
                sa.insert(TABLE).values(
                    project_id=project_id, resource=resource, hard_limit=hard_limit
                )
            )


def reset(tx: session.Connection, project_id: str) -> None:
    """Give a project the defaults again."""
    tx.execute(sa.delete(TABLE).where(TABLE.c.project_id == project_id, TABLE.c.resource != _LOCK))
