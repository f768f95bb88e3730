"""Two looks: what both see is drift, what one sees is work under way."""

import collections
import collections.abc
import dataclasses
import datetime

from oslo_utils import timeutils

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite.audit import collect
from nova_lite.audit import facts
from nova_lite.audit import finding
from nova_lite.audit import kinds
from nova_lite.audit.kinds import sources


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
    :param server: report only what is about this server. Who was not looked at is
        reported as well where it has to do with either.
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


def check_scope(result: Result, *, host: str | None = None, server: str | None = None) -> None:
    """Whether there is what an audit was narrowed to; else it found nothing wrong
    because it looked at nothing.

    :raises nova_lite.exceptions.InvalidInput: there is no such host or server, and no
        finding names it either.
    """
    seen = result.seen
    named = {subject for each in result.findings for subject in each.subjects}
    known_hosts = {*seen.hosts, *(s.host for s in seen.cell.servers.values())}
    if host is not None and host not in known_hosts and ("host", host) not in named:
        raise exceptions.InvalidInput(reason=f"there is no compute host {host}")
    if server is not None and seen.is_stranger(server) and ("server", server) not in named:
        raise exceptions.InvalidInput(
            reason=f"there is no server {server}, and nobody who answered knows of it"
        )


def _narrowed(
    found: collections.abc.Iterable[finding.Finding],
    seen: facts.Facts,
    host: str | None,
    server: str | None,
) -> list[finding.Finding]:
    on_host = {s.uuid for s in seen.cell.servers.values() if s.host == host}

    def is_about_host(each: finding.Finding) -> bool:
        return host == each.subject("host") or each.subject("server") in on_host

    def is_about_server(each: finding.Finding) -> bool:
        if each.kind in sources.OF_HOSTS:
            lives = seen.cell.servers.get(server or "")
            # What is on no host may have left something on any.
            return lives is None or lives.host in (None, each.subject("host"))
        return each.subject("server") == server

    return [
        each
        for each in found
        if each.kind in sources.OF_ALL
        or ((server is None or is_about_server(each)) and (host is None or is_about_host(each)))
    ]
