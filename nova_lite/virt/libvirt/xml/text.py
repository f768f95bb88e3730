"""Between XML text and lxml's elements. The parser touches no file and no net."""

import typing

from lxml import etree

Element: typing.TypeAlias = typing.Any


def parse(text: str) -> Element:
    """The root element of ``text``."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_blank_text=True)
    return etree.fromstring(text, parser)


def render(element: Element) -> str:
    """``element`` as text that a person can read in a log."""
    return str(etree.tostring(element, pretty_print=True, encoding="unicode"))


def child(parent: Element, tag: str, text: str | int | None = None, **attributes: str) -> Element:
    """A new element under ``parent``."""
    element = etree.SubElement(parent, tag, attributes)
    if text is not None:
        element.text = str(text)
    return element


def attribute(parent: Element, path: str, name: str) -> str | None:
    """The attribute ``name`` of the first element at ``path``, if both exist."""
    element = parent.find(path)
    return None if element is None else element.get(name)
