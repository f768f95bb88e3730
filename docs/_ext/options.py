"""The ``options`` directive: every configuration option, from the code."""

import typing

from docutils import nodes
from docutils.parsers.rst import Directive

from nova_lite import conf


class Options(Directive):
    """One section a group, one definition an option."""

    def run(self) -> list[nodes.Node]:
        """Make the nodes."""
        sections: list[nodes.Node] = []
        for group, options in sorted(conf.list_opts(), key=lambda item: item[0] or ""):
            name = group or "DEFAULT"
            section = nodes.section(ids=[nodes.make_id(f"options-{name}")])
            section += nodes.title(text=f"[{name}]")
            listed = nodes.definition_list()
            for option in sorted(options, key=lambda option: option.name):
                listed += _definition(option)
            section += listed
            sections.append(section)
        return sections


def _definition(option: typing.Any) -> nodes.definition_list_item:
    default = option.sample_default if option.sample_default is not None else option.default
    term = nodes.term("", "", nodes.literal(text=option.name))
    term += nodes.Text(
        f" ({option.type.type_name}; default: {'none' if default is None else default})"
    )
    paragraphs: list[nodes.Node] = [_paragraph(option.help or "")]
    choices = getattr(option.type, "choices", None) or {}
    if hasattr(choices, "items"):
        bullets = nodes.bullet_list()
        for value, meaning in choices.items():
            text = nodes.paragraph("", "", nodes.literal(text=str(value)))
            if meaning:
                text += nodes.Text(f": {meaning}")
            bullets += nodes.list_item("", text)
        if choices:
            paragraphs.append(bullets)
    return nodes.definition_list_item("", term, nodes.definition("", *paragraphs))


def _paragraph(text: str) -> nodes.paragraph:
    """Words between double backquotes are literal, as in the code."""
    paragraph = nodes.paragraph()
    for number, part in enumerate(text.split("``")):
        paragraph += nodes.literal(text=part) if number % 2 else nodes.Text(part)
    return paragraph


def setup(app: typing.Any) -> dict[str, bool]:
    """Sphinx's entry."""
    app.add_directive("options", Options)
    return {"parallel_read_safe": True}
