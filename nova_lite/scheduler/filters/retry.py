"""A host that failed to build the server is not asked again."""

from oslo_config import cfg

from nova_lite import objects
from nova_lite.scheduler import filters
from nova_lite.scheduler import host_state


class Filter:
    """Refuses the hosts that the request says to leave out."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        pass

    def refuse(
        self, host: host_state.HostState, spec: objects.RequestSpec
    ) -> filters.Refusal | None:
        """Why the host is left out, or None."""
        if host.host in spec.ignore_hosts:
            return filters.Refusal("tried before")
        return None
