"""Local disks and the guests that have them."""

import json
import pathlib
import struct
import subprocess

from tests.conformance import factories


def spawn(lab, instance, image):
    info = factories.block_device_info(
        ephemerals=[factories.ephemeral_device("vdb", 1)], swap=factories.swap_device("vdc", 16)
    )
    lab.driver.disks.create(instance, info, image)
    lab.driver.guests.spawn(instance, factories.image_meta(), info, image)


def test_local_disks_live_and_die_with_their_server(storage_lab):
    """S74, S75: kept over stop, start and hard reboot; gone after delete."""
    lab = storage_lab
    instance, image = factories.instance(), lab.root_image()
    spawn(lab, instance, image)
    before = lab.driver.volumes.list_disks(instance.uuid)
    assert [disk.device for disk in before] == ["vda", "vdb", "vdc"]
    inodes = _inodes(before)
    lab.driver.power.power_off(instance.uuid, 0)
    lab.driver.power.power_on(instance.uuid)
    # A hard reboot defines the guest anew, over the disks that are there.
    lab.driver.guests.destroy(instance.uuid)
    spawn(lab, instance, image)
    assert lab.driver.volumes.list_disks(instance.uuid) == before
    assert _inodes(before) == inodes
    lab.driver.guests.destroy(instance.uuid)
    lab.driver.disks.remove(instance.uuid)
    assert instance.uuid not in lab.driver.disks.list_instances()
    assert _inodes(before) == {}


def _inodes(disks):
    """Of the files that there are; the fake has none."""
    paths = [pathlib.Path(disk.source) for disk in disks]
    return {path: path.stat().st_ino for path in paths if path.exists()}


def _hostile_header(backing_file):
    header = struct.pack(">4sIQIIQ", b"QFI\xfb", 2, 72, len(backing_file), 16, 2**30)
    return header.ljust(72, b"\0") + backing_file


def test_a_qcow2_header_in_a_raw_disk_stays_data(libvirt_lab):
    """S18, S89, CVE-2026-24708: what a guest writes into its raw disk never becomes the
    disk's format, whoever reads it later."""
    lab = libvirt_lab
    lab.driver = lab.new_driver(libvirt__images_type="raw")
    secret = lab.path / "secret"
    secret.write_text("of another tenant")
    instance, image = factories.instance(), lab.root_image()
    spawn(lab, instance, image)
    lab.driver.power.power_off(instance.uuid, 0)
    root = pathlib.Path(lab.driver.volumes.list_disks(instance.uuid)[0].source)
    with root.open("r+b") as file:
        file.write(_hostile_header(str(secret).encode()))

    lab.driver.guests.destroy(instance.uuid)
    spawn(lab, instance, image)
    xml = subprocess.run(
        ["virsh", "-c", "qemu:///system", "dumpxml", instance.uuid],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout
    assert xml.count("<driver name='qemu' type='raw'") == 3
    assert "backingStore type" not in xml
    assert str(secret) not in xml
    in_use, _report = lab.driver.disks.remove_unused_bases()
    assert in_use == set()
    recorded = json.loads(root.with_name("disk.info").read_text())
    assert set(recorded.values()) == {"raw"}
