"""The ``transitions`` directive: the state table of nova_lite, drawn.

It reads :mod:`nova_lite.transitions` itself, so the picture cannot differ from
what the daemons do.
"""

import html
import pathlib
import typing

from docutils import nodes
from docutils.parsers.rst import Directive

from nova_lite import transitions

_STATE_WIDTH, _STATE_HEIGHT = 150, 26
_ACTION_WIDTH, _GAP = 300, 60
_LEFT, _TOP, _ROW_GAP = 10, 10, 26


class Transitions(Directive):
    """A picture of every action, and the same as a table."""

    def run(self) -> list[nodes.Node]:
        """Make the nodes."""
        rows = list(transitions.TABLE.values())
        picture = nodes.raw("", _svg(rows), format="html")
        return [picture, _table(rows)]


def _allowed(transition: transitions.Transition) -> list[str]:
    if transition.vm_states is None:
        return ["any state"]
    return sorted(str(state) for state in transition.vm_states)


def _svg(rows: list[transitions.Transition]) -> str:
    parts: list[str] = []
    top = _TOP
    action_x = _LEFT + _STATE_WIDTH + _GAP
    result_x = action_x + _ACTION_WIDTH + _GAP
    for transition in rows:
        allowed = _allowed(transition)
        height = max(len(allowed) * (_STATE_HEIGHT + 4), 3 * _STATE_HEIGHT)
        middle = top + height / 2
        for number, state in enumerate(allowed):
            y = top + height * (number + 0.5) / len(allowed)
            parts += [
                _box(_LEFT, y, _STATE_WIDTH, _STATE_HEIGHT, [state], "#eef3fb"),
                _arrow(_LEFT + _STATE_WIDTH, y, action_x, middle),
            ]
        doing = " → ".join(transition.doing) or "(no task state: runs beside others)"
        lines = [transition.action, doing, f"if its process dies: {transition.restart}"]
        parts.append(_box(action_x, middle, _ACTION_WIDTH, 62, lines, "#fff7e0"))
        results = [
            (transition.success or "as before", "#2b7a3d"),
            (transition.failure or "as before", "#b3261e"),
        ]
        for offset, (state, colour) in zip((-18, 18), results, strict=True):
            y = middle + offset
            parts += [
                _arrow(action_x + _ACTION_WIDTH, middle, result_x, y, colour),
                _box(result_x, y, _STATE_WIDTH, _STATE_HEIGHT, [str(state)], "#eef3fb"),
            ]
        top += int(height) + _ROW_GAP
    width = result_x + _STATE_WIDTH + _LEFT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="100%" '
        'role="img" aria-label="Transitions: allowed states, action, success in green, failure '
        'in red" font-family="sans-serif" font-size="11">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z"/></marker></defs>'
        f"{''.join(parts)}</svg>"
    )


def _box(x: float, middle: float, width: float, height: float, lines: list[str], fill: str) -> str:
    text = "".join(
        f'<text x="{x + width / 2}" y="{middle + 4 + 16 * (number - (len(lines) - 1) / 2)}" '
        f'text-anchor="middle" font-weight="{"bold" if not number else "normal"}">'
        f"{html.escape(line)}</text>"
        for number, line in enumerate(lines)
    )
    return (
        f'<rect x="{x}" y="{middle - height / 2}" width="{width}" height="{height}" rx="5" '
        f'fill="{fill}" stroke="#777"/>{text}'
    )


def _arrow(x1: float, y1: float, x2: float, y2: float, colour: str = "#777") -> str:
    return (
        f'<line x1="{x1}" y1="{y1}" x2="{x2 - 2}" y2="{y2}" stroke="{colour}" '
        'marker-end="url(#tip)"/>'
    )


def _table(rows: list[transitions.Transition]) -> nodes.table:
    heads = ("action", "allowed in", "task states", "success", "failure", "if its process dies")
    body = [
        (
            row.action,
            ", ".join(_allowed(row)),
            ", ".join(row.doing) or "none",
            str(row.success or "as before"),
            str(row.failure or "as before"),
            str(row.restart),
        )
        for row in rows
    ]
    group = nodes.tgroup(cols=len(heads))
    group += [nodes.colspec(colwidth=1) for _ in heads]
    group += nodes.thead("", _row(heads))
    group += nodes.tbody("", *(_row(cells) for cells in body))
    return nodes.table("", group)


def _row(cells: typing.Iterable[str]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph(text=cell)) for cell in cells))


def setup(app: typing.Any) -> dict[str, bool]:
    """Sphinx's entry."""
    app.add_directive("transitions", Transitions)
    app.connect(
        "env-get-outdated",
        # The page follows the table, not only its own text.
        lambda app, env, added, changed, removed: _pages_with_directive(env),
    )
    return {"parallel_read_safe": True}


def _pages_with_directive(env: typing.Any) -> list[str]:
    return [
        page
        for page in env.found_docs
        if ".. transitions::" in pathlib.Path(env.doc2path(page)).read_text()
    ]
