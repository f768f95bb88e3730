"""What only a guest with an operating system can answer: it sees disks come,
lets them go, and obeys the power button. It is tools/guest-image's guest, which
tells its serial console what it sees."""

import base64
import hashlib
import json
import pathlib
import re
import subprocess
import sys

import pytest

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import states
from nova_lite.virt.configdrive import content
from tests.conformance import factories

GUEST_IMAGE_TOOL = pathlib.Path(__file__).parents[2] / "tools" / "guest-image"
BOOT_TIMEOUT_S = 90
REACTION_TIMEOUT_S = 30
VIRTIO_SERIAL_LENGTH = 20
"""virtio-blk shows a guest so much of a disk's serial."""


@pytest.fixture(scope="session")
def guest_image(tmp_path_factory):
    if not GUEST_IMAGE_TOOL.exists():
        pytest.skip("tools/guest-image is not in this checkout")
    result = subprocess.run(
        [str(GUEST_IMAGE_TOOL)], capture_output=True, text=True, timeout=300, check=False
    )
    if result.returncode != 0:
        pytest.skip(f"the guest image cannot be built: {result.stderr.strip()}")
    return pathlib.Path(result.stdout.splitlines()[-1])


class Booted:
    """A guest whose system is up, booted from a volume."""

    def __init__(self, lab, guest_image, *volumes, instance=None, **how):
        self.lab = lab
        root = lab.volume("vda", size_mib=64, boot_index=0)
        self.root_serial = root["connection_info"]["serial"]
        with pathlib.Path(root["connection_info"]["data"]["device_path"]).open("r+b") as volume:
            volume.write(guest_image.read_bytes())
        instance = instance or factories.instance(memory_mib=128)
        self.uuid = lab.spawn(root, *volumes, instance=instance, **how)
        self.wait_for("booted", BOOT_TIMEOUT_S)

    def wait_for(self, pattern, timeout_s=REACTION_TIMEOUT_S):
        """Wait until the guest says so on its console; returns the match."""
        said = re.compile(rf"NOVA-LITE-GUEST: {pattern}")
        found = None

        def has_said():
            nonlocal found
            text = self.lab.driver.consoles.output(self.uuid).decode(errors="replace")
            found = said.search(text)
            return bool(found)

        assert concurrency.wait_until(has_said, timeout_s, 0.1), (
            f"{pattern!r} is not in:\n"
            + self.lab.driver.consoles.output(self.uuid).decode(errors="replace")[-2000:]
        )
        return found


def test_a_guests_system_sees_its_disks_come_and_go(libvirt_lab, guest_image):
    """S29, S86, S198, S206: the whole life of a volume in one boot."""
    lab = libvirt_lab
    lab.driver = lab.new_driver(libvirt__device_detach_timeout_s=20.0)
    booted = Booted(lab, guest_image)
    booted.wait_for(f"root-disk vda serial {booted.root_serial[:VIRTIO_SERIAL_LENGTH]}")

    volume = lab.volume("vdb", size_mib=8)
    serial = volume["connection_info"]["serial"]
    lab.plug(booted.uuid, volume)
    booted.wait_for(f"disk-added vdb serial {serial[:VIRTIO_SERIAL_LENGTH]} size {8 * 2**20}")

    lab.driver.volumes.unplug(booted.uuid, serial)
    assert lab.serials(booted.uuid) == [booted.root_serial]
    booted.wait_for("disk-removed vdb")

    lab.driver.power.power_off(booted.uuid, REACTION_TIMEOUT_S)
    assert lab.driver.guests.info(booted.uuid).power_state is states.PowerState.SHUTDOWN
    booted.wait_for("powering-off")


def test_a_shutdown_that_is_not_wanted_any_more(libvirt_lab):
    """A guest that does not listen is let alone, and nobody waits for it."""
    power = libvirt_lab.driver.power
    instance_uuid = libvirt_lab.spawn(libvirt_lab.volume("vda"))
    power.power_off(instance_uuid, 3600, is_wanted=lambda: False)
    info = libvirt_lab.driver.guests.info(instance_uuid)
    assert info.power_state is states.PowerState.RUNNING


def test_a_guest_reads_its_config_drive(libvirt_lab, guest_image):
    """S59, S85: who it is, and which disk is the tagged one, by its address."""
    lab = libvirt_lab
    instance = factories.instance(memory_mib=128)
    instance.hostname = "web"
    instance.key_name, instance.key_data = "me", "ssh-ed25519 AAAA me\n"
    instance.user_data = base64.b64encode(b"#!/bin/sh\n").decode()
    virtio, scsi = lab.volume("vdb"), {**lab.volume("sda"), "disk_bus": "scsi"}
    devices = [
        objects.BlockDeviceMapping(
            tag=tag,
            device_name=volume["mount_device"],
            destination_type="volume",
            volume_id=volume["connection_info"]["serial"],
        )
        for tag, volume in (("data", virtio), ("logs", scsi))
    ]

    def config_drive(places):
        found = content.device_metadata(devices, places)
        return content.files(instance, found, admin_password="secret")

    booted = Booted(lab, guest_image, virtio, scsi, instance=instance, config_drive=config_drive)
    user_data, password = (
        hashlib.sha256(text).hexdigest()[:16] for text in (b"#!/bin/sh\n", b"secret")
    )
    booted.wait_for(
        f"config-drive on=sr0 uuid={instance.uuid} hostname=web keys=me devices=data,logs "
        f"user-data={user_data} admin-pass={password}"
    )
    booted.wait_for("config-drive-key me ssh-ed25519 AAAA me")
    booted.wait_for(
        f"config-drive-device tag=data path=/dev/vdb bus=pci address=0000:02:00.0 "
        f"serial={virtio['connection_info']['serial']} is=vdb"
    )
    booted.wait_for(
        f"config-drive-device tag=logs path=/dev/sda bus=scsi address=0:0:0:0 "
        f"serial={scsi['connection_info']['serial']}"
    )
    shown = scsi["connection_info"]["serial"]
    booted.wait_for(f"disk-added sda serial {shown} ")


def test_a_guest_without_a_config_drive_says_so(libvirt_lab, guest_image):
    booted = Booted(libvirt_lab, guest_image)
    booted.wait_for("config-drive none")


def test_a_guest_without_a_system_keeps_its_disk(libvirt_lab):
    """D4: asked a bounded number of times, then the refusal is reported and
    the disk is where it was, now and after a restart."""
    lab = libvirt_lab
    data = lab.volume("vdb")
    serial = data["connection_info"]["serial"]
    instance_uuid = lab.spawn(lab.volume("vda"), data)
    with pytest.raises(exceptions.DeviceDetachRefused, match="vdb"):
        lab.driver.volumes.unplug(instance_uuid, serial)
    assert serial in lab.serials(instance_uuid)
    lab.driver.power.power_off(instance_uuid, 0)
    assert serial in lab.serials(instance_uuid)


def test_the_hub_of_a_green_process_is_never_blocked(libvirt_lab):
    """The daemons are green: libvirt works in native threads, its events
    arrive, and others run meanwhile."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.conformance.green_process", "libvirt", libvirt_lab.path],
        cwd=pathlib.Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told.pop("longest_gap_s") < 1.0
    assert told == {"plugged": 2, "refused": True, "heard": True, "left": 0}
