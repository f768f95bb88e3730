"""The allocation ledger against servers, nodes and itself."""

import collections

from nova_lite.audit import facts
from nova_lite.audit import finding
from nova_lite.audit.finding import found
from nova_lite.audit.finding import kind
from nova_lite.audit.finding import Severity
from nova_lite.db.queries import allocations


@kind(
    "allocation-of-nobody",
    Severity.WARNING,
    "Room on a host is held for a server that does not exist",
    consequence="The host takes fewer servers than it could.",
    advice="'nova-lite-manage host list' shows how full the hosts are.",
    repair="gives it back",
)
def _of_nobody(all_facts: facts.Facts) -> finding.Yields:
    for held in all_facts.api.held:
        uuid = held.consumer_uuid
        if uuid in all_facts.cell.servers or uuid in all_facts.api.asked_for:
            continue
        if uuid not in all_facts.moving:
            host = all_facts.api.nodes.get(held.node_uuid)
            says = f"{_amount(held.resources)} of {host or held.node_uuid} are held for {uuid}, "
            says += "which is no server"
            yield found("allocation-of-nobody", says, server=uuid, node=held.node_uuid, host=host)


@kind(
    "allocation-missing",
    Severity.ERROR,
    "A server holds nothing of the host it is on",
    consequence="The host takes more servers than it can hold.",
    advice="'nova-lite-manage host list' shows how full the hosts are.",
    repair="claims what the server was given, if the host has the room",
)
def _missing(all_facts: facts.Facts) -> finding.Yields:
    held = {allocation.consumer_uuid for allocation in all_facts.api.held}
    for server in all_facts.resting:
        if server.host and server.uuid not in held:
            says = f"Server {server.uuid} is on {server.host} and holds nothing of it"
            yield found(
                "allocation-missing",
                says,
                is_repairable=server.uuid in all_facts.api.wanted
                and server.host in all_facts.api.nodes.values(),
                server=server.uuid,
                host=server.host,
            )


@kind(
    "allocation-differs",
    Severity.ERROR,
    "A server holds another amount than it was given, or of another host",
    consequence="One host takes too many servers, or another too few.",
    advice="'nova-lite-manage host list' shows how full the hosts are.",
    repair="gives back what is wrong and claims what the server was given on its host",
)
def _differs(all_facts: facts.Facts) -> finding.Yields:
    by_server: dict[str, list[allocations.Allocation]] = collections.defaultdict(list)
    for held in all_facts.api.held:
        by_server[held.consumer_uuid].append(held)
    for server in all_facts.resting:
        wanted = all_facts.api.wanted.get(server.uuid)
        if server.uuid not in by_server or wanted is None:
            continue
        holds = sorted(
            f"{_amount(held.resources)} of "
            f"{all_facts.api.nodes.get(held.node_uuid, 'an unknown node')}"
            for held in by_server[server.uuid]
        )
        right = [f"{_amount(wanted)} of {server.host}"] if server.host else []
        if holds != right:
            says = f"Server {server.uuid} holds {' and '.join(holds)}, not "
            says += right[0] if right else "nothing: it is on no host"
            yield found(
                "allocation-differs",
                says,
                *holds,
                is_repairable=server.host is None or server.host in all_facts.api.nodes.values(),
                server=server.uuid,
                host=server.host,
            )


@kind(
    "ledger-count",
    Severity.WARNING,
    "A host's count of what is used is not the sum of its allocations",
    consequence="The host takes too many servers, or too few.",
    advice="'nova-lite-manage host list' shows how full the hosts are.",
    repair="sets the count to the sum",
)
def _count(all_facts: facts.Facts) -> finding.Yields:
    for drift in all_facts.api.counts:
        says = f"Host {drift.host} counts {drift.recorded} {drift.resource} as used, its "
        says += f"allocations add up to {drift.allocated}"
        yield found("ledger-count", says, drift.resource, node=drift.node_uuid, host=drift.host)


def _amount(held: allocations.Resources) -> str:
    return f"{held.vcpus} VCPUs, {held.memory_mib} MiB, {held.disk_gib} GiB"
