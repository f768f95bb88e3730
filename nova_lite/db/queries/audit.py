"""Everything that the databases say of servers, at one moment: for audits."""

import collections.abc
import dataclasses
import datetime
import re
import typing

import sqlalchemy as sa

from nova_lite import objects
from nova_lite import states
from nova_lite.db import session
from nova_lite.db.models import api
from nova_lite.db.models import cell
from nova_lite.db.queries import allocations
from nova_lite.db.queries import block_devices
from nova_lite.db.queries import instances
from nova_lite.db.queries import operations
from nova_lite.objects import wire

_servers = cell.instances
_actions = cell.instance_actions
_LEFT_VOLUME = re.compile(r"volume ([0-9a-f-]{36}), which was to be deleted")
_BATCH = 500


@dataclasses.dataclass(frozen=True)
class Cell:
    """What the cell database says."""

    servers: dict[str, objects.Instance]
    """Those that are not deleted."""
    devices: tuple[objects.BlockDeviceMapping, ...]
    """Of these servers."""
    running: tuple[objects.Operation, ...]
    last_action: int
    """Number of the newest entry of the journal."""
    left_volumes: dict[str, str]
    """Volumes that a delete could not delete, and its server."""

    def fingerprints(self) -> dict[str, tuple[object, ...]]:
        """For each server, what no operation leaves as it was."""
        devices: dict[str, list[object]] = {}
        for device in self.devices:
            facts = (device.uuid, device.volume_id, device.attachment_id, device.phase)
            devices.setdefault(device.instance_uuid, []).append(facts)
        return {
            uuid: (server.updated_at, server.operation_id, server.host, *devices.get(uuid, ()))
            for uuid, server in self.servers.items()
        }


@dataclasses.dataclass(frozen=True)
class Api:
    """What the API database says."""

    asked_for: frozenset[str]
    """Servers that are not in a cell yet."""
    mapped: dict[str, str]
    """Servers that count in quotas, and their projects."""
    held: tuple[allocations.Allocation, ...]
    wanted: dict[str, allocations.Resources]
    """What each server was given by its request."""
    counts: tuple[allocations.Drift, ...]
    """Nodes whose count is not the sum of their allocations."""
    nodes: dict[str, str]
    """Node's uuid -> host."""


def read_cell(tx: session.Connection, instance_uuid: str | None = None) -> Cell:
    """All servers, or one. These are several moments: :meth:`Cell.fingerprints` and
    :func:`servers_since` tell which servers changed between them."""
    last_action = tx.execute(sa.select(sa.func.max(_actions.c.id))).scalar() or 0
    query = _servers.select().where(_servers.c.deleted.is_(False))
    if instance_uuid is not None:
        query = query.where(_servers.c.uuid == instance_uuid)
    servers = {row.uuid: instances.from_row(row) for row in tx.execute(query)}
    devices = []
    for some in _batches(sorted(servers)):
        for found in block_devices.list_for_instances(tx, some).values():
            devices += found
    return Cell(
        servers=servers,
        devices=tuple(devices),
        running=tuple(operation for operation, _ in operations.running(tx)),
        last_action=last_action,
        left_volumes=_left_volumes(tx),
    )


def read_api(tx: session.Connection, instance_uuid: str | None = None) -> Api:
    """All of it, or what is about one server."""

    def about(column: sa.Column[typing.Any]) -> list[sa.ColumnElement[bool]]:
        return [] if instance_uuid is None else [column == instance_uuid]

    requests, mappings, specs = api.build_requests, api.instance_mappings, api.request_specs
    held = api.allocations
    return Api(
        asked_for=frozenset(tx.scalars(sa.select(requests.c.instance_uuid))),
        mapped={
            row.instance_uuid: row.project_id
            for row in tx.execute(mappings.select().where(*about(mappings.c.instance_uuid)))
        },
        held=tuple(
            allocations.of_row(row)
            for row in tx.execute(held.select().where(*about(held.c.consumer_uuid)))
        ),
        wanted={
            row.instance_uuid: _resources(row.spec)
            for row in tx.execute(specs.select().where(*about(specs.c.instance_uuid)))
        },
        counts=allocations.audit(tx).drifts if instance_uuid is None else (),
        nodes={row.uuid: row.host for row in tx.execute(sa.select(api.compute_nodes))},
    )


def busy_servers(tx: session.Connection) -> set[str]:
    """Servers that an operation is under way with."""
    running = str(states.OperationStatus.RUNNING)
    return set(tx.scalars(sa.select(_actions.c.instance_uuid).where(_actions.c.status == running)))


def servers_asked_for(tx: session.Connection) -> set[str]:
    """Servers that are not in a cell yet."""
    return set(tx.scalars(sa.select(api.build_requests.c.instance_uuid)))


def servers_of(tx: session.Connection, operation_ids: collections.abc.Iterable[str]) -> set[str]:
    """The servers of these operations."""
    found: set[str] = set()
    for some in _batches(sorted(operation_ids)):
        query = sa.select(_actions.c.instance_uuid).where(_actions.c.operation_id.in_(some))
        found.update(tx.scalars(query))
    return found


def servers_since(tx: session.Connection, last_action: int) -> set[str]:
    """Servers that something was begun with after an entry of the journal."""
    query = sa.select(_actions.c.instance_uuid).where(_actions.c.id > last_action)
    return set(tx.scalars(query))


def which_are_deleted(
    tx: session.Connection, instance_uuids: collections.abc.Collection[str]
) -> set[str]:
    """Those of the servers that are known to be deleted, of any number."""
    found: set[str] = set()
    for some in _batches(sorted(instance_uuids)):
        found |= instances.which_are_deleted(tx, some)
    return found


def known_devices(
    tx: session.Connection, uuids: collections.abc.Collection[str]
) -> dict[str, str]:
    """Those of the devices that exist, and their servers."""
    table = cell.block_device_mapping
    found: dict[str, str] = {}
    for some in _batches(sorted(uuids)):
        query = sa.select(table.c.uuid, table.c.instance_uuid).where(table.c.uuid.in_(some))
        found.update((row.uuid, row.instance_uuid) for row in tx.execute(query))
    return found


def settle_task(
    tx: session.Connection,
    server: objects.Instance,
    *,
    silent_since: datetime.datetime,
    message: str,
) -> bool:
    """End the task of a server that no operation owns: compare-and-swap on what was
    seen. A server that was never built goes to ERROR with ``message``.

    :param silent_since: nothing may have changed the server since.
    :returns: False if it has an operation, or changed meanwhile.
    """
    owned = sa.exists().where(
        _actions.c.instance_uuid == server.uuid,
        _actions.c.status == str(states.OperationStatus.RUNNING),
    )
    values: dict[str, typing.Any] = {"task_state": None, "operation_id": None}
    if server.vm_state == states.VmState.BUILDING:
        values["vm_state"] = str(states.VmState.ERROR)
    settled = tx.execute(
        _servers.update()
        .where(
            _servers.c.uuid == server.uuid,
            _servers.c.deleted.is_(False),
            _servers.c.vm_state == server.vm_state,
            _servers.c.task_state.is_not_distinct_from(server.task_state),
            _servers.c.operation_id.is_not_distinct_from(server.operation_id),
            sa.func.coalesce(_servers.c.updated_at, _servers.c.created_at) <= silent_since,
            ~owned,
        )
        .values(**values)
    )
    if settled.rowcount == 1 and "vm_state" in values:
        instances.add_fault(tx, server.uuid, message)
    return settled.rowcount == 1


def _left_volumes(tx: session.Connection) -> dict[str, str]:
    query = sa.select(_actions.c.instance_uuid, _actions.c.message).where(
        _actions.c.action == "delete", _actions.c.message.like("Left behind: %")
    )
    return {
        volume_id: row.instance_uuid
        for row in tx.execute(query)
        for volume_id in _LEFT_VOLUME.findall(row.message)
    }


def _resources(spec: str) -> allocations.Resources:
    wanted = wire.from_json(spec)
    return allocations.Resources(wanted.vcpus, wanted.memory_mib, wanted.disk_gib)


def _batches(items: list[str]) -> collections.abc.Iterator[list[str]]:
    for first in range(0, len(items), _BATCH):
        yield items[first : first + _BATCH]
