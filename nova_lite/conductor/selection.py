"""The hosts of a build, as its journal entry remembers them.

``operation.arguments`` of a create holds ``host`` (claimed now), ``alternates``
(to be tried next), ``failures`` (tried, with the reason for users and the details for
administrators), ``restarts`` (of the process that was building) and ``resends`` (of a
message that was lost).
"""

import collections.abc
import typing

from nova_lite import objects
from nova_lite.scheduler.allocations import Resources

Arguments = dict[str, typing.Any]


def arguments_of(hosts: collections.abc.Sequence[objects.Selection]) -> Arguments:
    """Arguments for a first attempt on ``hosts[0]``."""
    return {
        "host": _to_json(hosts[0]),
        "alternates": [_to_json(host) for host in hosts[1:]],
        "failures": [],
        "restarts": 0,
        "resends": 0,
    }


def current(arguments: Arguments) -> objects.Selection:
    """The host that is claimed now."""
    return objects.Selection(**arguments["host"])


def alternates(arguments: Arguments) -> list[objects.Selection]:
    """The hosts that can be tried next, best first."""
    return [objects.Selection(**host) for host in arguments["alternates"]]


def after_failure(arguments: Arguments, outcome: objects.Outcome) -> Arguments:
    """The current host has failed."""
    failure = {
        "host": arguments["host"]["host"],
        "reason": outcome.message or "unknown",
        "details": outcome.details,
    }
    return {**arguments, "failures": [*arguments["failures"], failure]}


def moved_to(arguments: Arguments, host: objects.Selection) -> Arguments:
    """The next attempt is on ``host``; it and those before it are used up."""
    hosts = alternates(arguments)
    index = next(i for i, other in enumerate(hosts) if other.node_uuid == host.node_uuid)
    return {
        **arguments,
        "host": _to_json(host),
        "alternates": arguments["alternates"][index + 1 :],
    }


def resources_of(spec: objects.RequestSpec) -> Resources:
    """What the ledger counts for a server."""
    return Resources(vcpus=spec.vcpus, memory_mib=spec.memory_mib, disk_gib=spec.disk_gib)


def _to_json(host: objects.Selection) -> dict[str, typing.Any]:
    return {name: getattr(host, name) for name in host.fields}
