"""RULES B5."""

import itertools

import pytest

from nova_lite import objects
from nova_lite.blockdev import naming


def device(**fields: object) -> objects.BlockDeviceMapping:
    values = {"uuid": "8d7a3a4e-0000-4000-8000-000000000000", "boot_index": -1} | fields
    return objects.BlockDeviceMapping(**values)


ROOT = {"source_type": "image", "destination_type": "local", "boot_index": 0}
EPHEMERAL = {"source_type": "blank", "destination_type": "local"}
SWAP = EPHEMERAL | {"guest_format": "swap"}
VOLUME = {"source_type": "volume", "destination_type": "volume"}


def test_order_is_root_ephemerals_swap_volumes() -> None:
    """S108."""
    devices = [device(**kind) for kind in (VOLUME, SWAP, EPHEMERAL, ROOT, EPHEMERAL)]
    assert naming.assign(devices) == "/dev/vda"
    assert [d.device_name for d in devices] == [
        "/dev/vde", "/dev/vdd", "/dev/vdb", "/dev/vda", "/dev/vdc",
    ]  # fmt: skip


def test_letters_count_a_prefix() -> None:
    devices = [device(**ROOT), device(**VOLUME, disk_bus="scsi"), device(**VOLUME, disk_bus="usb")]
    naming.assign(devices)
    assert [d.device_name for d in devices] == ["/dev/vda", "/dev/sda", "/dev/sdb"]


def test_a_users_name_is_advice() -> None:
    """S49."""
    devices = [device(**ROOT, device_name="/dev/vdq")]
    assert naming.assign(devices) == "/dev/vda"


@pytest.mark.parametrize(
    ("fields", "properties", "bus", "name"),
    [
        ({}, {}, "virtio", "/dev/vda"),
        ({"device_type": "cdrom"}, {}, "sata", "/dev/sda"),
        ({"device_type": "floppy"}, {}, "fdc", "/dev/fda"),
        ({"device_type": "lun"}, {}, "scsi", "/dev/sda"),
        ({}, {"hw_disk_bus": "scsi"}, "scsi", "/dev/sda"),
        ({"device_type": "cdrom"}, {"hw_disk_bus": "virtio"}, "sata", "/dev/sda"),
        ({"device_type": "cdrom"}, {"hw_cdrom_bus": "scsi"}, "scsi", "/dev/sda"),
        ({"disk_bus": "usb"}, {"hw_disk_bus": "scsi"}, "usb", "/dev/sda"),
        ({}, {"hw_disk_bus": "punched cards"}, "virtio", "/dev/vda"),
    ],
)
def test_the_bus_is_asked_for_or_the_images_or_the_usual_one(
    fields: dict[str, object], properties: dict[str, str], bus: str, name: str
) -> None:
    """S48, S60."""
    volume = device(**VOLUME, **fields)
    naming.assign([volume], properties)
    assert (volume.disk_bus, volume.device_name) == (bus, name)


def test_no_root_no_name() -> None:
    assert naming.assign([device(**VOLUME)]) is None


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ([], "/dev/vda"),
        (["/dev/vda", "vdb", None], "/dev/vdc"),
        (["/dev/vdb"], "/dev/vda"),
        (list(itertools.islice(naming.names("vd"), 26)), "/dev/vdaa"),
        (list(itertools.islice(naming.names("vd"), 26 + 676)), "/dev/vdaaa"),
    ],
)
def test_next_free(taken: list[str | None], expected: str) -> None:
    assert naming.next_free(taken) == expected
