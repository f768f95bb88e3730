"""``<controller>``."""

import dataclasses
import re
import string

from lxml import etree

from nova_lite.virt.libvirt.xml import text


@dataclasses.dataclass(frozen=True)
class PciRootPort:
    """A PCI Express slot: one device each, at boot or plugged in later."""

    index: int
    """From 1; 0 is the root complex."""

    def to_element(self) -> text.Element:
        """The ``<controller>`` element."""
        return etree.Element(
            "controller", type="pci", index=str(self.index), model="pcie-root-port"
        )

    @classmethod
    def from_element(cls, element: text.Element) -> "PciRootPort":
        """What the ``<controller>`` of a port says."""
        return cls(index=int(element.get("index")))

    @staticmethod
    def matches(element: text.Element) -> bool:
        """Whether a ``<controller>`` is a port at all."""
        return bool(element.get("model") == "pcie-root-port")


@dataclasses.dataclass(frozen=True)
class VirtioScsi:
    """A controller for disks whose bus is ``scsi``. libvirt's own choice
    would be one that few guests have a driver for."""

    index: int = 0

    def to_element(self) -> text.Element:
        """The ``<controller>`` element."""
        return etree.Element("controller", type="scsi", index=str(self.index), model="virtio-scsi")

    @staticmethod
    def matches(element: text.Element) -> bool:
        """Whether a ``<controller>`` is one."""
        return bool(element.get("model") == "virtio-scsi")


_DISKS_OF_A_CONTROLLER = 7
_NAME = re.compile(r"x?[a-z]d([a-z]{1,3})")


def scsi_place(target: str) -> tuple[int, int]:
    """Controller and unit that libvirt gives to a SCSI disk of this name. One
    that is no disk's name is libvirt's to refuse."""
    index = 0
    match = _NAME.fullmatch(target)
    for letter in match[1] if match else "a":
        index = index * 26 + string.ascii_lowercase.index(letter) + 1
    return divmod(index - 1, _DISKS_OF_A_CONTROLLER)
