"""Prefers hosts with much free local disk."""

from oslo_config import cfg

from nova_lite.scheduler import host_state


class Weigher:
    """Weighs by free GiB of local disk."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.multiplier: float = conf.scheduler.disk_weight_multiplier

    def value(self, host: host_state.HostState) -> float:
        """GiB of local disk that are free."""
        return host.free.disk_gib
