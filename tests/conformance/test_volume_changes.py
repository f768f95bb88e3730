"""Volumes that grow or move while guests have them, in every driver."""

import json
import pathlib
import subprocess
import uuid

import pytest

from nova_lite import exceptions
from nova_lite.volume import host_side
from nova_lite.volume import keys
from tests.conformance import test_guest_system
from tests.conformance import test_transports

guest_image = test_guest_system.guest_image

MIB = 2**20
GIB_MIB = 1024


def size_in_guest(lab, instance_uuid, serial):
    """What the hypervisor shows the guest, in bytes; None if it was never told."""
    if lab.name == "fake":
        return lab.driver.world.guests[instance_uuid].sizes_bytes.get(serial)
    disks = lab.driver.volumes.list_disks(instance_uuid)
    target = next(disk.device for disk in disks if disk.serial == serial)
    command = ["virsh", "-c", "qemu:///system", "domblkinfo", instance_uuid, target]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    return next(int(line.split()[1]) for line in text.splitlines() if "Capacity" in line)


def grow(device, size_mib):
    """What Cinder does before it tells us."""
    with pathlib.Path(device["connection_info"]["data"]["device_path"]).open("r+b") as file:
        file.truncate(size_mib * MIB)


def target_of(lab, device, instance_uuid, size_mib=4):
    """A volume to move ``device`` to: another one, but with its serial in the guest."""
    volume_id = str(uuid.uuid4())
    path = lab.path / f"volume-{volume_id}"
    with path.open("wb") as file:
        file.truncate(size_mib * MIB)
    new = json.loads(json.dumps(device))
    new["connection_info"]["data"]["device_path"] = str(path)
    new["connection_info"][host_side.CONNECTED_AS] = volume_id
    lab.driver.volumes.connect(new["connection_info"], instance_uuid)
    return new


def content(device):
    return pathlib.Path(device["connection_info"]["data"]["device_path"]).read_bytes()


@pytest.fixture
def data(lab):
    """A data volume with something on it, and the server that has it."""
    instance_uuid = lab.spawn(lab.volume("vda"))
    device = lab.volume("vdb")
    with pathlib.Path(device["connection_info"]["data"]["device_path"]).open("r+b") as file:
        file.seek(MIB)
        file.write(b"nova_lite" * 1000)
    lab.plug(instance_uuid, device)
    return device, instance_uuid


class TestExtend:
    def test_a_running_guest_sees_the_new_size(self, lab, data):
        device, instance_uuid = data
        serial = device["connection_info"]["serial"]
        grow(device, 9)
        for _ in range(2):
            lab.driver.volumes.extend(instance_uuid, device["connection_info"], 9 * MIB)
            assert size_in_guest(lab, instance_uuid, serial) == 9 * MIB

    def test_a_guest_that_is_off_needs_nothing(self, lab, data):
        device, instance_uuid = data
        lab.driver.power.power_off(instance_uuid, 0)
        grow(device, 9)
        lab.driver.volumes.extend(instance_uuid, device["connection_info"], 9 * MIB)
        lab.driver.power.power_on(instance_uuid)
        assert device["connection_info"]["serial"] in lab.serials(instance_uuid)

    def test_no_guest_needs_nothing(self, lab):
        info = lab.volume()["connection_info"]
        lab.driver.volumes.extend(str(uuid.uuid4()), info, 9 * MIB)


class TestSwap:
    def swap(self, lab, instance_uuid, old, new, wanted=True):
        lab.driver.volumes.swap(
            instance_uuid, old["connection_info"], new, is_wanted=lambda: wanted
        )

    def test_the_guest_goes_on_with_the_new_volume(self, lab, data):
        """Now and after a restart; its disk has the same name and serial."""
        old, instance_uuid = data
        serial = old["connection_info"]["serial"]
        before = {d.device: d.serial for d in lab.driver.volumes.list_disks(instance_uuid)}
        new = target_of(lab, old, instance_uuid)
        volumes = lab.driver.volumes
        assert volumes.is_backed_by(instance_uuid, serial, old["connection_info"])
        self.swap(lab, instance_uuid, old, new)
        assert volumes.is_backed_by(instance_uuid, serial, new["connection_info"])
        assert not volumes.is_backed_by(instance_uuid, serial, old["connection_info"])
        assert {d.device: d.serial for d in volumes.list_disks(instance_uuid)} == before
        if lab.name == "libvirt":
            assert content(new) == content(old)
        volumes.disconnect(old["connection_info"], instance_uuid)
        lab.driver.power.power_off(instance_uuid, 0)
        lab.driver.power.power_on(instance_uuid)
        assert volumes.is_backed_by(instance_uuid, serial, new["connection_info"])
        lab.driver.power.power_off(instance_uuid, 0)
        volumes.unplug(instance_uuid, serial)
        volumes.disconnect(new["connection_info"], instance_uuid)

    def test_swapped_already_is_success(self, lab, data):
        old, instance_uuid = data
        new = target_of(lab, old, instance_uuid)
        for _ in range(2):
            self.swap(lab, instance_uuid, old, new)
        assert lab.driver.volumes.is_backed_by(
            instance_uuid, old["connection_info"]["serial"], new["connection_info"]
        )

    def test_an_unwanted_copy_is_given_up(self, lab, data):
        old, instance_uuid = data
        new = target_of(lab, old, instance_uuid, size_mib=4)
        with pytest.raises(exceptions.VolumeCopyStopped):
            self.swap(lab, instance_uuid, old, new, wanted=False)
        assert lab.driver.volumes.is_backed_by(
            instance_uuid, old["connection_info"]["serial"], old["connection_info"]
        )
        lab.driver.volumes.disconnect(new["connection_info"], instance_uuid)

    def test_a_copy_that_cannot_begin_changes_nothing(self, lab, data):
        """The new volume went away after it was connected."""
        old, instance_uuid = data
        new = target_of(lab, old, instance_uuid)
        lab.driver.volumes.disconnect(new["connection_info"], instance_uuid)
        pathlib.Path(new["connection_info"]["data"]["device_path"]).unlink()
        with pytest.raises(exceptions.HypervisorError):
            self.swap(lab, instance_uuid, old, new)
        assert lab.driver.volumes.is_backed_by(
            instance_uuid, old["connection_info"]["serial"], old["connection_info"]
        )

    def test_a_guest_that_is_off_cannot_be_swapped(self, lab, data):
        old, instance_uuid = data
        new = target_of(lab, old, instance_uuid)
        lab.driver.power.power_off(instance_uuid, 0)
        with pytest.raises(exceptions.GuestNotFound):
            self.swap(lab, instance_uuid, old, new)

    def test_abandoning_no_copy_is_success(self, lab, data):
        old, instance_uuid = data
        lab.driver.volumes.abandon_swap(instance_uuid, old["connection_info"])
        assert old["connection_info"]["serial"] in lab.serials(instance_uuid)


def test_an_encrypted_disk_grows(libvirt_lab, guest_image):
    """By what its volume grows; LUKS's header stays as large as it is."""
    lab = libvirt_lab
    booted = test_guest_system.Booted(lab, guest_image)
    device = lab.volume("vdb", size_mib=1)
    info = device["connection_info"]
    info["data"]["encrypted"] = True
    test_transports.make_luks(pathlib.Path(info["data"]["device_path"]), 8)
    grow(device, GIB_MIB)
    lab.driver.volumes.connect(
        info, booted.uuid, keys.Encryption("luks", test_transports.PASSPHRASE)
    )
    lab.driver.volumes.plug(booted.uuid, device)
    before = size_in_guest(lab, booted.uuid, info["serial"])
    assert 0 < GIB_MIB * MIB - before < 32 * MIB
    shown = f"vdb serial {info['serial'][: test_guest_system.VIRTIO_SERIAL_LENGTH]}"
    booted.wait_for(f"disk-added {shown} size {before}")
    for _ in range(2):  # twice is as good as once
        grow(device, 2 * GIB_MIB)
        lab.driver.volumes.extend(booted.uuid, info, 2 * GIB_MIB * MIB)
        booted.wait_for(f"disk-resized {shown} size {before + GIB_MIB * MIB}")
    path = pathlib.Path(info["data"]["device_path"])
    assert path.stat().st_size == 2 * GIB_MIB * MIB


def test_a_guests_system_sees_its_disk_grow_and_does_not_see_it_move(libvirt_lab, guest_image):
    """The same disk before and after, larger, on another volume."""
    lab = libvirt_lab
    booted = test_guest_system.Booted(lab, guest_image)
    device = lab.volume("vdb", size_mib=8)
    serial = device["connection_info"]["serial"]
    shown = f"vdb serial {serial[: test_guest_system.VIRTIO_SERIAL_LENGTH]}"
    lab.plug(booted.uuid, device)
    booted.wait_for(f"disk-added {shown} size {8 * MIB}")

    grow(device, 16)
    lab.driver.volumes.extend(booted.uuid, device["connection_info"], 16 * MIB)
    booted.wait_for(f"disk-resized {shown} size {16 * MIB}")

    new = target_of(lab, device, booted.uuid, size_mib=16)
    lab.driver.volumes.swap(booted.uuid, device["connection_info"], new, is_wanted=lambda: True)
    grow(new, 24)
    lab.driver.volumes.extend(booted.uuid, new["connection_info"], 24 * MIB)
    booted.wait_for(f"disk-resized {shown} size {24 * MIB}")
    text = lab.driver.consoles.output(booted.uuid).decode(errors="replace")
    assert "disk-removed" not in text
