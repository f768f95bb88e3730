"""Block device mappings in the cell database."""

import collections.abc
import typing

import sqlalchemy as sa

from nova_lite import objects
from nova_lite.db import session
from nova_lite.db.models import cell

_table = cell.block_device_mapping
_COLUMNS = [column.name for column in _table.columns if column.name != "id"]
_NOT_SAVED = frozenset({"uuid", "instance_uuid", "delete_on_termination"})


def list_for_instances(
    connection: session.Connection, instance_uuids: collections.abc.Sequence[str]
) -> dict[str, list[objects.BlockDeviceMapping]]:
    """The block devices of each server, in the order they were added."""
    found: dict[str, list[objects.BlockDeviceMapping]] = {uuid: [] for uuid in instance_uuids}
    rows = connection.execute(
        _table.select().where(_table.c.instance_uuid.in_(instance_uuids)).order_by(_table.c.id)
    )
    for row in rows:
        found[row.instance_uuid].append(_from_row(row))
    return found


def list_for_instance(
    connection: session.Connection, instance_uuid: str
) -> list[objects.BlockDeviceMapping]:
    """The block devices of one server, in the order they were added."""
    return list_for_instances(connection, [instance_uuid])[instance_uuid]


def get_by_volume(
    connection: session.Connection, instance_uuid: str, volume_id: str
) -> objects.BlockDeviceMapping | None:
    """The mapping of a volume on a server, or None."""
    row = connection.execute(
        _table.select().where(
            _table.c.instance_uuid == instance_uuid, _table.c.volume_id == volume_id
        )
    ).first()
    return _from_row(row) if row else None


def list_of_volume(
    connection: session.Connection, volume_id: str
) -> list[objects.BlockDeviceMapping]:
    """The mappings of a volume, on whatever servers that live."""
    servers = cell.instances
    rows = connection.execute(
        _table.select()
        .join(servers, servers.c.uuid == _table.c.instance_uuid)
        .where(_table.c.volume_id == volume_id, servers.c.deleted.is_(False))
    )
    return [_from_row(row) for row in rows]


def add(
    connection: session.Connection,
    devices: collections.abc.Iterable[objects.BlockDeviceMapping],
) -> None:
    """Write new mappings; each says its ``instance_uuid``.

    :raises nova_lite.db.session.DuplicateKey: the volume is attached to that
        server already, or the device name is taken.
    """
    rows = [_values(device) for device in devices]
    if rows:
        connection.execute(_table.insert(), rows)


def save(
    connection: session.Connection,
    devices: collections.abc.Iterable[objects.BlockDeviceMapping],
) -> None:
    """Write the present values of mappings that exist (one statement), but
    for what users may change meanwhile (:func:`set_delete_on_termination`)."""
    rows = [{f"p_{name}": value for name, value in _values(device).items()} for device in devices]
    if not rows:
        return
    changing = [name for name in _COLUMNS if name not in _NOT_SAVED]
    connection.execute(
        _table.update()
        .where(_table.c.uuid == sa.bindparam("p_uuid"))
        .values({name: sa.bindparam(f"p_{name}") for name in changing}),
        rows,
    )


def set_delete_on_termination(connection: session.Connection, uuid: str, value: bool) -> None:
    """Say whether a volume is deleted with its server. Nothing else is written: a
    host may be working on the device."""
    connection.execute(
        _table.update().where(_table.c.uuid == uuid).values(delete_on_termination=value)
    )


def remove(connection: session.Connection, uuid: str) -> None:
    """Forget one mapping; gone is success."""
    connection.execute(_table.delete().where(_table.c.uuid == uuid))


def remove_all(
    connection: session.Connection, instance_uuid: str, *, keep_connected: bool = False
) -> None:
    """Forget all mappings of a server.

    :param keep_connected: not those that a host may still be connected to.
    """
    query = _table.delete().where(_table.c.instance_uuid == instance_uuid)
    if keep_connected:
        query = query.where(_table.c.connection_info.is_(None))
    connection.execute(query)


def _values(device: objects.BlockDeviceMapping) -> dict[str, typing.Any]:
    return {name: getattr(device, name) for name in _COLUMNS}


def _from_row(row: sa.Row[typing.Any]) -> objects.BlockDeviceMapping:
    return objects.BlockDeviceMapping(**row._mapping)
