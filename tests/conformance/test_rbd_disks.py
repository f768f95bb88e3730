"""``images_type=rbd``: disks in a pool that hosts share."""

import hashlib
import os
import re
import subprocess
import uuid

import pytest

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite.virt import ceph
from nova_lite.virt import interface
from nova_lite.virt.libvirt.disks import rbd
from tests.conformance import conftest
from tests.conformance import factories
from tests.conformance import test_guest_system

MIB = 2**20

guest_image = test_guest_system.guest_image


def create(driver, instance, image, **devices):
    return driver.disks.create(instance, factories.block_device_info(**devices), image)


def names(lab, instance):
    """Of the server's images in the pool, and of its files."""
    images = conftest.images_of(lab.cluster, "vms")
    ours = sorted(name for name in images if name.startswith(instance.uuid))
    folder = lab.path / "state" / "instances" / instance.uuid
    return [name.removeprefix(instance.uuid) for name in ours], sorted(os.listdir(folder))


def test_what_is_in_the_pool_and_what_is_in_the_directory(rbd_lab):
    """S17, S20, S90, S95, S96, B13: the directory has no disk, only the record and
    console; the domain names the image."""
    lab, instance = rbd_lab, factories.instance()
    devices = {
        "ephemerals": [factories.ephemeral_device("vdb", 1), factories.ephemeral_device("vdc", 1)],
        "swap": factories.swap_device("vdd", 16),
    }
    create(lab.driver, instance, lab.root_image(), **devices)
    lab.driver.disks.write_config_drive(instance.uuid, {"a": b"b"})
    assert names(lab, instance) == (
        ["_disk", "_disk.config", "_disk.eph0", "_disk.eph1", "_disk.swap"],
        ["console.log", "disk.info"],
    )
    with lab.cluster.pool("vms") as vms:
        sizes = {
            name: vms.size_bytes(f"{instance.uuid}_{name}")
            for name in ("disk", "disk.eph0", "disk.swap")
        }
    assert sizes == {"disk": 2**30, "disk.eph0": 2**30, "disk.swap": 16 * MIB}
    source = lab.driver.disks.source_of(instance.uuid, "disk")
    assert (source.source_type, source.network.protocol) == ("network", "rbd")
    assert (source.path, source.disk_format) == (f"vms/{instance.uuid}_disk", "raw")
    # The second server imports nothing.
    line = create(lab.driver, factories.instance(), lab.root_image(), **devices)
    assert line.count("0 bytes copied") == 4


def test_a_flavor_with_an_ephemeral_nobody_asked_for(rbd_lab):
    """S92: ``_disk.local``."""
    instance = factories.instance(ephemeral_gib=1)
    create(rbd_lab.driver, instance, rbd_lab.root_image())
    assert names(rbd_lab, instance)[0] == ["_disk", "_disk.local"]


def test_a_volume_backed_server_has_no_root_in_the_pool(rbd_lab):
    """S95: and its ephemeral and swap are images all the same."""
    instance = factories.instance()
    create(rbd_lab.driver, instance, None, swap=factories.swap_device("vdb", 16))
    assert names(rbd_lab, instance)[0] == ["_disk.swap"]


def test_ephemeral_disks_read_zeros_where_no_file_system_is(rbd_lab):
    """Residual data: nothing of another tenant."""
    lab, instance = rbd_lab, factories.instance()
    old = factories.instance()
    devices = {"ephemerals": [factories.ephemeral_device("vdb", 1)]}
    create(lab.driver, old, lab.root_image(), **devices)
    with lab.cluster.pool("vms") as vms:
        vms.write(f"{old.uuid}_disk.eph0", b"secret of a tenant" * 4096)
    lab.driver.disks.remove(old.uuid)
    create(lab.driver, instance, lab.root_image(), **devices)
    with lab.cluster.pool("vms") as vms:
        start = vms.read(f"{instance.uuid}_disk.eph0", 0, 4 * MIB)
    assert b"secret" not in start
    # Nor is the parent ever written through a clone.
    assert start[:1024] == bytes(1024)


class TestTwoHosts:
    """A build that failed over: the first host comes back and cleans up."""

    @pytest.fixture
    def second(self, rbd_lab):
        return rbd_lab.new_driver(default__state_path=str(rbd_lab.path / "second"))

    def test_the_first_host_does_not_remove_what_the_second_made(self, rbd_lab, second):
        lab, instance, image = rbd_lab, factories.instance(), rbd_lab.root_image()
        create(second, instance, image)
        lab.driver.disks.remove(instance.uuid)
        assert f"{instance.uuid}_disk" in conftest.images_of(lab.cluster, "vms")
        second.disks.remove(instance.uuid)
        assert f"{instance.uuid}_disk" not in conftest.images_of(lab.cluster, "vms")

    def test_nor_what_the_second_took_over(self, rbd_lab, second):
        lab, instance, image = rbd_lab, factories.instance(), rbd_lab.root_image()
        create(lab.driver, instance, image)
        assert create(second, instance, image) == "disk kept"
        lab.driver.disks.remove(instance.uuid)
        with lab.cluster.pool("vms") as vms:
            owner = vms.metadata(f"{instance.uuid}_disk", rbd.OWNER_KEY)
        assert owner == second.host.node_uuid()

    def test_a_disk_that_a_guest_still_writes_is_not_taken(self, rbd_lab, second):
        """Two guests on one file system would destroy it."""
        lab, image = rbd_lab, rbd_lab.root_image()
        instance = factories.instance()
        lab.spawn(root_image=image, instance=instance)
        with pytest.raises(exceptions.RbdImageBusy, match="is open at"):
            create(second, instance, image)
        # The build's undo on the second host.
        second.disks.remove(instance.uuid)
        assert lab.driver.guests.info(instance.uuid).power_state == 1
        assert f"{instance.uuid}_disk" in conftest.images_of(lab.cluster, "vms")

    def test_a_part_of_another_host_is_let_alone(self, rbd_lab, second):
        lab, instance = rbd_lab, factories.instance()
        part = f"{instance.uuid}_disk.{second.host.node_uuid()}{rbd.PART}"
        with lab.cluster.pool("vms") as vms:
            vms.create(part, MIB)
            lab.driver.disks.remove(instance.uuid)
            assert vms.exists(part)
            second.disks.remove(instance.uuid)
            assert not vms.exists(part)


def test_what_was_cloned_from_a_disk_outlives_it(rbd_lab):
    """A snapshot of a server is made independent before its disk goes."""
    lab, instance = rbd_lab, factories.instance()
    create(lab.driver, instance, lab.root_image())
    disk, copy = f"{instance.uuid}_disk", f"copy-{instance.uuid}"
    data = os.urandom(MIB)
    with lab.cluster.pool("vms") as vms:
        vms.write(disk, data)
        vms.create_snapshot(disk, "snap", protect=True)
        vms.clone(ceph.Snapshot("vms", disk, "snap"), copy)
        lab.driver.disks.remove(instance.uuid)
        assert not vms.exists(disk)
        assert vms.parent(copy) is None
        assert vms.read(copy, 0, MIB) == data


def test_a_guest_boots_from_a_clone_and_leaves_nothing(rbd_lab, guest_image):
    """S9, S20, S220: librbd inside QEMU; S74: and gone after delete."""
    lab = rbd_lab
    image_id = str(uuid.uuid4())
    before = conftest.images_of(lab.cluster, "vms")
    snapshot = lab.glance_image(guest_image, image_id)
    image = interface.RootImage(image_id, str(snapshot), "raw", guest_image.stat().st_size)
    instance = factories.instance(memory_mib=128)
    instance_uuid = lab.spawn(root_image=image, instance=instance)
    assert concurrency.wait_until(
        lambda: b"NOVA-LITE-GUEST: root-disk vda" in lab.driver.consoles.output(instance_uuid),
        90,
        0.2,
    )
    with lab.cluster.pool("vms") as vms:
        use = vms.use(f"{instance_uuid}_disk")
        assert len(use.watchers) == 1
        assert use.locks == () or use.locks[0].is_automatic
        assert vms.size_bytes(f"{instance_uuid}_disk") == 2**30
    lab.driver.guests.destroy(instance_uuid)
    lab.driver.disks.remove(instance_uuid)
    assert conftest.images_of(lab.cluster, "vms") == before
    with lab.cluster.pool("images") as images:
        content = images.read(image_id, 0, guest_image.stat().st_size)
    assert hashlib.sha256(content).digest() == hashlib.sha256(guest_image.read_bytes()).digest()


class TestStart:
    """Of a server that was stopped: libvirt kept no key, and Ceph may have moved."""

    @pytest.fixture
    def stopped(self, rbd_lab):
        instance_uuid = rbd_lab.spawn(
            root_image=rbd_lab.root_image(),
            ephemerals=[factories.ephemeral_device("vdb")],
            config_drive=lambda _places: {"a": b"b"},
        )
        rbd_lab.driver.power.power_off(instance_uuid, 0)
        return instance_uuid

    def test_when_libvirt_has_forgotten_the_key(self, rbd_lab, stopped):
        """As it does with each restart of itself or of the host."""
        (secret,) = secrets_of(stopped)
        virsh("secret-undefine", secret)
        for driver in (rbd_lab.driver, rbd_lab.new_driver()):
            driver.power.power_on(stopped)
            assert driver.guests.info(stopped).power_state == 1
            driver.power.power_off(stopped, 0)

    def test_when_ceph_has_other_monitors(self, rbd_lab, stopped):
        """Its definition follows, and nothing else of it changes."""
        before = virsh("dumpxml", "--inactive", stopped)
        monitor = re.search(r"<host name='127.0.0.1' port='(\d+)'/>", before)
        old = before.replace(
            monitor.group(), f"{monitor.group()}<host name='127.0.0.9' port='1'/>"
        )
        assert old.count("127.0.0.9") == 3
        path = rbd_lab.path / "old.xml"
        path.write_text(old)
        virsh("define", str(path))
        rbd_lab.driver.power.power_on(stopped)
        assert rbd_lab.driver.guests.info(stopped).power_state == 1
        assert virsh("dumpxml", "--inactive", stopped) == before


def virsh(*arguments):
    done = subprocess.run(
        ["virsh", "-c", "qemu:///system", *arguments],
        check=True, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    return done.stdout


def secrets_of(instance_uuid):
    """The libvirt secrets that a definition names."""
    return set(
        re.findall(r"<secret type='ceph' uuid='([0-9a-f-]+)'/>", virsh("dumpxml", instance_uuid))
    )


def test_the_room_is_the_pools(rbd_lab):
    """What the scheduler is told is not the room of ``instances_path``."""

    def is_told():
        told = rbd_lab.driver.host.resources().disk_gib
        return told == rbd_lab.cluster.capacity_bytes("vms") // 2**30

    # It changes while one is asked after the other.
    assert concurrency.wait_until(is_told, 60, 0.5)
