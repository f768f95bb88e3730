"""What every driver tells of its host (nova_lite.virt.interface.InventoryOps)."""

import pathlib
import subprocess
import uuid

from nova_lite import durable
from nova_lite import states


def one(found):
    (item,) = found
    return item


def test_nothing(lab):
    inventory = lab.driver.inventory
    assert inventory.guests() == []
    assert inventory.folders() == []
    assert inventory.connections() == []
    assert inventory.images() == []


def test_a_guest_with_its_disks(lab):
    """As it runs and as it is defined: the same, in the order of the bus."""
    volume = lab.volume("vdb")
    instance_uuid = lab.spawn(volume, root_image=lab.root_image())
    guest = one(lab.driver.inventory.guests())
    assert guest.instance_uuid == instance_uuid
    assert guest.power_state == states.PowerState.RUNNING
    for disks in (guest.live, guest.defined):
        assert [(disk.device, disk.serial, disk.is_missing) for disk in disks] == [
            ("vda", None, False),
            ("vdb", volume["connection_info"]["serial"], False),
        ]
        assert disks[1].source_type == "file"
    folder = one(lab.driver.inventory.folders())
    assert folder.instance_uuid == instance_uuid
    assert folder.leftovers == []


def test_a_guest_that_does_not_run(lab):
    instance_uuid = lab.spawn(root_image=lab.root_image())
    lab.driver.power.power_off(instance_uuid, 0)
    guest = one(lab.driver.inventory.guests())
    assert guest.live is None
    assert [disk.device for disk in guest.defined] == ["vda"]


def test_connections_name_their_users(lab):
    volume = lab.volume("vdb")
    instance_uuid = lab.spawn(volume, root_image=lab.root_image())
    lab.driver.volumes.connect(volume["connection_info"], instance_uuid)
    found = {(c.volume_id, c.instance_uuid) for c in lab.driver.inventory.connections()}
    assert (volume["connection_info"]["serial"], instance_uuid) in found
    mine = lab.driver.inventory.connections(instance_uuid)
    assert [(c.volume_id, c.instance_uuid) for c in mine] == [
        (volume["connection_info"]["serial"], instance_uuid)
    ]


def test_one_server_only(lab):
    first = lab.spawn(root_image=lab.root_image())
    lab.spawn(root_image=lab.root_image())
    assert one(lab.driver.inventory.guests(first)).instance_uuid == first
    assert one(lab.driver.inventory.folders(first)).instance_uuid == first
    nobody = str(uuid.uuid4())
    assert lab.driver.inventory.guests(nobody) == []
    assert lab.driver.inventory.folders(nobody) == []


def test_a_removed_server_is_gone(lab):
    instance_uuid = lab.spawn(root_image=lab.root_image())
    lab.driver.guests.destroy(instance_uuid)
    assert lab.driver.inventory.guests() == []
    assert one(lab.driver.inventory.folders()).instance_uuid == instance_uuid
    lab.driver.disks.remove(instance_uuid)
    assert lab.driver.inventory.folders() == []


def test_plugging_again_mends_the_definition(libvirt_lab):
    """What runs and what is defined can differ, and one call makes them alike."""
    lab, volume = libvirt_lab, libvirt_lab.volume("vdb")
    instance_uuid = lab.spawn(volume, root_image=lab.root_image())
    serial = volume["connection_info"]["serial"]
    virsh("detach-disk", instance_uuid, "vdb", "--config")
    guest = one(lab.driver.inventory.guests())
    assert serial in {disk.serial for disk in guest.live}
    assert serial not in {disk.serial for disk in guest.defined}
    lab.driver.volumes.plug(instance_uuid, volume)
    guest = one(lab.driver.inventory.guests())
    assert serial in {disk.serial for disk in guest.defined}


def test_a_file_that_is_gone_is_missing(libvirt_lab):
    lab = libvirt_lab
    instance_uuid = lab.spawn(root_image=lab.root_image())
    disk = pathlib.Path(one(lab.driver.inventory.guests()).live[0].source)
    leftover = durable.temporary_for(disk)
    disk.rename(leftover)
    guest, folder = one(lab.driver.inventory.guests()), one(lab.driver.inventory.folders())
    assert [each.is_missing for each in guest.live] == [True]
    assert folder.leftovers == [leftover.name]
    leftover.rename(disk)
    assert instance_uuid == guest.instance_uuid


def test_disks_in_ceph(rbd_lab):
    """All by their names; of one server with who has them open."""
    lab = rbd_lab
    instance_uuid, other = (lab.spawn(root_image=lab.root_image()) for _ in range(2))
    names = {image.name for image in lab.driver.inventory.images()}
    assert {f"{instance_uuid}_disk", f"{other}_disk"} <= names
    image = one(lab.driver.inventory.images(instance_uuid))
    assert (image.pool, image.name) == ("vms", f"{instance_uuid}_disk")
    assert image.size_bytes == 2**30
    assert image.parent.startswith("images/")
    assert len(image.watchers) == 1
    guest = one(lab.driver.inventory.guests(instance_uuid))
    assert [disk.source for disk in guest.live] == [f"vms/{instance_uuid}_disk"]
    assert not guest.live[0].is_missing


def test_a_disk_in_ceph_that_is_gone(rbd_lab):
    """It is told by its name only."""
    lab = rbd_lab
    instance_uuid = lab.spawn(root_image=lab.root_image())
    lab.driver.power.power_off(instance_uuid, 0)
    name = f"{instance_uuid}_disk"
    with lab.cluster.pool("vms") as pool:
        pool.rename(name, f"{name}.part")
        image = one(lab.driver.inventory.images(instance_uuid))
        assert (image.name, image.size_bytes, image.watchers) == (name, None, [])
        pool.rename(f"{name}.part", name)


def test_anothers_guests_are_not_told(libvirt_lab):
    """Several nodes may share one libvirtd."""
    lab = libvirt_lab
    lab.spawn(root_image=lab.root_image())
    other = lab.new_driver(default__state_path=str(lab.path / "other"))
    assert other.inventory.guests() == []


def virsh(*words):
    subprocess.run(
        ["virsh", "-c", "qemu:///system", *words], check=True, capture_output=True, timeout=30
    )
