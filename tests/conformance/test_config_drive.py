"""The config drive as a disk of the guest, on every driver."""

import pytest

from nova_lite.virt.libvirt.xml import text
from tests.conformance import factories


@pytest.fixture
def lab(storage_lab):
    return storage_lab


FILES = {"openstack/latest/meta_data.json": b"{}"}


def disk_names(lab, instance_uuid):
    disks = lab.driver.volumes.list_disks(instance_uuid)
    # Of the image in Ceph: what follows the server's UUID.
    return [disk.source.rsplit("/", 1)[-1].removeprefix(f"{instance_uuid}_") for disk in disks]


def test_it_is_the_last_disk_and_no_volume(lab):
    """S85: beside the local disks, and nothing that could be detached."""
    instance_uuid = lab.spawn(
        root_image=lab.root_image(),
        swap=factories.swap_device("vdb", 16),
        config_drive=lambda places: FILES,
    )
    assert disk_names(lab, instance_uuid) == ["disk", "disk.swap", "disk.config"]
    assert lab.serials(instance_uuid) == []


def test_a_server_without_one_has_none(lab):
    instance_uuid = lab.spawn(root_image=lab.root_image())
    assert disk_names(lab, instance_uuid) == ["disk"]


def test_its_name_is_free(lab):
    """A disk that is called sda keeps its name; so does one plugged in later."""
    volume = {**lab.volume("sda"), "disk_bus": "scsi"}
    instance_uuid = lab.spawn(lab.volume("vda"), volume, config_drive=lambda places: FILES)
    lab.plug(instance_uuid, {**lab.volume("sdb"), "disk_bus": "scsi"})
    disks = lab.driver.volumes.list_disks(instance_uuid)
    assert sorted(disk.device for disk in disks) == ["sda", "sdb", "sdc", "vda"]
    (drive,) = (disk for disk in disks if disk.source.endswith("disk.config"))
    assert drive.device == "sdb"


def test_it_can_be_written_again_and_goes_with_the_disks(lab):
    instance = factories.instance()
    lab.driver.disks.create(instance, factories.block_device_info(), None)
    lab.driver.disks.write_config_drive(instance.uuid, FILES)
    lab.driver.disks.write_config_drive(instance.uuid, FILES)
    lab.driver.disks.remove(instance.uuid)
    assert lab.driver.disks.list_instances() == []
    # A server that is built here later without one gets none.
    lab.spawn(lab.volume("vda"), instance=instance)
    assert len(disk_names(lab, instance.uuid)) == 1


def test_every_device_has_a_place_of_its_own(lab):
    """S59: known before the guest is defined, for the config drive to tell."""
    found = {}

    def config_drive(places):
        found.update(places)
        return FILES

    lab.spawn(
        lab.volume("vdb"),
        {**lab.volume("sda"), "disk_bus": "scsi"},
        root_image=lab.root_image(),
        config_drive=config_drive,
    )
    assert set(found) == {"vda", "vdb", "sda"}
    assert len(set(found.values())) == 3


def test_libvirt_puts_disks_where_we_said(libvirt_lab):
    """Also on the second controller."""
    lab, found = libvirt_lab, {}

    def config_drive(places):
        found.update(places)
        return FILES

    volumes = [lab.volume("vda"), lab.volume("vdb")]
    volumes += [{**lab.volume(f"sd{letter}"), "disk_bus": "scsi"} for letter in "abcdefghij"]
    instance_uuid = lab.spawn(*volumes, config_drive=config_drive)
    domain = lab.driver.guests._own.get(instance_uuid)
    shown = {}
    for disk in elements(domain, "devices/disk"):
        address = disk.find("address")
        target = disk.find("target").get("dev")
        if address.get("type") == "pci":
            shown[target] = f"0000:{int(address.get('bus'), 16):02x}:00.0"
        else:
            parts = [address.get(name) for name in ("controller", "bus", "target", "unit")]
            shown[target] = ":".join(parts)
    del shown["sdk"]  # the CD
    assert {target: place.address for target, place in found.items()} == shown
    models = {each.get("model") for each in elements(domain, "devices/controller[@type='scsi']")}
    assert models == {"virtio-scsi"}


@pytest.mark.parametrize("bus", ["scsi", "sata"])
def test_libvirt_takes_the_cd_on_either_bus(libvirt_lab, bus):
    lab = libvirt_lab
    instance_uuid = lab.spawn(
        lab.volume("vda"),
        image_meta=factories.image_meta(hw_cdrom_bus=bus),
        config_drive=lambda places: FILES,
    )
    drive = lab.driver.guests._own.get(instance_uuid).live().disks[-1]
    assert (drive.device, drive.bus, drive.readonly) == ("cdrom", bus, True)


def test_only_qemu_may_read_it(libvirt_lab):
    """It can hold the administrator's password."""
    lab = libvirt_lab
    instance_uuid = lab.spawn(lab.volume("vda"), config_drive=lambda places: FILES)
    folder = lab.path / "state" / "instances" / instance_uuid
    assert (folder / "disk.config").stat().st_mode & 0o077 == 0
    assert {path.name for path in folder.iterdir()} == {
        "console.log",
        "disk.config",
        "disk.info",
    }


def elements(domain, path):
    return text.parse(domain._domain.XMLDesc(0)).findall(path)
