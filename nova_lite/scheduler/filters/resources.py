"""The host must have room: memory, virtual CPUs and local disk."""

from oslo_config import cfg

from nova_lite import objects
from nova_lite.db.queries.allocations import RESOURCES
from nova_lite.scheduler import filters
from nova_lite.scheduler import host_state

_CAUSES = {"memory_mib": "memory", "vcpus": "vcpus", "disk_gib": "disk"}
_UNITS = {"memory_mib": "MiB", "vcpus": "vCPUs", "disk_gib": "GiB"}


class Filter:
    """Refuses hosts whose ledger says they are too full.

    It saves useless claims; what decides is the claim.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        pass

    def refuse(
        self, host: host_state.HostState, spec: objects.RequestSpec
    ) -> filters.Refusal | None:
        """What there is too little of, or None."""
        short = [
            resource
            for resource in RESOURCES
            if getattr(spec, resource) and getattr(spec, resource) > getattr(host.free, resource)
        ]
        if not short:
            return None
        return filters.Refusal(
            " and ".join(_CAUSES[resource] for resource in short),
            ", ".join(
                f"{getattr(spec, resource)} {_UNITS[resource]} wanted, "
                f"{getattr(host.free, resource)} free"
                for resource in short
            ),
        )
