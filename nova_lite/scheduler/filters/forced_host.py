"""An administrator may name the host, or the node, that must be taken."""

from oslo_config import cfg

from nova_lite import objects
from nova_lite.scheduler import filters
from nova_lite.scheduler import host_state


class Filter:
    """Refuses all hosts but the one that was named.

    Ours is stricter than upstream's forced hosts, which skip every other
    filter: a named host must still be up and have room.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        pass

    def refuse(
        self, host: host_state.HostState, spec: objects.RequestSpec
    ) -> filters.Refusal | None:
        """Why it is not the one, or None."""
        if spec.force_host and spec.force_host != host.host:
            return filters.Refusal("another host", f"{spec.force_host} was asked for")
        if spec.force_node and spec.force_node != host.node:
            return filters.Refusal("another host", f"node {spec.force_node} was asked for")
        return None
