"""An audit's result as text of at most 100 columns, and as JSON."""

import collections.abc
import textwrap
import typing

from nova_lite.audit import finding
from nova_lite.audit import kinds
from nova_lite.audit import looks
from nova_lite.audit import repair

WIDTH = 100
FORMAT = 1
"""Version of the JSON; a key that goes or changes its meaning raises it."""


def text(result: looks.Result, repaired: collections.abc.Sequence[repair.Repaired] = ()) -> str:
    """For people: what disagrees, why that matters, and what to do."""
    lines = [_summary(result), ""]
    shown: set[str] = set()
    for each in result.findings:
        kind = kinds.KINDS[each.kind]
        lines += _wrapped(f"{kind.severity}: {each.kind}: ", each.says)
        if each.kind not in shown:
            lines += _wrapped("    why it matters: ", kind.consequence)
        shown.add(each.kind)
        lines += _wrapped("    what to do: ", kind.advice_for(each))
        if kind.repair and each.is_repairable:
            command = f"--repair {each.kind} {kind.repair}."
            lines += _wrapped("    repair: ", command)
        lines.append("")
    for done in repaired:
        became = f"not repaired: {done.error}" if done.error else "repaired"
        lines += _wrapped(f"{became}: ", f"{done.finding.kind}: {done.finding.says}")
    return "\n".join(lines).rstrip() + "\n"


def json_value(
    result: looks.Result, repaired: collections.abc.Sequence[repair.Repaired] = ()
) -> dict[str, typing.Any]:
    """For machines."""
    seen = result.seen
    return {
        "format": FORMAT,
        "began_at": f"{result.began_at.isoformat(timespec='seconds')}Z",
        "clean": result.is_clean,
        "servers": len(seen.cell.servers),
        "moving": len(seen.moving & set(seen.cell.servers)),
        "volumes": None if seen.volumes is None else len(seen.volumes),
        "hosts": {
            host: "silent" if inventory is None else "partly" if inventory.unknown else "whole"
            for host, inventory in sorted(seen.hosts.items())
        },
        "counts": result.counts(),
        "findings": [_finding(each) for each in result.findings],
        "repairs": [{**_finding(done.finding), "error": done.error} for done in repaired],
    }


def _finding(each: finding.Finding) -> dict[str, typing.Any]:
    kind = kinds.KINDS[each.kind]
    return {
        "kind": each.kind,
        "severity": str(kind.severity),
        "says": each.says,
        "subjects": dict(each.subjects),
        "consequence": kind.consequence,
        "advice": kind.advice_for(each),
        "repairable": bool(kind.repair and each.is_repairable),
    }


def _summary(result: looks.Result) -> str:
    seen = result.seen
    answering = sum(inventory is not None for inventory in seen.hosts.values())
    volumes = "no volumes (Cinder is silent)"
    if seen.volumes is not None:
        volumes = f"{len(seen.volumes)} volumes"
    looked_at = (
        f"{len(seen.cell.servers)} servers, {volumes}, {answering} of {len(seen.hosts)} hosts"
    )
    moving = len(seen.moving & set(seen.cell.servers))
    if moving:
        looked_at += f" ({moving} servers are at work, and are not judged)"
    if not result.findings:
        return f"Nothing disagrees. Looked at {looked_at}."
    total = len(result.findings)
    return f"{total} finding{'s' if total > 1 else ''}. Looked at {looked_at}."


def _wrapped(head: str, body: str) -> list[str]:
    indent = " " * (len(head) - len(head.lstrip()) + 4)
    return textwrap.wrap(
        head + body,
        WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
