"""Where disks are in a guest. That libvirt agrees is tests/conformance's business."""

import pytest

from nova_lite.virt import interface
from nova_lite.virt.libvirt import places
from nova_lite.virt.libvirt import xml


def disk(target, bus):
    return xml.Disk(source=f"/{target}", target=target, driver_format="raw", bus=bus)


def test_virtio_disks_get_ports_in_order_while_there_are_any():
    disks = [disk("vda", "virtio"), disk("sda", "scsi"), disk("vdb", "virtio")]
    disks.append(disk("vdc", "virtio"))
    assert [each.pci_bus for each in places.assign(disks, 2)] == [1, None, 2, None]


@pytest.mark.parametrize(
    ("target", "address"),
    [
        ("sda", "0:0:0:0"),
        ("sdg", "0:0:0:6"),
        ("sdh", "1:0:0:0"),
        ("sdaa", "3:0:0:5"),
        ("vdb", "0:0:0:1"),
        ("xvdb", "0:0:0:1"),
        ("sda1", "0:0:0:0"),
    ],
)
def test_scsi_disks_are_where_their_names_say(target, address):
    assert places.of(disk(target, "scsi")) == interface.DevicePlace("scsi", address)


def test_other_buses_have_no_address():
    assert places.of(disk("sda", "sata")) == interface.DevicePlace("none", "none")
