"""What ranks the hosts that pass, one number a file.

Each weigher's numbers become shares of the greatest among the hosts in question
and are multiplied by its option; the host with the highest sum is best. (Scaling
from the least to the greatest, as upstream does, would make 9 free processors
against 10 count as much as 1 GiB of free memory against 100.)
"""

import collections.abc
import importlib
import typing

from oslo_config import cfg

from nova_lite.scheduler import host_state

WEIGHERS = ("memory", "vcpus", "disk")


class Weigher(typing.Protocol):
    """One number. Its module has one class ``Weigher`` that follows this."""

    multiplier: float

    def __init__(self, conf: cfg.ConfigOpts) -> None: ...

    def value(self, host: host_state.HostState) -> float:
        """The host's number, in a unit of the weigher's own; more is better."""


def load(conf: cfg.ConfigOpts) -> list[Weigher]:
    """The configured weighers.

    :raises ValueError: a name that is none of :data:`WEIGHERS`.
    """
    return [_module(name).Weigher(conf) for name in conf.scheduler.enabled_weighers]


def best_first(
    weighers: collections.abc.Iterable[Weigher],
    hosts: collections.abc.Sequence[host_state.HostState],
) -> list[host_state.HostState]:
    """The hosts by weight. Equals keep their order."""
    weights = [0.0] * len(hosts)
    for weigher in weighers:
        values = [weigher.value(host) for host in hosts]
        greatest = max(map(abs, values), default=0)
        if greatest:
            for position, value in enumerate(values):
                weights[position] += weigher.multiplier * value / greatest
    ranking = sorted(range(len(hosts)), key=lambda position: -weights[position])
    return [hosts[position] for position in ranking]


def _module(name: str) -> typing.Any:
    if name not in WEIGHERS:
        raise ValueError(
            f"[scheduler] enabled_weighers: there is no weigher {name!r}; "
            f"known are {', '.join(WEIGHERS)}"
        )
    return importlib.import_module(f"nova_lite.scheduler.weighers.{name}")
