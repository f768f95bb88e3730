"""Prefers hosts with much free memory."""

from oslo_config import cfg

from nova_lite.scheduler import host_state


class Weigher:
    """Weighs by free MiB of memory."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.multiplier: float = conf.scheduler.memory_weight_multiplier

    def value(self, host: host_state.HostState) -> float:
        """MiB of memory that are free."""
        return host.free.memory_mib
