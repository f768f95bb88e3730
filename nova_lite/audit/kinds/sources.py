"""Who does not answer: what they know is unknown, and nothing is concluded from it."""

from nova_lite.audit import facts
from nova_lite.audit import finding
from nova_lite.audit.finding import found
from nova_lite.audit.finding import kind
from nova_lite.audit.finding import Severity

OF_ALL = frozenset({"cinder-silent"})
"""Kinds that leave something of every server unseen."""
OF_HOSTS = frozenset({"host-silent", "host-unreadable"})
"""Kinds that leave something of a host unseen."""


@kind(
    "host-silent",
    Severity.ERROR,
    "A compute host does not answer",
    consequence="Nothing on it was looked at: its guests, files and connections are unknown.",
    advice="Start nova-lite-compute on {host}, then repeat the audit.",
)
def _host_silent(all_facts: facts.Facts) -> finding.Yields:
    for host, inventory in sorted(all_facts.hosts.items()):
        if inventory is None:
            reason = all_facts.reasons.get(host, "no answer")
            yield found("host-silent", f"Host {host}: {reason}", host=host)


@kind(
    "host-unreadable",
    Severity.ERROR,
    "A compute host cannot read a part of its own inventory",
    consequence="That part was not looked at.",
    advice="See the log of nova-lite-compute on {host}.",
)
def _host_unreadable(all_facts: facts.Facts) -> finding.Yields:
    for host, inventory in sorted(all_facts.hosts.items()):
        for part, reason in sorted((inventory.unknown if inventory else {}).items()):
            says = f"Host {host} cannot tell its {part}: {reason}"
            yield found("host-unreadable", says, part, host=host)


@kind(
    "cinder-silent",
    Severity.ERROR,
    "Cinder does not answer",
    consequence="Volumes and attachments were not looked at.",
    advice="See that Cinder runs and that [cinder] and [service_user] are right.",
)
def _cinder_silent(all_facts: facts.Facts) -> finding.Yields:
    if all_facts.volumes is None:
        yield found("cinder-silent", all_facts.reasons.get("cinder", "Cinder does not answer"))
