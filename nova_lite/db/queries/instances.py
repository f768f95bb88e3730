"""Servers in the cell database."""

import collections.abc
import typing

import sqlalchemy as sa
from oslo_utils import timeutils

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.db import session
from nova_lite.db.models import cell

_table = cell.instances
_COLUMNS = [column.name for column in _table.columns if column.name != "deleted"]


def get(connection: session.Connection, instance_uuid: str) -> objects.Instance:
    """One server that is not deleted, without its fault.

    :raises nova_lite.exceptions.InstanceNotFound: no such server.
    """
    row = connection.execute(
        _table.select().where(_table.c.uuid == instance_uuid, _table.c.deleted.is_(False))
    ).first()
    if row is None:
        raise exceptions.InstanceNotFound(instance_uuid=instance_uuid)
    return from_row(row)


def get_many(
    connection: session.Connection, instance_uuids: collections.abc.Collection[str]
) -> dict[str, objects.Instance]:
    """Those of the servers that are not deleted, by UUID."""
    rows = connection.execute(
        _table.select().where(_table.c.uuid.in_(instance_uuids), _table.c.deleted.is_(False))
    )
    return {row.uuid: from_row(row) for row in rows}


def list_on_host(connection: session.Connection, host: str) -> list[objects.Instance]:
    """Every server that lives, or is being built, on a host."""
    rows = connection.execute(
        _table.select().where(_table.c.host == host, _table.c.deleted.is_(False))
    )
    return [from_row(row) for row in rows]


def is_on(connection: session.Connection, host: str) -> bool:
    """Whether any server lives, or is being built, on a host."""
    query = sa.select(_table.c.id).where(_table.c.host == host, _table.c.deleted.is_(False))
    return connection.execute(query.limit(1)).first() is not None


def exists(connection: session.Connection, instance_uuid: str) -> bool:
    """Whether the server was ever written into this cell, deleted or not."""
    query = sa.select(_table.c.id).where(_table.c.uuid == instance_uuid)
    return connection.execute(query).first() is not None


def which_are_deleted(
    connection: session.Connection, instance_uuids: collections.abc.Collection[str]
) -> set[str]:
    """Those of the servers that are known to be deleted."""
    if not instance_uuids:
        return set()
    rows = connection.execute(
        sa.select(_table.c.uuid).where(
            _table.c.uuid.in_(instance_uuids), _table.c.deleted.is_(True)
        )
    )
    return {row.uuid for row in rows}


def insert(
    connection: session.Connection,
    instances: collections.abc.Sequence[objects.Instance],
) -> None:
    """Write new servers, each owned by its ``operation_id`` (None: at rest)."""
    names = [name for name in _COLUMNS if name != "id"]
    connection.execute(
        _table.insert(),
        [
            {
                **{name: getattr(instance, name) for name in names},
                "flavor": flavor_to_json(instance.flavor),
                "created_at": instance.created_at or timeutils.utcnow(),
                "deleted": False,
            }
            for instance in instances
        ],
    )


def update(
    connection: session.Connection,
    instance_uuid: str,
    *,
    owned_by: str | None = None,
    **fields: typing.Any,
) -> bool:
    """Change columns of a server that is not deleted.

    :param owned_by: an operation id: change it only while that operation owns
        the server's task.
    :returns: False if there is no such server, or somebody else owns it.
    """
    query = _table.update().where(_table.c.uuid == instance_uuid, _table.c.deleted.is_(False))
    if owned_by is not None:
        query = query.where(_table.c.operation_id == owned_by)
    fields["updated_at"] = timeutils.utcnow()
    return connection.execute(query.values(**fields)).rowcount == 1


def take(
    connection: session.Connection,
    instance: objects.Instance,
    operation_id: str | None,
    task_state: str | None,
    *,
    always: bool = False,
) -> bool:
    """Compare-and-swap: the task of a server goes to ``operation_id`` if the
    server is still in the states that were seen (``always``: from anybody).

    :returns: False if somebody was quicker.
    """
    query = _table.update().where(_table.c.uuid == instance.uuid, _table.c.deleted.is_(False))
    if not always:
        query = query.where(
            _table.c.vm_state == instance.vm_state,
            _table.c.task_state.is_not_distinct_from(instance.task_state),
            _table.c.operation_id.is_not_distinct_from(instance.operation_id),
        )
    values: dict[str, typing.Any] = {"updated_at": timeutils.utcnow()}
    if operation_id is not None:
        values.update(operation_id=operation_id, task_state=task_state)
    return connection.execute(query.values(**values)).rowcount == 1


def mark_deleted(connection: session.Connection, instance_uuid: str) -> None:
    """The server is gone; its row stays for administrators and the journal."""
    now = timeutils.utcnow()
    connection.execute(
        _table.update()
        .where(_table.c.uuid == instance_uuid)
        .values(
            deleted=True,
            vm_state="deleted",
            task_state=None,
            operation_id=None,
            power_state=0,
            terminated_at=now,
            updated_at=now,
        )
    )


def add_fault(
    connection: session.Connection,
    instance_uuid: str,
    message: str,
    details: str | None = None,
    code: int = 500,
) -> None:
    """Record why a server went to ERROR: ``message`` is for its user,
    ``details`` for administrators."""
    connection.execute(
        cell.instance_faults.insert().values(
            instance_uuid=instance_uuid,
            code=code,
            message=message,
            details=details,
            created_at=timeutils.utcnow(),
        )
    )


def from_row(row: typing.Any) -> objects.Instance:
    """A row of all columns as an object."""
    values = dict(row._mapping)
    values.pop("deleted")
    values["flavor"] = objects.Flavor(**values["flavor"])
    return objects.Instance(**values)


def flavor_to_json(flavor: objects.Flavor) -> dict[str, typing.Any]:
    """A flavor as plain fields, for the column of that name."""
    return {name: getattr(flavor, name) for name in flavor.fields}
