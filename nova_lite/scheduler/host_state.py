"""A host as it was when the scheduler looked."""

import collections.abc
import dataclasses
import datetime
import math
import typing

import sqlalchemy as sa

from nova_lite.db import session
from nova_lite.db.models import api
from nova_lite.db.queries import services
from nova_lite.db.queries.allocations import Allocation
from nova_lite.db.queries.allocations import RESOURCES
from nova_lite.db.queries.allocations import Resources


@dataclasses.dataclass(frozen=True, slots=True)
class HostState:
    """One compute node with its service.

    :ivar node: the hypervisor's own name.
    :ivar free: what is left to sell; negative where it is over its capacity.
    :ivar has_service: whether a compute service ever reported from the host.
        Without one the other values of the service are empty.
    :ivar last_seen_up: naive UTC.
    """

    host: str
    node: str
    node_uuid: str
    hypervisor_type: str
    architecture: str | None
    free: Resources
    has_service: bool
    disabled: bool
    disabled_reason: str | None
    forced_down: bool
    last_seen_up: datetime.datetime | None
    availability_zone: str | None

    def after(self, taken: Resources) -> "HostState":
        """The host once ``taken`` is allocated of it."""
        return dataclasses.replace(self, free=self.free - taken)

    def before(self, taken: Resources) -> "HostState":
        """The host as if ``taken`` were not allocated of it."""
        return dataclasses.replace(self, free=self.free + taken)


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """All hosts, and what the consumers of the request hold already."""

    hosts: dict[str, HostState]  # by the node's uuid
    held: tuple[Allocation, ...]


_NODES = api.compute_nodes
_SERVICES = api.services
_ALLOCATIONS = api.allocations


def read(
    connection: session.Connection, consumer_uuids: collections.abc.Collection[str]
) -> Snapshot:
    """Read all hosts in one statement.

    The same statement finds what the consumers hold from an earlier try, so
    that only a request that is driven again pays for giving it back. A node
    gives one row, and one more for each further allocation found on it.
    """
    hosts: dict[str, HostState] = {}
    held = []
    for row in connection.execute(_query(consumer_uuids)):
        hosts.setdefault(row.uuid, _to_state(row))
        if row.consumer_uuid is not None:
            resources = Resources(row.held_vcpus, row.held_memory_mib, row.held_disk_gib)
            held.append(Allocation(row.consumer_uuid, row.uuid, resources))
    return Snapshot(hosts, tuple(held))


def _query(
    consumer_uuids: collections.abc.Collection[str],
) -> sa.Select[tuple[typing.Any, ...]]:
    service = sa.and_(
        _SERVICES.c.host == _NODES.c.host,
        _SERVICES.c.binary == services.COMPUTE_BINARY,
    )
    theirs = sa.and_(
        _ALLOCATIONS.c.node_uuid == _NODES.c.uuid,
        _ALLOCATIONS.c.consumer_uuid.in_(consumer_uuids),
    )
    return sa.select(
        _NODES.c.uuid,
        _NODES.c.host,
        _NODES.c.hypervisor_hostname,
        _NODES.c.hypervisor_type,
        _NODES.c.architecture,
        *(
            _NODES.c[f"{resource}{part}"]
            for resource in RESOURCES
            for part in ("", "_reserved", "_ratio", "_used")
        ),
        _SERVICES.c.id.label("service_id"),
        _SERVICES.c.disabled,
        _SERVICES.c.disabled_reason,
        _SERVICES.c.forced_down,
        _SERVICES.c.last_seen_up,
        _SERVICES.c.availability_zone,
        _ALLOCATIONS.c.consumer_uuid,
        *(_ALLOCATIONS.c[resource].label(f"held_{resource}") for resource in RESOURCES),
    ).select_from(_NODES.outerjoin(_SERVICES, service).outerjoin(_ALLOCATIONS, theirs))


def _to_state(row: sa.Row[typing.Any]) -> HostState:
    return HostState(
        host=row.host,
        node=row.hypervisor_hostname,
        node_uuid=row.uuid,
        hypervisor_type=row.hypervisor_type,
        architecture=row.architecture,
        free=Resources(
            vcpus=_free(row.vcpus, row.vcpus_reserved, row.vcpus_ratio, row.vcpus_used),
            memory_mib=_free(
                row.memory_mib,
                row.memory_mib_reserved,
                row.memory_mib_ratio,
                row.memory_mib_used,
            ),
            disk_gib=_free(
                row.disk_gib, row.disk_gib_reserved, row.disk_gib_ratio, row.disk_gib_used
            ),
        ),
        has_service=row.service_id is not None,
        disabled=bool(row.disabled),
        disabled_reason=row.disabled_reason,
        forced_down=bool(row.forced_down),
        last_seen_up=row.last_seen_up,
        availability_zone=row.availability_zone,
    )


def _free(total: int, reserved: int, ratio: float, used: int) -> int:
    return math.floor((total - reserved) * ratio) - used
