"""``<controller>``."""

import dataclasses

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
    """The controller for disks whose bus is ``scsi``. libvirt's own choice
    would be one that few guests have a driver for."""

    def to_element(self) -> text.Element:
        """The ``<controller>`` element."""
        return etree.Element("controller", type="scsi", index="0", model="virtio-scsi")

    @staticmethod
    def matches(element: text.Element) -> bool:
        """Whether a ``<controller>`` is one."""
        return bool(element.get("model") == "virtio-scsi")
