"""How a hypervisor looks to a client."""

import json
import typing

from nova_lite import objects
from nova_lite.api import microversion

View: typing.TypeAlias = dict[str, typing.Any]
Servers: typing.TypeAlias = list[tuple[str, str]]


def brief(
    version: microversion.Version, node: objects.ComputeNode, service: objects.Service, *, up: bool
) -> View:
    """An item of ``GET /os-hypervisors``."""
    by_uuid = version >= microversion.UUIDS_OF_SERVICES
    return {
        "id": node.uuid if by_uuid else node.id,
        "hypervisor_hostname": node.hypervisor_hostname,
        "state": "up" if up else "down",
        "status": "disabled" if service.disabled else "enabled",
    }


def detail(
    version: microversion.Version, node: objects.ComputeNode, service: objects.Service, *, up: bool
) -> View:
    """A hypervisor in full. From 2.88 on what is used is Placement's to tell."""
    by_uuid = version >= microversion.UUIDS_OF_SERVICES
    view = brief(version, node, service, up=up) | {
        "hypervisor_type": node.hypervisor_type,
        "hypervisor_version": node.hypervisor_version,
        "host_ip": node.host_ip,
        "service": {
            "id": service.uuid if by_uuid else service.id,
            "host": service.host,
            "disabled_reason": service.disabled_reason,
        },
    }
    if version >= microversion.HYPERVISOR_USAGE_GONE:
        view["uptime"] = None
        return view
    # Before 2.28 cpu_info is JSON in a string.
    as_object = version >= microversion.CPU_INFO_OBJECT
    view["cpu_info"] = node.cpu_info if as_object else json.dumps(node.cpu_info)
    return view | usage([node]) | {"disk_available_least": _free_disk(node)}


def usage(nodes: list[objects.ComputeNode]) -> View:
    """What hypervisors have and what of it is used, summed."""
    memory = sum(node.memory_mib for node in nodes)
    memory_used = sum(node.memory_mib_used + node.memory_mib_reserved for node in nodes)
    disk = sum(node.disk_gib for node in nodes)
    disk_used = sum(node.disk_gib_used for node in nodes)
    return {
        "vcpus": sum(node.vcpus for node in nodes),
        "vcpus_used": sum(node.vcpus_used for node in nodes),
        "memory_mb": memory,
        "memory_mb_used": memory_used,
        "free_ram_mb": memory - memory_used,
        "local_gb": disk,
        "local_gb_used": disk_used,
        "free_disk_gb": disk - disk_used,
        "running_vms": sum(node.running_vms for node in nodes),
        "current_workload": 0,
    }


def _free_disk(node: objects.ComputeNode) -> int:
    return int(node.disk_gib - node.disk_gib_used - node.disk_gib_reserved)


def with_servers(version: microversion.Version, view: View, servers: Servers) -> View:
    """``view`` with the servers there, given as uuid and name; before 2.75 none are
    not shown as an empty list, but not at all."""
    if servers or version >= microversion.STRICT_AND_UNIFORM:
        view["servers"] = [
            # Nova shows the name its hypervisor knows the server by.
            {"uuid": uuid, "name": f"instance-{uuid}"}
            for uuid, _name in servers
        ]
    return view
