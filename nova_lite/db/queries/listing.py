"""Reading servers for the API: many at a time, one statement a table.

A :class:`Server` is a plain record, not an :class:`objects.Instance`: making a
thousand versioned objects would cost more than the whole request may.
"""

import collections.abc
import dataclasses
import datetime
import typing

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from nova_lite import objects
from nova_lite.db import session
from nova_lite.db.models import cell

TABLE = cell.instances
_FAULTS = cell.instance_faults
_DEVICES = cell.block_device_mapping


@dataclasses.dataclass(slots=True)
class Fault:
    """Why a server is in ERROR."""

    code: int
    message: str
    details: str | None
    created_at: datetime.datetime


@dataclasses.dataclass(slots=True)
class Volume:
    """A volume of a server, as far as lists of servers tell."""

    volume_id: str
    delete_on_termination: bool


@dataclasses.dataclass(slots=True)
class Server:
    """What the API shows of a server. ``flavor`` has the fields of
    :class:`objects.Flavor`; ``spec`` is read for one server at most."""

    uuid: str
    project_id: str
    user_id: str
    display_name: str
    display_description: str | None
    hostname: str | None
    image_ref: str | None
    flavor: dict[str, typing.Any]
    vm_state: str
    task_state: str | None
    power_state: int
    host: str | None
    node: str | None
    launched_on: str | None
    availability_zone: str | None
    root_device_name: str | None
    config_drive: bool
    key_name: str | None
    user_data: str | None
    access_ip_v4: str | None
    access_ip_v6: str | None
    locked: bool
    metadata: dict[str, str]
    system_metadata: dict[str, typing.Any]
    tags: list[str]
    created_at: datetime.datetime
    updated_at: datetime.datetime | None
    launched_at: datetime.datetime | None
    terminated_at: datetime.datetime | None
    reservation_id: str | None
    launch_index: int
    deleted: bool = False
    fault: Fault | None = None
    volumes: list[Volume] = dataclasses.field(default_factory=list)


_OWN_FIELDS = [
    field.name for field in dataclasses.fields(Server) if field.name not in ("fault", "volumes")
]
_COLUMNS = [TABLE.c[name] for name in _OWN_FIELDS]

# Built once: putting them together takes longer than the database does for them.
_GET = sa.select(*_COLUMNS).where(
    TABLE.c.uuid == sa.bindparam("wanted"), TABLE.c.deleted.is_(False)
)
_VOLUMES = (
    sa.select(_DEVICES.c.instance_uuid, _DEVICES.c.volume_id, _DEVICES.c.delete_on_termination)
    .where(
        _DEVICES.c.instance_uuid.in_(sa.bindparam("wanted", expanding=True)),
        _DEVICES.c.volume_id.is_not(None),
    )
    .order_by(_DEVICES.c.id)
)

SORT_COLUMNS: dict[str, sa.Column[typing.Any]] = {
    name: TABLE.c[name]
    for name in (
        "access_ip_v4", "access_ip_v6", "availability_zone", "config_drive", "created_at",
        "display_description", "display_name", "host", "hostname", "image_ref", "key_name",
        "launch_index", "launched_at", "launched_on", "locked", "node", "power_state",
        "project_id", "root_device_name", "task_state", "terminated_at", "updated_at",
        "user_id", "uuid", "vm_state",
    )
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Order:
    """A list's order: pairs of a sort key and whether it descends, made total
    by ``uuid``."""

    keys: tuple[tuple[str, bool], ...] = (("created_at", True),)

    def columns(self) -> list[tuple[sa.Column[typing.Any], bool]]:
        """The columns and whether each descends."""
        pairs = [(SORT_COLUMNS[name], descends) for name, descends in self.keys]
        return [*pairs, (TABLE.c.uuid, self.keys[-1][1])]

    def after(self, marker: Server, servers: list[Server]) -> list[Server]:
        """Those of ``servers`` that come after ``marker``, in this order."""
        ordered = self.sort([marker, *(s for s in servers if s.uuid != marker.uuid)])
        return ordered[ordered.index(marker) + 1 :]

    def sort(self, servers: list[Server]) -> list[Server]:
        """``servers`` in this order, by stable sorts from the last key on."""
        for column, descends in reversed(self.columns()):
            servers.sort(key=_key_of(column.name), reverse=descends)
        return servers


def _key_of(name: str) -> collections.abc.Callable[[Server], tuple[bool, typing.Any]]:
    def key(server: Server) -> tuple[bool, typing.Any]:
        value = getattr(server, name)
        # None sorts before everything, as it does in SQLite and MariaDB.
        return value is not None, 0 if value is None else value

    return key


def get(tx: session.Connection, instance_uuid: str) -> Server | None:
    """One server that is not deleted, with volumes and fault, or None."""
    row = tx.execute(_GET, {"wanted": instance_uuid}).first()
    if row is None:
        return None
    servers = [Server(*row)]
    add_volumes(tx, servers)
    add_faults(tx, servers)
    return servers[0]


def list_page(
    tx: session.Connection,
    conditions: collections.abc.Sequence[sa.ColumnElement[bool]],
    order: Order,
    *,
    limit: int,
    marker: str | Server | None = None,
) -> list[Server]:
    """Servers in order, without volumes and faults.

    :param marker: after which the page starts: the uuid of a server in the cell,
        or a server that is not there.
    """
    query = sa.select(*_COLUMNS).where(*conditions)
    columns = order.columns()
    if marker is not None:
        query = query.where(_after(tx, columns, marker))
    query = query.order_by(*(_ordering(tx, column, descends) for column, descends in columns))
    return [Server(*row) for row in tx.execute(query.limit(limit))]


def _ordering(
    tx: session.Connection, column: sa.Column[typing.Any], descends: bool
) -> sa.UnaryExpression[typing.Any]:
    """NULL is the smallest, as it is in SQLite and MariaDB; PostgreSQL must be told."""
    sortable = _sortable(tx, column, column)
    ordering = sortable.desc() if descends else sortable.asc()
    if not column.nullable or tx.dialect.name != "postgresql":
        return ordering
    return ordering.nulls_last() if descends else ordering.nulls_first()


def _sortable(
    tx: session.Connection, value: sa.ColumnElement[typing.Any], column: sa.Column[typing.Any]
) -> sa.ColumnElement[typing.Any]:
    """A value of a column, which compares as it does in Python: a text by its code points.

    SQLite does so by itself. Uuids are in that order in any collation, and as they
    are the database finds them by their index.
    """
    if not isinstance(column.type, sa.String) or column is TABLE.c.uuid:
        return value
    if tx.dialect.name == "postgresql":
        return sa.collate(value, "C")
    if tx.dialect.name in ("mysql", "mariadb"):
        # The bytes of UTF-8, whatever the tables are in; they are in that order.
        return sa.cast(sa.cast(value, mysql.CHAR(charset="utf8mb4")), sa.LargeBinary)
    return value


def _value(
    column: sa.Column[typing.Any], marker: str | Server
) -> sa.ScalarSelect[typing.Any] | sa.BindParameter[typing.Any]:
    if isinstance(marker, str):
        return sa.select(column).where(TABLE.c.uuid == marker).scalar_subquery()
    return sa.literal(getattr(marker, column.name), column.type)


def _after(
    tx: session.Connection,
    columns: list[tuple[sa.Column[typing.Any], bool]],
    marker: str | Server,
) -> sa.ColumnElement[bool]:
    """Rows that come after the marker's row: greater in one key, equal in all before."""
    alternatives = []
    same: list[sa.ColumnElement[bool]] = []
    for column, descends in columns:
        here, there = (_sortable(tx, of, column) for of in (column, _value(column, marker)))
        beyond = here < there if descends else here > there
        if column.nullable:
            # NULL comes first when ascending and last when descending.
            null_first = there.is_(None) & here.is_not(None)
            null_last = there.is_not(None) & here.is_(None)
            beyond = beyond | (null_last if descends else null_first)
        alternatives.append(sa.and_(*same, beyond))
        same.append(here.is_not_distinct_from(there))
    return sa.or_(*alternatives)


def find(tx: session.Connection, instance_uuid: str) -> Server | None:
    """A server, deleted or not, without volumes and faults."""
    row = tx.execute(sa.select(*_COLUMNS).where(TABLE.c.uuid == instance_uuid)).first()
    return Server(*row) if row else None


def add_volumes(tx: session.Connection, servers: collections.abc.Sequence[Server]) -> None:
    """Fill in each server's volumes (one statement)."""
    by_uuid = {server.uuid: server for server in servers}
    for uuid, volume_id, delete_on_termination in tx.execute(_VOLUMES, {"wanted": [*by_uuid]}):
        by_uuid[uuid].volumes.append(Volume(volume_id, delete_on_termination))


def add_faults(tx: session.Connection, servers: collections.abc.Sequence[Server]) -> None:
    """Fill in the last fault of servers that show one (one statement, or none)."""
    failed = {s.uuid: s for s in servers if s.vm_state in ("error", "deleted")}
    if not failed:
        return
    query = (
        sa.select(
            _FAULTS.c.instance_uuid,
            _FAULTS.c.code,
            _FAULTS.c.message,
            _FAULTS.c.details,
            _FAULTS.c.created_at,
        )
        .where(_FAULTS.c.instance_uuid.in_(failed))
        .order_by(_FAULTS.c.id)
    )
    for uuid, *fault in tx.execute(query):
        failed[uuid].fault = Fault(*fault)


def of_build_request(request: objects.BuildRequest) -> Server:
    """The server that a build request will become."""
    instance = request.instance
    values = {
        name: getattr(instance, name) for name in _OWN_FIELDS if name not in ("deleted", "flavor")
    }
    flavor = {name: getattr(instance.flavor, name) for name in instance.flavor.fields}
    volumes = [
        Volume(device.volume_id, device.delete_on_termination)
        for device in request.block_devices.objects
        if device.volume_id
    ]
    return Server(flavor=flavor, volumes=volumes, **values)
