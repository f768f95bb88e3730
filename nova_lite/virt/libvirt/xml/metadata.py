"""Our element in ``<metadata>``: whose guest this is."""

import dataclasses

from lxml import etree

from nova_lite.virt.libvirt.xml import text

NAMESPACE = "https://nova-lite.invalid/xmlns/domain/1.0"
"""Also the key under which libvirt stores the element."""


@dataclasses.dataclass(frozen=True)
class Ownership:
    """Which compute node a guest belongs to, and its display name for people
    who look at the hypervisor. Several nodes may share one libvirtd."""

    node_uuid: str
    display_name: str

    def to_element(self) -> text.Element:
        """The element that goes into ``<metadata>``."""
        server = etree.Element(f"{{{NAMESPACE}}}server", nsmap={"nova-lite": NAMESPACE})
        server.set("node", self.node_uuid)
        name = etree.SubElement(server, f"{{{NAMESPACE}}}name")
        name.text = _printable(self.display_name)
        return server

    @classmethod
    def from_element(cls, element: text.Element) -> "Ownership":
        """What our element says, as written or as libvirt returns it (it drops
        the prefix, never the node)."""
        name = next((child.text for child in element if child.tag.endswith("name")), None)
        return cls(node_uuid=element.get("node", ""), display_name=name or "")


def _printable(name: str) -> str:
    """``name`` without control characters: XML cannot hold them."""
    return "".join(character for character in name if character.isprintable())
