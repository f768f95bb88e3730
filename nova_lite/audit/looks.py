"""Two looks: what both see is drift, what one sees is work under way."""

import collections
import collections.abc
import dataclasses
import datetime

from oslo_utils import timeutils

from nova_lite import concurrency
from nova_lite.audit import collect
from nova_lite.audit import facts
from nova_lite.audit import finding
from nova_lite.audit import kinds


@dataclasses.dataclass(frozen=True)
class Result:
    """What an audit found, the worst first."""

    began_at: datetime.datetime
    """Naive UTC."""
    findings: tuple[finding.Finding, ...]
    seen: facts.Facts
    """The last look."""

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing but notes."""
        return all(
            kinds.KINDS[found.kind].severity is finding.Severity.NOTE for found in self.findings
        )

    def counts(self) -> dict[str, int]:
        """How many of each kind, notes left out."""
        return dict(
            collections.Counter(
                found.kind
                for found in self.findings
                if kinds.KINDS[found.kind].severity is not finding.Severity.NOTE
            )
        )


def audit(
    collector: collect.Collector,
    *,
    pause_s: float,
    host: str | None = None,
    server: str | None = None,
) -> Result:
    """Look, and if there is anything to be seen look again after ``pause_s`` seconds.

    :param host: report only what is on, or about servers of, this host.
    :param server: report only what is about this server.
    """
    began_at = timeutils.utcnow()
    seen = collector.look()
    found = _narrowed(compare(seen), seen, host, server)
    if found:
        concurrency.sleep(pause_s)
        before = {each.key for each in found}
        seen = collector.look()
        found = [
            each for each in _narrowed(compare(seen), seen, host, server) if each.key in before
        ]
    return Result(began_at, tuple(found), seen)


def compare(seen: facts.Facts) -> list[finding.Finding]:
    """Every finding of one look, the worst first."""
    found = [each for kind in kinds.KINDS.values() for each in kind.find(seen)]
    order = {kind: number for number, kind in enumerate(kinds.KINDS)}
    found.sort(
        key=lambda each: (
            finding.ORDER.index(kinds.KINDS[each.kind].severity),
            order[each.kind],
            each.subjects,
        )
    )
    return found


def _narrowed(
    found: collections.abc.Iterable[finding.Finding],
    seen: facts.Facts,
    host: str | None,
    server: str | None,
) -> list[finding.Finding]:
    on_host = {s.uuid for s in seen.cell.servers.values() if s.host == host}
    return [
        each
        for each in found
        if (server is None or each.subject("server") == server)
        and (host is None or host == each.subject("host") or each.subject("server") in on_host)
    ]
