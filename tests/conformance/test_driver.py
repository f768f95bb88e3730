"""What every hypervisor driver does (nova_lite.virt.interface)."""

import uuid

import pytest

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite import states
from nova_lite.virt import interface
from tests.conformance import factories

RUNNING = states.PowerState.RUNNING
SHUTDOWN = states.PowerState.SHUTDOWN


def test_driver_has_every_part(lab):
    """S14: libvirt's and the fake are of one interface."""
    driver = lab.driver
    for part, kind in {
        "guests": interface.GuestOps,
        "power": interface.PowerOps,
        "images": interface.ImageOps,
        "snapshots": interface.SnapshotOps,
        "disks": interface.DiskOps,
        "volumes": interface.VolumeOps,
        "consoles": interface.ConsoleOps,
        "host": interface.HostOps,
    }.items():
        assert isinstance(getattr(driver, part), kind)


class TestHost:
    def test_resources(self, lab):
        resources = lab.driver.host.resources()
        assert resources.hypervisor_hostname == "conformance"
        assert resources.vcpus >= 1
        assert resources.memory_mib >= 128
        assert resources.disk_gib >= 1
        assert resources.architecture == "x86_64"

    def test_identity_survives_a_restart_and_a_rename(self, lab):
        """D22: the node is a stored UUID."""
        before = lab.driver.host.node_uuid()
        assert str(uuid.UUID(before)) == before
        renamed = lab.new_driver(default__host="renamed")
        assert renamed.host.node_uuid() == before


class TestGuests:
    def test_spawn_from_image(self, lab):
        """S18: on libvirt, its disk is a qcow2 file."""
        instance_uuid = lab.spawn(root_image=lab.root_image())
        info = lab.driver.guests.info(instance_uuid)
        assert info.instance_uuid == instance_uuid
        assert info.power_state is RUNNING
        assert [guest.instance_uuid for guest in lab.driver.guests.list_guests()] == [
            instance_uuid
        ]

    def test_spawn_from_volume_has_no_local_root(self, lab):
        """S95: and the root disk's serial is the volume's id."""
        root = lab.volume("vda", boot_index=0)
        instance_uuid = lab.spawn(root)
        disks = lab.driver.volumes.list_disks(instance_uuid)
        assert [(disk.device, disk.serial) for disk in disks] == [
            ("vda", root["connection_info"]["serial"])
        ]

    def test_order_of_disks(self, lab):
        """S108: vda root, vdb ephemeral, vdc swap, then volumes."""
        data = lab.volume("vdd")
        instance_uuid = lab.spawn(
            data,
            root_image=lab.root_image(),
            ephemerals=[factories.ephemeral_device("vdb")],
            swap=factories.swap_device("vdc", 16),
        )
        disks = lab.driver.volumes.list_disks(instance_uuid)
        assert [disk.device for disk in disks] == ["vda", "vdb", "vdc", "vdd"]
        names = [disk.source.rsplit("/", 1)[-1] for disk in disks[:3]]
        assert names == ["disk", "disk.eph0", "disk.swap"]
        assert [disk.serial for disk in disks] == [
            None,
            None,
            None,
            data["connection_info"]["serial"],
        ]

    def test_spawn_twice_is_refused_and_harms_nothing(self, lab):
        image = lab.root_image()
        instance = factories.instance()
        lab.spawn(instance=instance, root_image=image)
        with pytest.raises(exceptions.HypervisorError, match="exists"):
            lab.spawn(instance=instance, root_image=image)
        assert lab.driver.guests.info(instance.uuid).power_state is RUNNING

    def test_a_failed_spawn_leaves_nothing_defined(self, lab):
        """Its volume was taken away from the host after it was connected."""
        instance, volume = factories.instance(), lab.volume("vda", boot_index=0)
        info = factories.block_device_info(volumes=[volume])
        lab.driver.disks.create(instance, info, None)
        lab.driver.volumes.connect(volume["connection_info"], instance.uuid)
        lab.driver.volumes.disconnect(volume["connection_info"], instance.uuid)
        path = volume["connection_info"]["data"]["device_path"]
        (lab.path / path).unlink()
        with pytest.raises(exceptions.HypervisorError):
            lab.driver.guests.spawn(instance, factories.image_meta(), info, None)
        assert lab.driver.guests.list_guests() == []

    def test_destroy_is_idempotent(self, lab):
        instance_uuid = lab.spawn(lab.volume("vda"))
        lab.driver.guests.destroy(instance_uuid)
        assert lab.driver.guests.list_guests() == []
        lab.driver.guests.destroy(instance_uuid)
        lab.driver.guests.destroy(str(uuid.uuid4()))

    def test_destroy_of_a_stopped_guest(self, lab):
        instance_uuid = lab.spawn(lab.volume("vda"))
        lab.driver.power.power_off(instance_uuid, 0)
        lab.driver.guests.destroy(instance_uuid)
        assert lab.driver.guests.list_guests() == []

    def test_info_of_no_guest(self, lab):
        missing = str(uuid.uuid4())
        with pytest.raises(exceptions.GuestNotFound, match=missing):
            lab.driver.guests.info(missing)

    def test_guests_outlive_the_compute_process(self, lab):
        volume = lab.volume("vda")
        instance_uuid = lab.spawn(volume)
        lab.driver = lab.new_driver()
        assert lab.driver.guests.info(instance_uuid).power_state is RUNNING
        assert lab.serials(instance_uuid) == [volume["connection_info"]["serial"]]
        assert lab.driver.disks.list_instances() == [instance_uuid]

    def test_another_nodes_guests_are_not_ours(self, lab):
        instance_uuid = lab.spawn(lab.volume("vda"))
        stranger = lab.new_driver(default__state_path=str(lab.path / "elsewhere"))
        assert stranger.guests.list_guests() == []
        stranger.guests.destroy(instance_uuid)
        assert lab.driver.guests.info(instance_uuid).power_state is RUNNING


class TestPower:
    def test_off_and_on(self, lab):
        instance_uuid = lab.spawn(lab.volume("vda"))
        lab.driver.power.power_off(instance_uuid, 0)
        assert lab.driver.guests.info(instance_uuid).power_state is SHUTDOWN
        lab.driver.power.power_on(instance_uuid)
        assert lab.driver.guests.info(instance_uuid).power_state is RUNNING

    def test_a_guest_with_local_disks(self, storage_lab):
        """On every kind of storage, also as after a restart of the compute process."""
        lab = storage_lab
        instance_uuid = lab.spawn(root_image=lab.root_image())
        lab.driver.power.power_off(instance_uuid, 0)
        lab.driver = lab.new_driver()
        lab.driver.power.power_on(instance_uuid)
        assert lab.driver.guests.info(instance_uuid).power_state is RUNNING

    def test_both_are_idempotent(self, lab):
        instance_uuid = lab.spawn(lab.volume("vda"))
        lab.driver.power.power_on(instance_uuid)
        lab.driver.power.power_off(instance_uuid, 0)
        lab.driver.power.power_off(instance_uuid, 0)
        assert lab.driver.guests.info(instance_uuid).power_state is SHUTDOWN

    def test_a_guest_that_ignores_the_button_is_stopped(self, lab):
        instance_uuid = lab.spawn(lab.volume("vda"))
        lab.driver.power.power_off(instance_uuid, 0.2)
        assert lab.driver.guests.info(instance_uuid).power_state is SHUTDOWN

    def test_no_guest(self, lab):
        with pytest.raises(exceptions.GuestNotFound):
            lab.driver.power.power_on(str(uuid.uuid4()))
        with pytest.raises(exceptions.GuestNotFound):
            lab.driver.power.power_off(str(uuid.uuid4()), 0)


class TestDisks:
    @pytest.fixture
    def lab(self, storage_lab):
        return storage_lab

    def test_create_twice_is_success(self, lab):
        instance, image = factories.instance(), lab.root_image()
        info = factories.block_device_info(swap=factories.swap_device("vdb", 8))
        lab.driver.disks.create(instance, info, image)
        lab.driver.disks.create(instance, info, image)
        assert lab.driver.disks.list_instances() == [instance.uuid]

    def test_remove_is_idempotent(self, lab):
        instance = factories.instance()
        lab.driver.disks.create(instance, factories.block_device_info(), lab.root_image())
        lab.driver.disks.remove(instance.uuid)
        assert lab.driver.disks.list_instances() == []
        lab.driver.disks.remove(instance.uuid)

    def test_an_image_larger_than_the_flavor_is_refused(self, lab):
        """CVE-2013-2096: before anything is written."""
        image = lab.root_image(size_mib=1025)
        instance = factories.instance(root_gib=1)
        with pytest.raises(exceptions.FlavorDiskTooSmall, match=image.image_id):
            lab.driver.disks.create(instance, factories.block_device_info(), image)
        assert lab.driver.disks.list_instances() == []


class TestVolumes:
    def test_connector(self, lab):
        """S194."""
        connector = lab.driver.volumes.connector()
        assert connector["host"] == "conformance"
        assert connector["ip"] == "127.0.0.1"
        assert {"platform", "os_type", "multipath", "do_local_attach"} <= set(connector)

    def test_connect_and_disconnect_are_idempotent(self, lab):
        info, user = lab.volume()["connection_info"], str(uuid.uuid4())
        for _ in range(2):
            lab.driver.volumes.connect(info, user)
            assert lab.driver.volumes.users(info["serial"]) == {user}
        for _ in range(2):
            lab.driver.volumes.disconnect(info, user)
            assert lab.driver.volumes.users(info["serial"]) == frozenset()

    def test_a_shared_volume_is_one_connection_of_two_users(self, lab):
        """D19, D34: also over a restart, and one who has none ends none."""
        volume = lab.volume("vdb")
        info = volume["connection_info"]
        info["multiattach"] = True
        first, second = (lab.spawn(lab.volume("vda")) for _ in range(2))
        for server in (first, second):
            lab.plug(server, volume)
            assert info["serial"] in lab.serials(server)
        lab.driver = lab.new_driver()
        lab.driver.volumes.disconnect(info, str(uuid.uuid4()))
        for server, left in ((first, {second}), (second, frozenset())):
            lab.driver.power.power_off(server, 0)
            lab.driver.volumes.unplug(server, info["serial"])
            lab.driver.volumes.disconnect(info, server)
            assert lab.driver.volumes.users(info["serial"]) == left

    def test_plug_into_a_running_guest_survives_its_restart(self, lab):
        """S206: live and persistent."""
        instance_uuid = lab.spawn(lab.volume("vda"))
        volume = lab.volume("vdb")
        serial = volume["connection_info"]["serial"]
        lab.plug(instance_uuid, volume)
        assert serial in lab.serials(instance_uuid)
        lab.driver.power.power_off(instance_uuid, 0)
        lab.driver.power.power_on(instance_uuid)
        assert serial in lab.serials(instance_uuid)

    def test_plug_into_a_stopped_guest(self, lab):
        """S206: persistent only."""
        instance_uuid = lab.spawn(lab.volume("vda"))
        lab.driver.power.power_off(instance_uuid, 0)
        volume = lab.volume("vdb")
        lab.plug(instance_uuid, volume)
        assert volume["connection_info"]["serial"] in lab.serials(instance_uuid)
        lab.driver.power.power_on(instance_uuid)
        assert volume["connection_info"]["serial"] in lab.serials(instance_uuid)

    def test_a_stopped_guests_disk_follows_its_volume(self, libvirt_lab):
        """A device that is called otherwise after a restart: its old name may be
        another volume's by now. Other disks are let alone (D9)."""
        lab = libvirt_lab
        root, data = lab.volume("vda", boot_index=0), lab.volume("vdb")
        instance_uuid = lab.spawn(root, data)
        lab.driver.power.power_off(instance_uuid, 0)
        before = lab.driver.volumes.list_disks(instance_uuid)
        path = lab.path / "called-otherwise"
        (lab.path / data["connection_info"]["data"]["device_path"]).rename(path)
        data["connection_info"]["data"]["device_path"] = str(path)
        lab.plug(instance_uuid, data)
        after = lab.driver.volumes.list_disks(instance_uuid)
        assert after[0] == before[0]
        assert (after[1].device, after[1].serial) == (before[1].device, before[1].serial)
        assert after[1].source == str(path)
        lab.driver.power.power_on(instance_uuid)
        assert data["connection_info"]["serial"] in lab.serials(instance_uuid)

    def test_plug_is_idempotent_by_serial(self, lab):
        instance_uuid = lab.spawn(lab.volume("vda"))
        volume = lab.volume("vdb")
        lab.plug(instance_uuid, volume)
        lab.plug(instance_uuid, {**volume, "mount_device": "/dev/vdc"})
        disks = lab.driver.volumes.list_disks(instance_uuid)
        assert [disk.device for disk in disks] == ["vda", "vdb"]

    def test_a_letter_that_is_taken_is_not_fought_over(self, lab):
        """D8: the next free one is used."""
        instance_uuid = lab.spawn(lab.volume("vda"))
        first, second = lab.volume("vdb"), lab.volume("vdb")
        lab.plug(instance_uuid, first)
        lab.plug(instance_uuid, second)
        disks = lab.driver.volumes.list_disks(instance_uuid)
        assert [(disk.device, disk.serial) for disk in disks][1:] == [
            ("vdb", first["connection_info"]["serial"]),
            ("vdc", second["connection_info"]["serial"]),
        ]

    def test_plug_into_no_guest(self, lab):
        with pytest.raises(exceptions.GuestNotFound):
            lab.plug(str(uuid.uuid4()), lab.volume())

    def test_unplug_from_a_stopped_guest(self, lab):
        root, data = lab.volume("vda"), lab.volume("vdb")
        instance_uuid = lab.spawn(root, data)
        lab.driver.power.power_off(instance_uuid, 0)
        lab.driver.volumes.unplug(instance_uuid, data["connection_info"]["serial"])
        lab.driver.power.power_on(instance_uuid)
        assert lab.serials(instance_uuid) == [root["connection_info"]["serial"]]

    def test_unplug_of_what_is_not_there(self, lab):
        instance_uuid = lab.spawn(lab.volume("vda"))
        lab.driver.volumes.unplug(instance_uuid, str(uuid.uuid4()))
        lab.driver.volumes.unplug(str(uuid.uuid4()), str(uuid.uuid4()))

    def test_list_disks_of_no_guest(self, lab):
        with pytest.raises(exceptions.GuestNotFound):
            lab.driver.volumes.list_disks(str(uuid.uuid4()))

    def test_a_volume_without_serial_is_refused(self, lab):
        instance_uuid = lab.spawn(lab.volume("vda"))
        volume = lab.volume("vdb")
        del volume["connection_info"]["serial"]
        with pytest.raises(exceptions.InvalidVolume):
            lab.plug(instance_uuid, volume)


class TestConsoles:
    def test_output_of_a_guest(self, lab):
        instance_uuid = lab.spawn(lab.volume("vda"))
        assert isinstance(lab.driver.consoles.output(instance_uuid), bytes)


def test_power_changes_are_reported(lab):
    seen = []
    lab.driver.guests.on_lifecycle_event(seen.append)
    instance_uuid = lab.spawn(lab.volume("vda"))
    if lab.name == "fake":
        lab.driver.guests.change_power_state(instance_uuid, SHUTDOWN)
    else:
        lab.driver.power.power_off(instance_uuid, 0)
    assert concurrency.wait_until(
        lambda: any(
            info.instance_uuid == instance_uuid and info.power_state is SHUTDOWN for info in seen
        ),
        timeout_s=10,
    )
