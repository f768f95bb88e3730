"""``<cpu>``."""

import dataclasses

from lxml import etree

from nova_lite.virt.libvirt.xml import text


@dataclasses.dataclass(frozen=True)
class Cpu:
    """The guest's processor: ``host-model``, ``host-passthrough`` or ``maximum``."""

    mode: str

    def to_element(self) -> text.Element:
        """The ``<cpu>`` element."""
        return etree.Element("cpu", mode=self.mode)

    @classmethod
    def from_element(cls, element: text.Element) -> "Cpu":
        """What a ``<cpu>`` says (a running guest's may be ``custom``)."""
        return cls(mode=element.get("mode", "custom"))
