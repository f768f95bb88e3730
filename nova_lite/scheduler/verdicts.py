"""Why no host would do: counts for users, hosts for administrators."""

import collections
import collections.abc
import typing

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.scheduler import filters


class Verdicts:
    """The hosts that were refused for one server."""

    def __init__(self) -> None:
        self._causes: dict[str, collections.Counter[str]] = {}
        self._verdicts: list[objects.HostVerdict] = []

    def add(self, host: str, rule: str, refusal: filters.Refusal) -> None:
        """Note that ``rule`` refused ``host``."""
        self._causes.setdefault(rule, collections.Counter())[refusal.cause] += 1
        self._verdicts.append(objects.HostVerdict(host=host, rule=rule, reason=str(refusal)))

    def summary(self) -> str:
        """One sentence that names rules and causes, and no host."""
        considered = len(self._verdicts)
        if not considered:
            return "No compute host has reported yet."
        hosts = "1 host was" if considered == 1 else f"{considered} hosts were"
        refusals = ", ".join(
            f"{rule} refused {causes.total()} ({_causes(causes)})"
            for rule, causes in sorted(
                self._causes.items(), key=lambda item: (-item[1].total(), item[0])
            )
        )
        return f"{hosts} considered: {refusals}."

    def as_objects(self) -> list[objects.HostVerdict]:
        """One a refused host."""
        return list(self._verdicts)

    def as_dicts(self) -> list[dict[str, typing.Any]]:
        """One ``{"host": ..., "rule": ..., "reason": ...}`` a host."""
        return [
            {"host": verdict.host, "rule": verdict.rule, "reason": verdict.reason}
            for verdict in self._verdicts
        ]

    def error(self, *, placed: int, wanted: int) -> exceptions.NoValidHost:
        """The error for the caller.

        :param placed: servers of the request that had found a host.
        :param wanted: servers of the request.
        """
        reason = self.summary()
        if placed:
            reason += f" There was room for {placed} of {wanted} servers."
        return exceptions.NoValidHost(reason=reason, verdicts=self.as_dicts())


def _causes(causes: collections.Counter[str]) -> str:
    if len(causes) == 1:
        return next(iter(causes))
    return ", ".join(f"{cause} {count}" for cause, count in sorted(causes.items()))
