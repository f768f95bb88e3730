import dataclasses

import pytest

from nova_lite import conf as conf_module
from nova_lite import exceptions
from nova_lite.virt import interface
from nova_lite.virt.libvirt import guestbuild
from nova_lite.virt.libvirt import xml
from nova_lite.virt.libvirt.disks import directory
from nova_lite.virt.libvirt.disks import local
from tests.conformance import factories
from tests.unit.virt.libvirt.volumes import test_registry

NODE = "5b2ab4ac-1b8f-4b9f-8a0e-3c1f6a2f3e0d"
IMAGE = interface.RootImage("image", "/cache/image", "raw", 2**20)


@pytest.fixture
def build(tmp_path):
    def build(
        instance=None,
        image=None,
        *,
        virt_type="qemu",
        properties=None,
        config_drive=False,
        **devices,
    ):
        conf = conf_module.new(files=[], default__state_path=str(tmp_path))
        instance = instance or factories.instance()
        files = directory.InstanceDirectory(conf, instance.uuid)
        files.make()
        formats = {"disk": "qcow2"} if image is not None else {}
        if config_drive:
            formats["disk.config"] = "raw"
        if formats:
            files.record_formats(formats)
        known = test_registry.transports_of(conf)
        builder = guestbuild.GuestBuilder(
            conf, NODE, lambda: virt_type, local.LocalDisks(conf), known
        )
        return builder.build(
            instance,
            factories.image_meta(**(properties or {})),
            factories.block_device_info(**devices),
            image,
        )

    return build


def test_sizes_and_identity(build):
    instance = factories.instance(vcpus=3, memory_mib=384)
    domain = build(instance)
    assert (domain.vcpus, domain.memory_mib, domain.uuid) == (3, 384, instance.uuid)
    assert domain.name == f"instance-{instance.uuid}"
    assert domain.ownership == xml.Ownership(NODE, instance.display_name)
    assert domain.console.path.endswith(f"{instance.uuid}/console.log")


@pytest.mark.parametrize(("virt_type", "mode"), [("kvm", "host-model"), ("qemu", "maximum")])
def test_processor_suits_how_it_runs(build, virt_type, mode):
    domain = build(virt_type=virt_type)
    assert (domain.virt_type, domain.cpu.mode) == (virt_type, mode)


def test_there_is_room_to_plug_in(build):
    domain = build(image=IMAGE)
    assert len(domain.pci_ports) - len(domain.disks) >= 8


def test_a_local_root_boots_first_in_its_recorded_format(build):
    (root,) = build(image=IMAGE).disks
    assert (root.driver_format, root.boot_order, root.bus) == ("qcow2", 1, "virtio")


def test_boot_order_follows_boot_index(build):
    volumes = [
        factories.volume_device("vda", boot_index=1),
        factories.volume_device("vdb", boot_index=0),
        factories.volume_device("vdc", boot_index=None),
    ]
    orders = [disk.boot_order for disk in build(volumes=volumes).disks]
    assert orders == [2, 1, None]


def test_the_images_bus_brings_its_controller(build):
    domain = build(image=IMAGE, properties={"hw_disk_bus": "scsi"})
    assert [disk.bus for disk in domain.disks] == ["scsi"]
    assert domain.has_virtio_scsi


def test_a_device_that_names_its_bus_has_it(build):
    volume = {**factories.volume_device("sda"), "disk_bus": "sata"}
    domain = build(volumes=[volume])
    assert [disk.bus for disk in domain.disks] == ["sata"]
    assert not domain.has_virtio_scsi


def test_the_config_drive_is_a_cd_that_cannot_be_written(build):
    """On a bus that kernels made for clouds have a driver for."""
    domain = build(image=IMAGE, config_drive=True)
    drive = domain.disks[-1]
    assert drive.source.endswith("/disk.config")
    assert (drive.device, drive.bus, drive.target) == ("cdrom", "scsi", "sda")
    assert drive.readonly
    assert (drive.driver_format, drive.boot_order, drive.serial) == ("raw", None, None)
    assert domain.has_virtio_scsi


@pytest.mark.parametrize(
    ("properties", "bus"),
    [
        ({"hw_cdrom_bus": "sata"}, "sata"),
        ({"hw_disk_bus": "sata"}, "sata"),
        ({"hw_disk_bus": "virtio"}, "scsi"),
    ],
)
def test_the_image_chooses_the_config_drives_bus(build, properties, bus):
    assert build(config_drive=True, properties=properties).disks[-1].bus == bus


@pytest.mark.parametrize("bus", ["ide", "virtio", "<&>"])
def test_a_bus_that_our_guests_lack_is_refused(build, bus):
    with pytest.raises(exceptions.InvalidInput, match="use one of scsi, sata"):
        build(config_drive=True, properties={"hw_cdrom_bus": bus})


def test_virtio_disks_have_ports_of_their_own(build):
    volumes = [factories.volume_device("vdb"), factories.volume_device("vdc")]
    domain = build(image=IMAGE, volumes=volumes, config_drive=True)
    assert [disk.pci_bus for disk in domain.disks] == [1, 2, 3, None]


def test_a_root_volume_is_the_first_disk(build):
    """S108: guests name disks by their places, and the root's is vda."""
    volumes = [factories.volume_device(name) for name in ("vdaa", "vdc", "vda", "vdb")]
    domain = build(volumes=volumes)
    assert [disk.target for disk in domain.disks] == ["vda", "vdb", "vdc", "vdaa"]
    assert [disk.pci_bus for disk in domain.disks] == [1, 2, 3, 4]


def test_a_local_root_may_be_on_any_bus(build):
    """S48: sata shares its letters with scsi, so the name does not tell."""
    image = dataclasses.replace(IMAGE, disk_bus="sata")
    (root,) = build(image=image, root="/dev/sda").disks
    assert (root.target, root.bus) == ("sda", "sata")


def test_a_disk_without_a_recorded_format_is_refused(build):
    """Its format will not be guessed (S89)."""
    swap = factories.swap_device("vdb", 16)
    with pytest.raises(exceptions.HypervisorError, match="no format"):
        build(swap=swap)


def test_a_built_domain_survives_its_text(build):
    domain = build(image=IMAGE, volumes=[factories.volume_device("vdb")])
    assert xml.Domain.from_xml(domain.to_xml()) == domain
