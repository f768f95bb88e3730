"""A host as it was when the scheduler looked."""

import collections.abc
import dataclasses
import datetime
import math
import typing

import sqlalchemy as sa

from nova_lite.db import session
from nova_lite.db.models import api
from nova_lite.db.queries import allocations
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
    for row in connection.execute(_QUERY, {"consumers": list(consumer_uuids)}):
        hosts.setdefault(row.uuid, _to_state(row))
        if row.consumer_uuid is not None:
            resources = Resources(row.held_vcpus, row.held_memory_mib, row.held_disk_gib)
            held.append(Allocation(row.consumer_uuid, row.uuid, resources))
    return Snapshot(hosts, tuple(held))


def _query() -> sa.Select[typing.Any]:
    nodes, service, held = api.compute_nodes, api.services, api.allocations
    their_service = sa.and_(
        service.c.host == nodes.c.host, service.c.binary == services.COMPUTE_BINARY
    )
    held_here = sa.and_(
        held.c.node_uuid == nodes.c.uuid,
        held.c.consumer_uuid.in_(sa.bindparam("consumers", expanding=True)),
    )
    return sa.select(
        nodes.c.uuid,
        nodes.c.host,
        nodes.c.hypervisor_hostname,
        nodes.c.hypervisor_type,
        nodes.c.architecture,
        *(
            (allocations.capacity(resource) - allocations.used(resource)).label(f"free_{resource}")
            for resource in RESOURCES
        ),
        service.c.disabled,
        service.c.disabled_reason,
        service.c.forced_down,
        service.c.last_seen_up,
        service.c.availability_zone,
        held.c.consumer_uuid,
        *(held.c[resource].label(f"held_{resource}") for resource in RESOURCES),
    ).select_from(nodes.outerjoin(service, their_service).outerjoin(held, held_here))


# Built once: it takes longer to put together than to run.
_QUERY = _query()


def _to_state(row: sa.Row[typing.Any]) -> HostState:
    return HostState(
        host=row.host,
        node=row.hypervisor_hostname,
        node_uuid=row.uuid,
        hypervisor_type=row.hypervisor_type,
        architecture=row.architecture,
        free=Resources(
            vcpus=math.floor(row.free_vcpus),
            memory_mib=math.floor(row.free_memory_mib),
            disk_gib=math.floor(row.free_disk_gib),
        ),
        has_service=row.disabled is not None,
        disabled=bool(row.disabled),
        disabled_reason=row.disabled_reason,
        forced_down=bool(row.forced_down),
        last_seen_up=row.last_seen_up,
        availability_zone=row.availability_zone,
    )
