"""``<disk>``."""

import dataclasses
import typing

from lxml import etree

from nova_lite.virt.libvirt.xml import text

SourceType: typing.TypeAlias = typing.Literal["file", "block", "network"]

_SOURCE_ATTRIBUTES: typing.Final[dict[str, str]] = {
    "file": "file",
    "block": "dev",
    "network": "name",
}


@dataclasses.dataclass(frozen=True)
class StorageHost:
    """Where a network disk is served."""

    name: str
    port: int | None = None


@dataclasses.dataclass(frozen=True)
class NetworkAccess:
    """How QEMU reaches a network disk by itself.

    No password or key is here: libvirt keeps those as secrets, named by UUID.
    """

    protocol: str
    """``rbd`` or ``iscsi``."""
    hosts: tuple[StorageHost, ...] = ()
    username: str | None = None
    secret_type: str | None = None
    """``ceph`` or ``iscsi``."""
    secret_uuid: str | None = None
    initiator_iqn: str | None = None

    def add_to(self, source: text.Element) -> None:
        """What stands in ``<source>``."""
        source.set("protocol", self.protocol)
        for host in self.hosts:
            element = text.child(source, "host", name=host.name)
            if host.port is not None:
                element.set("port", str(host.port))
        if self.initiator_iqn is not None:
            text.child(text.child(source, "initiator"), "iqn", name=self.initiator_iqn)
        if self.username is not None:
            auth = text.child(source, "auth", username=self.username)
            if self.secret_uuid is not None:
                secret = text.child(auth, "secret", uuid=self.secret_uuid)
                secret.set("type", self.secret_type or self.protocol)

    @classmethod
    def from_element(cls, disk: text.Element) -> "NetworkAccess":
        """What the ``<source>`` of a ``<disk>`` says; libvirt takes ``<auth>``
        beside it too."""
        auth = disk.find("source/auth")
        if auth is None:
            auth = disk.find("auth")
        secret = None if auth is None else auth.find("secret")
        return cls(
            protocol=text.attribute(disk, "source", "protocol") or "",
            hosts=tuple(
                StorageHost(
                    element.get("name") or "",
                    int(element.get("port")) if element.get("port") else None,
                )
                for element in disk.findall("source/host")
            ),
            username=None if auth is None else auth.get("username"),
            secret_type=None if secret is None else secret.get("type"),
            secret_uuid=None if secret is None else secret.get("uuid"),
            initiator_iqn=text.attribute(disk, "source/initiator/iqn", "name"),
        )


@dataclasses.dataclass(frozen=True)
class Disk:
    """A disk of a guest: a file or a block device of the host, or a network disk.

    ``driver_format`` is always written and never guessed: QEMU would take it
    from bytes that the guest can write.
    """

    source: str
    """A path, or a network disk's name (``pool/image``, ``iqn…/lun``)."""
    target: str
    """``vdb``; a hint to the guest, not an identity."""
    driver_format: str
    """``raw`` or ``qcow2``."""
    bus: str = "virtio"
    device: str = "disk"
    """``disk``, ``cdrom`` or ``floppy``."""
    source_type: SourceType = "file"
    network: NetworkAccess | None = None
    """Of a network disk."""
    luks_secret_uuid: str | None = None
    """The secret whose value opens a disk that is LUKS; QEMU decrypts it."""
    cache: str | None = None
    discard: str | None = None
    readonly: bool = False
    shareable: bool = False
    """Other guests may have it too: libvirt then neither locks nor labels it."""
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
        self._add_source(disk)
        text.child(disk, "target", dev=self.target, bus=self.bus)
        if self.readonly:
            text.child(disk, "readonly")
        if self.shareable:
            text.child(disk, "shareable")
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

    def _add_source(self, disk: text.Element) -> None:
        source = text.child(disk, "source", **{self._source_attribute: self.source})
        if self.network is not None:
            self.network.add_to(source)
        if self.luks_secret_uuid is not None:
            encryption = text.child(source, "encryption", format="luks")
            text.child(encryption, "secret", type="passphrase", uuid=self.luks_secret_uuid)

    def to_xml(self) -> str:
        """The text to attach or detach it with."""
        return text.render(self.to_element())

    @classmethod
    def from_element(cls, element: text.Element) -> "Disk":
        """What a ``<disk>`` says. A source of a type we never write is given as an
        empty path."""
        source_type = element.get("type")
        if source_type not in _SOURCE_ATTRIBUTES:
            source_type = "file"
        source = text.attribute(element, "source", _SOURCE_ATTRIBUTES[source_type])
        boot_order = text.attribute(element, "boot", "order")
        pci_bus = text.attribute(element, "address[@type='pci']", "bus")
        return cls(
            source=source or "",
            target=text.attribute(element, "target", "dev") or "",
            driver_format=text.attribute(element, "driver", "type") or "raw",
            bus=text.attribute(element, "target", "bus") or "virtio",
            device=element.get("device", "disk"),
            source_type=source_type,
            network=NetworkAccess.from_element(element) if source_type == "network" else None,
            luks_secret_uuid=text.attribute(element, "source/encryption/secret", "uuid"),
            cache=text.attribute(element, "driver", "cache"),
            discard=text.attribute(element, "driver", "discard"),
            readonly=element.find("readonly") is not None,
            shareable=element.find("shareable") is not None,
            serial=element.findtext("serial"),
            boot_order=int(boot_order) if boot_order else None,
            alias=text.attribute(element, "alias", "name"),
            pci_bus=int(pci_bus, 16) if pci_bus else None,
        )

    def is_at(self, other: "Disk") -> bool:
        """Whether both are the same file, device or network disk."""
        return (self.source_type, self.source) == (other.source_type, other.source)

    @property
    def _source_attribute(self) -> str:
        return _SOURCE_ATTRIBUTES[self.source_type]
