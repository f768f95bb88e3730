"""The ``drift-kinds`` directive: what an audit can find, from the code itself."""

import pathlib
import typing

from docutils import nodes
from docutils.parsers.rst import Directive

from nova_lite.audit import kinds


class DriftKinds(Directive):
    """A section a kind: what disagrees, why it matters, what to do, what is repaired."""

    def run(self) -> list[nodes.Node]:
        """Make the nodes."""
        return [node for kind in kinds.KINDS.values() for node in _shown(kind)]


def _shown(kind: typing.Any) -> list[nodes.Node]:
    section = nodes.section(ids=[f"drift-{kind.id}"])
    section += nodes.title(text=kind.id)
    section += nodes.paragraph(text=f"{kind.title} ({kind.severity}).")
    fields = (
        ("Why it matters", kind.consequence),
        ("What to do", kind.advice),
        ("--repair", kind.repair or "does nothing: a person has to decide"),
    )
    listed = nodes.field_list()
    for name, text in fields:
        field = nodes.field()
        field += nodes.field_name(text=name)
        field += nodes.field_body("", nodes.paragraph(text=text))
        listed += field
    section += listed
    return [section]


def setup(app: typing.Any) -> dict[str, bool]:
    """Sphinx's entry."""
    app.add_directive("drift-kinds", DriftKinds)
    app.connect(
        "env-get-outdated",
        # The page follows the code, not only its own text.
        lambda app, env, added, changed, removed: _pages_with_directive(env),
    )
    return {"parallel_read_safe": True}


def _pages_with_directive(env: typing.Any) -> list[str]:
    return [
        page
        for page in env.found_docs
        if ".. drift-kinds::" in pathlib.Path(env.doc2path(page)).read_text()
    ]
