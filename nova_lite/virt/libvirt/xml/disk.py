"""``<disk>``."""

import dataclasses
import typing

from lxml import etree

from nova_lite.virt.libvirt.xml import text


@dataclasses.dataclass(frozen=True)
class Disk:
    """A disk of a guest that is a file or a block device of the host.

    ``driver_format`` is always written and never guessed: QEMU would take it
    from bytes that the guest can write.
    """

    source: str
    target: str
    """``vdb``; a hint to the guest, not an identity."""
    driver_format: str
    """``raw`` or ``qcow2``."""
    bus: str = "virtio"
    device: str = "disk"
    """``disk``, ``cdrom`` or ``floppy``."""
    source_type: typing.Literal["file", "block"] = "file"
    cache: str | None = None
    discard: str | None = None
    readonly: bool = False
    serial: str | None = None
    boot_order: int | None = None
    """From 1, or None for a disk the firmware does not try."""
    alias: str | None = None
    """Its name in QEMU; ours begin with ``ua-``, as libvirt demands."""
    pci_bus: int | None = None
    """The PCIe root port (its bus) of a disk that is a PCI device. None leaves
    the choice to libvirt."""

    def to_element(self) -> text.Element:
        """The ``<disk>`` element."""
        disk = etree.Element("disk", type=self.source_type, device=self.device)
        driver = text.child(disk, "driver", name="qemu", type=self.driver_format)
        if self.cache is not None:
            driver.set("cache", self.cache)
        if self.discard is not None:
            driver.set("discard", self.discard)
        text.child(disk, "source", **{self._source_attribute: self.source})
        text.child(disk, "target", dev=self.target, bus=self.bus)
        if self.readonly:
            text.child(disk, "readonly")
        if self.serial is not None:
            text.child(disk, "serial", self.serial)
        if self.boot_order is not None:
            text.child(disk, "boot", order=str(self.boot_order))
        if self.alias is not None:
            text.child(disk, "alias", name=self.alias)
        if self.pci_bus is not None:
            text.child(
                disk,
                "address",
                type="pci",
                domain="0x0000",
                bus=f"0x{self.pci_bus:02x}",
                slot="0x00",
                function="0x0",
            )
        return disk

    def to_xml(self) -> str:
        """The text to attach or detach it with."""
        return text.render(self.to_element())

    @classmethod
    def from_element(cls, element: text.Element) -> "Disk":
        """What a ``<disk>`` says. A source that is neither a file nor a block
        device is given as an empty path."""
        is_block = element.get("type") == "block"
        source = text.attribute(element, "source", "dev" if is_block else "file")
        boot_order = text.attribute(element, "boot", "order")
        pci_bus = text.attribute(element, "address[@type='pci']", "bus")
        return cls(
            source=source or "",
            target=text.attribute(element, "target", "dev") or "",
            driver_format=text.attribute(element, "driver", "type") or "raw",
            bus=text.attribute(element, "target", "bus") or "virtio",
            device=element.get("device", "disk"),
            source_type="block" if is_block else "file",
            cache=text.attribute(element, "driver", "cache"),
            discard=text.attribute(element, "driver", "discard"),
            readonly=element.find("readonly") is not None,
            serial=element.findtext("serial"),
            boot_order=int(boot_order) if boot_order else None,
            alias=text.attribute(element, "alias", "name"),
            pci_bus=int(pci_bus, 16) if pci_bus else None,
        )

    @property
    def _source_attribute(self) -> str:
        return "dev" if self.source_type == "block" else "file"
