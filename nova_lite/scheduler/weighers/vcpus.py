"""Prefers hosts with much free vCPUs."""

from oslo_config import cfg

from nova_lite.scheduler import host_state


class Weigher:
    """Weighs by free virtual CPUs."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.multiplier: float = conf.scheduler.vcpus_weight_multiplier

    def value(self, host: host_state.HostState) -> float:
        """Virtual CPUs that are free."""
        return host.free.vcpus
