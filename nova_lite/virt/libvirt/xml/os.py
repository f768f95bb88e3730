"""``<os>``."""

import dataclasses

from lxml import etree

from nova_lite.virt.libvirt.xml import text


@dataclasses.dataclass(frozen=True)
class OperatingSystem:
    """Machine and architecture of a guest that boots from its disks by BIOS."""

    arch: str = "x86_64"
    machine: str = "q35"

    def to_element(self) -> text.Element:
        """The ``<os>`` element."""
        os = etree.Element("os")
        text.child(os, "type", "hvm", arch=self.arch, machine=self.machine)
        return os

    @classmethod
    def from_element(cls, element: text.Element) -> "OperatingSystem":
        """What an ``<os>`` says; libvirt makes ``q35`` ``pc-q35-7.2``."""
        kind = element.find("type")
        return cls(arch=kind.get("arch"), machine=kind.get("machine"))
