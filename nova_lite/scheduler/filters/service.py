"""The host's compute service must be up and enabled."""

from oslo_config import cfg
from oslo_utils import timeutils

from nova_lite import objects
from nova_lite.db.queries import services
from nova_lite.scheduler import filters
from nova_lite.scheduler import host_state


class Filter:
    """Refuses hosts that do not answer or that an administrator took out."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._down_time_s = conf.service_down_time_s

    def refuse(
        self, host: host_state.HostState, spec: objects.RequestSpec
    ) -> filters.Refusal | None:
        """Why the service cannot take a server, or None."""
        if not host.has_service:
            return filters.Refusal("down", "no compute service ever reported from here")
        if host.disabled:
            return filters.Refusal("disabled", host.disabled_reason or "no reason given")
        if host.forced_down:
            return filters.Refusal("down", "forced down by an administrator")
        if not services.seen_recently(host.last_seen_up, timeutils.utcnow(), self._down_time_s):
            seen = host.last_seen_up.isoformat(" ", "seconds") if host.last_seen_up else "never"
            return filters.Refusal("down", f"last seen {seen} UTC")
        return None
