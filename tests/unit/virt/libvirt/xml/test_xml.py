"""What is written is what is read, for each element and for whole domains."""

import dataclasses
import uuid

import hypothesis
import pytest
from hypothesis import strategies
from lxml import etree

from nova_lite.virt.libvirt import xml
from nova_lite.virt.libvirt.xml import text

VOLUME_ID = str(uuid.uuid4())


def through_text(element):
    return text.parse(text.render(element))


DISKS = [
    xml.Disk(source="/a/disk", target="vda", driver_format="qcow2", boot_order=1),
    xml.Disk(
        source="/a/volume",
        target="vdb",
        driver_format="raw",
        cache="none",
        discard="unmap",
        readonly=True,
        serial=VOLUME_ID,
        alias=f"ua-{VOLUME_ID}",
        pci_bus=17,
    ),
    xml.Disk(
        source="/dev/sdx",
        target="sda",
        driver_format="raw",
        bus="scsi",
        device="cdrom",
        source_type="block",
    ),
    xml.Disk(
        source="volumes/volume-1",
        target="vdc",
        driver_format="raw",
        source_type="network",
        shareable=True,
        network=xml.NetworkAccess(
            protocol="rbd",
            hosts=(xml.StorageHost("127.0.0.1", 6789), xml.StorageHost("mon2")),
            username="cinder",
            secret_type="ceph",
            secret_uuid="1f9e8a9c-6c3c-4b7e-8f2c-0d6a4f1b2c3d",
        ),
    ),
    xml.Disk(
        source="iqn.2010-10.org.openstack:volume-1/1",
        target="vdd",
        driver_format="raw",
        source_type="network",
        network=xml.NetworkAccess(
            protocol="iscsi",
            hosts=(xml.StorageHost("127.0.0.1", 3260),),
            initiator_iqn="iqn.1993-08.org.debian:01:host",
        ),
    ),
]


@pytest.mark.parametrize("disk", DISKS, ids=lambda disk: disk.target)
def test_disk(disk):
    assert xml.Disk.from_element(through_text(disk.to_element())) == disk


names = strategies.text(
    alphabet=strategies.characters(min_codepoint=32, exclude_categories=("Cs", "Cc", "Cn"))
)


@hypothesis.given(source=names.filter(bool), serial=names.filter(bool))
def test_no_text_breaks_out_of_its_place(source, serial):
    """Quotes, angle brackets and ampersands are only text."""
    disk = xml.Disk(source=source, target="vda", driver_format="raw", serial=serial)
    assert xml.Disk.from_element(text.parse(disk.to_xml())) == disk


def test_disk_is_written_as_s107_says():
    disk = xml.Disk(source="/a/disk", target="vda", driver_format="qcow2", cache="none")
    element = disk.to_element()
    assert dict(element.attrib) == {"type": "file", "device": "disk"}
    assert dict(element.find("driver").attrib) == {
        "name": "qemu",
        "type": "qcow2",
        "cache": "none",
    }
    assert dict(element.find("target").attrib) == {"dev": "vda", "bus": "virtio"}


def test_a_disk_of_a_type_that_is_never_written_has_no_path():
    element = text.parse("<disk type='nvme'><source type='pci' namespace='1'/></disk>")
    assert xml.Disk.from_element(element).source == ""


def test_libvirt_may_answer_with_auth_beside_the_source():
    element = text.parse(
        "<disk type='network'><auth username='cinder'><secret type='ceph' uuid='u'/></auth>"
        "<source protocol='rbd' name='pool/volume'/></disk>"
    )
    disk = xml.Disk.from_element(element)
    assert disk.source == "pool/volume"
    assert disk.network == xml.NetworkAccess(
        "rbd", username="cinder", secret_type="ceph", secret_uuid="u"
    )


@pytest.mark.parametrize(
    "part",
    [
        xml.Cpu("maximum"),
        xml.PciRootPort(3),
        xml.FileSerial("/a/console.log"),
        xml.OperatingSystem(),
        xml.Ownership(str(uuid.uuid4()), 'a "name" <&>'),
    ],
    ids=lambda part: type(part).__name__,
)
def test_other_parts(part):
    assert type(part).from_element(through_text(part.to_element())) == part


def test_a_name_loses_what_xml_cannot_hold():
    owner = xml.Ownership("node", "a\x00b\nc\ud800")
    assert xml.Ownership.from_element(through_text(owner.to_element())).display_name == "abc"


@pytest.fixture
def domain():
    return xml.Domain(
        virt_type="qemu",
        name="instance-1",
        uuid=str(uuid.uuid4()),
        vcpus=2,
        memory_mib=512,
        os=xml.OperatingSystem(),
        cpu=xml.Cpu("maximum"),
        ownership=xml.Ownership(str(uuid.uuid4()), "a server"),
        disks=tuple(DISKS),
        pci_ports=tuple(xml.PciRootPort(index) for index in (1, 2)),
        has_virtio_scsi=True,
        console=xml.FileSerial("/a/console.log"),
    )


def test_domain(domain):
    assert xml.Domain.from_xml(domain.to_xml()) == domain


def test_smallest_domain(domain):
    small = dataclasses.replace(
        domain, ownership=None, disks=(), pci_ports=(), has_virtio_scsi=False, console=None
    )
    assert xml.Domain.from_xml(small.to_xml()) == small


def test_disks_are_found_by_serial_only(domain):
    """D7."""
    assert domain.disk_with_serial(VOLUME_ID) == DISKS[1]
    assert domain.disk_with_serial("vdb") is None


@pytest.mark.parametrize(
    ("number", "unit"), [("524288", "KiB"), ("512", "MiB"), ("536870912", "b")]
)
def test_memory_in_any_unit(domain, number, unit):
    root = text.parse(domain.to_xml())
    memory = root.find("memory")
    memory.text, memory.attrib["unit"] = number, unit
    assert xml.Domain.from_xml(text.render(root)).memory_mib == 512


def test_no_entity_is_expanded():
    hostile = (
        "<!DOCTYPE d [<!ENTITY e SYSTEM 'file:///etc/hostname'>]><disk><serial>&e;</serial></disk>"
    )
    serial = text.parse(hostile).find("serial")
    assert not serial.text
    assert isinstance(serial[0], etree._Entity)


def test_host_cpu():
    cpu = xml.HostCpu.from_capabilities(
        "<capabilities><host><cpu><arch>x86_64</arch><model>m</model><vendor>v</vendor>"
        "<topology sockets='1' dies='1' cores='2' threads='4'/>"
        "<feature name='a'/><feature name='b'/></cpu></host></capabilities>"
    )
    assert cpu == xml.HostCpu("x86_64", "m", "v", 1, 2, 4, ("a", "b"))


def test_a_backup_names_every_disk():
    """Of one disk a copy is made; libvirt would copy those it is told nothing of."""
    backup = xml.Backup("vda", "/a/copy", "qcow2", left_out=("vdb", "sda"))
    content = backup.to_xml()
    assert xml.Backup.from_xml(content) == backup
    root = text.parse(content)
    assert root.get("mode") == "push"
    assert [(disk.get("name"), disk.get("backup")) for disk in root.findall("disks/disk")] == [
        ("vda", "yes"), ("vdb", "no"), ("sda", "no"),
    ]  # fmt: skip
