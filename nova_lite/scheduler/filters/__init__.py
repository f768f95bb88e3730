"""Rules a host must pass, one a file.

A filter answers why it refuses a host. The cause goes to users, who must not
learn about hosts, so it is one of a few fixed words; the detail goes to
administrators.
"""

import collections.abc
import dataclasses
import importlib
import typing

from oslo_config import cfg

from nova_lite import objects
from nova_lite.scheduler import host_state

FILTERS = (
    "service",
    "availability_zone",
    "retry",
    "forced_host",
    "resources",
    "image_properties",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """Why a rule refuses a host.

    :ivar cause: a word or two, the same for all hosts refused for it.
    :ivar detail: what exactly, for administrators.
    """

    cause: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.cause}: {self.detail}" if self.detail else self.cause


class Filter(typing.Protocol):
    """One rule. Its module has one class ``Filter`` that follows this."""

    def __init__(self, conf: cfg.ConfigOpts) -> None: ...

    def refuse(self, host: host_state.HostState, spec: objects.RequestSpec) -> Refusal | None:
        """Why the host cannot take the server, or None if it can."""


def load(conf: cfg.ConfigOpts) -> dict[str, Filter]:
    """The configured filters by name, in order.

    :raises ValueError: a name that is none of :data:`FILTERS`.
    """
    return {name: _module(name).Filter(conf) for name in conf.scheduler.enabled_filters}


def first_refusal(
    filters: collections.abc.Mapping[str, Filter],
    host: host_state.HostState,
    spec: objects.RequestSpec,
) -> tuple[str, Refusal] | None:
    """The first rule that refuses the host and why; None if all let it pass."""
    for name, rule in filters.items():
        refusal = rule.refuse(host, spec)
        if refusal is not None:
            return name, refusal
    return None


def _module(name: str) -> typing.Any:
    if name not in FILTERS:
        raise ValueError(
            f"[scheduler] enabled_filters: there is no filter {name!r}; "
            f"known are {', '.join(FILTERS)}"
        )
    return importlib.import_module(f"nova_lite.scheduler.filters.{name}")
