"""``<domain>``."""

import dataclasses

from lxml import etree

from nova_lite.virt.libvirt.xml import controller
from nova_lite.virt.libvirt.xml import cpu
from nova_lite.virt.libvirt.xml import disk
from nova_lite.virt.libvirt.xml import metadata
from nova_lite.virt.libvirt.xml import os
from nova_lite.virt.libvirt.xml import serial
from nova_lite.virt.libvirt.xml import text


@dataclasses.dataclass(frozen=True)
class Domain:
    """A guest. ``pci_ports`` are its slots; disks and the rest share them."""

    virt_type: str
    """``kvm`` or ``qemu``."""
    name: str
    uuid: str
    vcpus: int
    memory_mib: int
    os: os.OperatingSystem
    cpu: cpu.Cpu
    ownership: metadata.Ownership | None = None
    disks: tuple[disk.Disk, ...] = ()
    pci_ports: tuple[controller.PciRootPort, ...] = ()
    has_virtio_scsi: bool = False
    console: serial.FileSerial | None = None

    def to_xml(self) -> str:
        """The text to define it with."""
        domain = etree.Element("domain", type=self.virt_type)
        text.child(domain, "name", self.name)
        text.child(domain, "uuid", self.uuid)
        if self.ownership is not None:
            text.child(domain, "metadata").append(self.ownership.to_element())
        text.child(domain, "memory", self.memory_mib, unit="MiB")
        text.child(domain, "vcpu", self.vcpus)
        domain.append(self.os.to_element())
        features = text.child(domain, "features")
        text.child(features, "acpi")
        text.child(features, "apic")
        domain.append(self.cpu.to_element())
        text.child(domain, "clock", offset="utc")
        text.child(domain, "on_crash", "destroy")
        self._add_devices(domain)
        return text.render(domain)

    @classmethod
    def from_xml(cls, xml: str) -> "Domain":
        """What libvirt says of a guest, live or as it will start."""
        domain = text.parse(xml)
        controllers = domain.findall("devices/controller")
        ours = domain.find(f"metadata/{{{metadata.NAMESPACE}}}server")
        console = domain.find("devices/serial[@type='file']")
        processor = domain.find("cpu")
        return cls(
            virt_type=domain.get("type"),
            name=domain.findtext("name"),
            uuid=domain.findtext("uuid"),
            vcpus=int(domain.findtext("vcpu")),
            memory_mib=_mebibytes(domain.find("memory")),
            os=os.OperatingSystem.from_element(domain.find("os")),
            cpu=cpu.Cpu("custom") if processor is None else cpu.Cpu.from_element(processor),
            ownership=None if ours is None else metadata.Ownership.from_element(ours),
            disks=tuple(disk.Disk.from_element(e) for e in domain.findall("devices/disk")),
            pci_ports=tuple(
                controller.PciRootPort.from_element(e)
                for e in controllers
                if controller.PciRootPort.matches(e)
            ),
            has_virtio_scsi=any(controller.VirtioScsi.matches(e) for e in controllers),
            console=None if console is None else serial.FileSerial.from_element(console),
        )

    def disk_with_serial(self, wanted: str) -> disk.Disk | None:
        """The disk of that volume, if the guest has it."""
        return next((d for d in self.disks if d.serial == wanted), None)

    def _add_devices(self, domain: text.Element) -> None:
        devices = text.child(domain, "devices")
        for each in self.disks:
            devices.append(each.to_element())
        text.child(devices, "controller", type="pci", index="0", model="pcie-root")
        for port in self.pci_ports:
            devices.append(port.to_element())
        for index in range(self._scsi_controllers()):
            devices.append(controller.VirtioScsi(index).to_element())
        # Nobody plugs in USB: its controller would take a slot.
        text.child(devices, "controller", type="usb", model="none")
        if self.console is not None:
            devices.append(self.console.to_element())
        text.child(devices, "memballoon", model="none")

    def _scsi_controllers(self) -> int:
        """How many the disks need: one that libvirt adds has another model."""
        if not self.has_virtio_scsi:
            return 0
        targets = [each.target for each in self.disks if each.bus == "scsi"]
        return 1 + max((controller.scsi_place(target)[0] for target in targets), default=0)


_BYTES = {"b": 1, "bytes": 1, "KiB": 2**10, "k": 2**10, "MiB": 2**20, "GiB": 2**30}


def _mebibytes(element: text.Element) -> int:
    return int(element.text) * _BYTES[element.get("unit", "KiB")] // _BYTES["MiB"]
