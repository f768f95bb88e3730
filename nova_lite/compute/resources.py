"""What this host has and what its servers use of it."""

import collections.abc
import dataclasses

from oslo_config import cfg

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.virt import interface


@dataclasses.dataclass(frozen=True)
class Usage:
    """What one server takes of the host."""

    vcpus: int
    memory_mib: int
    disk_gib: int


class ResourceTracker:
    """Guards the host against more servers than it can hold, whatever the
    ledger said: the last word is here."""

    def __init__(self, conf: cfg.ConfigOpts, host: interface.HostOps) -> None:
        self._conf = conf
        self._host = host
        self._node: objects.ComputeNode | None = None
        self._usage: dict[str, Usage] = {}
        self._changed: set[str] = set()

    def node(self) -> objects.ComputeNode:
        """The host's inventory, read from the hypervisor now."""
        options = self._conf.compute
        has = self._host.resources()
        self._node = objects.ComputeNode(
            uuid=self._host.node_uuid(),
            host=self._conf.host,
            hypervisor_hostname=has.hypervisor_hostname,
            hypervisor_type=has.hypervisor_type,
            hypervisor_version=has.hypervisor_version,
            architecture=has.architecture,
            cpu_info=has.cpu_info,
            host_ip=str(self._conf.my_ip),
            vcpus=has.vcpus,
            vcpus_reserved=options.vcpus_reserved,
            vcpus_ratio=options.vcpus_ratio,
            memory_mib=has.memory_mib,
            memory_mib_reserved=options.memory_mib_reserved,
            memory_mib_ratio=options.memory_mib_ratio,
            disk_gib=has.disk_gib,
            disk_gib_reserved=options.disk_gib_reserved,
            disk_gib_ratio=options.disk_gib_ratio,
        )
        return self._node

    def begin_load(self) -> None:
        """The servers of this host are about to be asked for; what is claimed or
        released from now on is newer than the answer."""
        self._changed.clear()

    def load(self, instances: collections.abc.Iterable[objects.Instance]) -> None:
        """The servers that are here, as the database knows since :meth:`begin_load`."""
        usage = {instance.uuid: _usage_of(instance) for instance in instances}
        for instance_uuid in self._changed:
            usage.pop(instance_uuid, None)
            if instance_uuid in self._usage:
                usage[instance_uuid] = self._usage[instance_uuid]
        self._usage = usage

    def claim(self, instance: objects.Instance, spec: objects.RequestSpec) -> None:
        """Hold room for a server until :meth:`release`.

        :raises nova_lite.exceptions.ClaimFailed: the host has no room.
        """
        usage = Usage(spec.vcpus, spec.memory_mib, spec.disk_gib)
        self._check(instance.uuid, usage)
        self._usage[instance.uuid] = usage
        self._changed.add(instance.uuid)

    def release(self, instance_uuid: str) -> None:
        """A server is gone."""
        self._usage.pop(instance_uuid, None)
        self._changed.add(instance_uuid)

    def _check(self, instance_uuid: str, usage: Usage) -> None:
        node = self._node or self.node()
        others = [used for uuid, used in self._usage.items() if uuid != instance_uuid]
        for name in ("vcpus", "memory_mib", "disk_gib"):
            wanted = getattr(usage, name)
            capacity = (getattr(node, name) - getattr(node, f"{name}_reserved")) * getattr(
                node, f"{name}_ratio"
            )
            free = capacity - sum(getattr(used, name) for used in others)
            if wanted and wanted > free:
                raise exceptions.ClaimFailed(
                    reason=f"{name}: {wanted} wanted, {max(0, int(free))} free on this host"
                )


def _usage_of(instance: objects.Instance) -> Usage:
    flavor = instance.flavor
    root_gib = 0 if instance.boots_from_volume else flavor.root_gib
    swap_gib = -(-flavor.swap_mib // 1024)
    return Usage(flavor.vcpus, flavor.memory_mib, root_gib + flavor.ephemeral_gib + swap_gib)
