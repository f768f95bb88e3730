"""The host must be in the availability zone that was asked for."""

from oslo_config import cfg

from nova_lite import objects
from nova_lite.scheduler import filters
from nova_lite.scheduler import host_state


class Filter:
    """Refuses hosts of other zones; without a wish every zone will do."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        pass

    def refuse(
        self, host: host_state.HostState, spec: objects.RequestSpec
    ) -> filters.Refusal | None:
        """Why the zone is wrong, or None."""
        wanted = spec.availability_zone
        if not wanted or wanted == host.availability_zone:
            return None
        return filters.Refusal(
            "another zone", f"in {host.availability_zone or 'none'}, {wanted} was asked for"
        )
