"""Local disks as qemu-img sees them."""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import uuid

import pytest

from nova_lite import conf as conf_module
from nova_lite import exceptions
from nova_lite.image import convert
from nova_lite.virt import interface
from nova_lite.virt.libvirt.disks import directory
from nova_lite.virt.libvirt.disks import local
from nova_lite.virt.libvirt.disks import plan
from tests.conformance import factories

pytestmark = pytest.mark.skipif(not shutil.which("qemu-img"), reason="no qemu-img")

GIB = 2**30
MIB = 2**20


@pytest.fixture
def make_conf(tmp_path):
    def make(**options):
        return conf_module.new(files=[], default__state_path=str(tmp_path), **options)

    return make


@pytest.fixture
def image(make_conf):
    """A 3 MiB image where the cache would put it."""
    image_id = str(uuid.uuid4())
    base = pathlib.Path(make_conf().compute.instances_path) / "_base"
    base.mkdir(parents=True)
    path = base / hashlib.sha1(image_id.encode()).hexdigest()
    path.write_bytes(b"data" + b"\0" * (3 * MIB - 4))
    return interface.RootImage(image_id, str(path), "raw", 3 * MIB)


def files_of(conf, instance):
    return directory.InstanceDirectory(conf, instance.uuid)


def qemu_info(path, disk_format):
    """qemu-img's own words, not through our wrapper."""
    output = subprocess.run(
        ["qemu-img", "info", "--output=json", "-f", disk_format, str(path)],
        capture_output=True,
        check=True,
        timeout=30,
    ).stdout
    return json.loads(output)


def create_all(conf, image, **flavor):
    instance = factories.instance(**flavor)
    info = factories.block_device_info(
        ephemerals=[
            factories.ephemeral_device("vdb", 1, "ext4"),
            factories.ephemeral_device("vdc", 1, "vfat"),
        ],
        swap=factories.swap_device("vdd", 16),
    )
    local.LocalDisks(conf).create(instance, info, image)
    return instance


def test_qcow2_over_base_files(make_conf, image):
    """S85-S90, S99-S106."""
    conf = make_conf()
    instance = create_all(conf, image)
    files = files_of(conf, instance)
    assert sorted(path.name for path in files.path.iterdir()) == [
        "console.log",
        "disk",
        "disk.eph0",
        "disk.eph1",
        "disk.info",
        "disk.swap",
    ]
    base = pathlib.Path(conf.compute.instances_path) / "_base"
    expected = {
        "disk": (GIB, hashlib.sha1(image.image_id.encode()).hexdigest(), 3 * MIB),
        "disk.eph0": (GIB, "ephemeral_1_ext4", GIB),
        "disk.eph1": (GIB, "ephemeral_1_vfat", GIB),
        "disk.swap": (16 * MIB, "swap_16", 16 * MIB),
    }
    for name, (size_bytes, base_name, base_size_bytes) in expected.items():
        facts = qemu_info(files.path_of(name), "qcow2")
        assert facts["virtual-size"] == size_bytes
        assert facts["cluster-size"] == 65536
        assert facts["format-specific"]["data"]["compat"] == "1.1"
        assert facts["format-specific"]["data"]["lazy-refcounts"] is False
        assert facts["backing-filename"] == str(base / base_name)
        assert facts["backing-filename-format"] == "raw"
        assert qemu_info(base / base_name, "raw")["virtual-size"] == base_size_bytes


def test_disk_info_has_the_format_of_each_path(make_conf, image):
    """S89."""
    conf = make_conf()
    files = files_of(conf, create_all(conf, image))
    assert json.loads((files.path / "disk.info").read_text()) == {
        str(files.path / name): "qcow2" for name in ("disk", "disk.eph0", "disk.eph1", "disk.swap")
    }


@pytest.mark.parametrize("images_type", ["raw", "flat"])
def test_full_copies(make_conf, image, images_type):
    conf = make_conf(libvirt__images_type=images_type)
    instance = factories.instance(root_gib=1)
    local.LocalDisks(conf).create(instance, factories.block_device_info(), image)
    files = files_of(conf, instance)
    disk = files.path_of("disk")
    assert files.format_of("disk") == "raw"
    assert disk.stat().st_size == GIB
    assert disk.open("rb").read(4) == b"data"
    allocated = disk.stat().st_blocks * 512
    assert allocated >= GIB if images_type == "flat" else allocated < GIB // 2


def test_what_a_guest_wrote_does_not_change_the_format(make_conf, image):
    """CVE-2026-24708: a qcow2 header inside a raw disk stays data."""
    conf = make_conf(libvirt__images_type="raw")
    instance = factories.instance()
    disks = local.LocalDisks(conf)
    disks.create(instance, factories.block_device_info(), image)
    files = files_of(conf, instance)
    with files.path_of("disk").open("r+b") as disk:
        disk.write(b"QFI\xfb\0\0\0\3")
    disks.create(instance, factories.block_device_info(), image)
    assert files.format_of("disk") == "raw"


def test_a_root_of_size_0_is_as_large_as_the_image(make_conf, image):
    conf = make_conf()
    instance = factories.instance(root_gib=0)
    local.LocalDisks(conf).create(instance, factories.block_device_info(), image)
    facts = qemu_info(files_of(conf, instance).path_of("disk"), "qcow2")
    assert facts["virtual-size"] == 3 * MIB


def test_a_server_from_a_volume_has_no_root_file(make_conf):
    """S95."""
    conf = make_conf()
    instance = factories.instance()
    local.LocalDisks(conf).create(instance, factories.block_device_info(), None)
    names = {path.name for path in files_of(conf, instance).path.iterdir()}
    assert names == {"console.log", "disk.info"}


def test_the_flavors_ephemeral_without_a_request_is_disk_local(make_conf, image):
    """S92."""
    conf = make_conf()
    instance = factories.instance(ephemeral_gib=1)
    volume = factories.volume_device("vdb")
    info = factories.block_device_info(volumes=[volume])
    disks = plan.local_disks(instance, info, image, conf)
    assert [(disk.file_name, disk.target) for disk in disks] == [
        ("disk", "vda"),
        ("disk.local", "vdc"),
    ]


def test_an_existing_disk_is_kept(make_conf, image):
    """A repeated call must not take a guest's data."""
    conf = make_conf()
    instance = create_all(conf, image)
    disk = files_of(conf, instance).path_of("disk")
    before = disk.stat().st_ino
    swap = factories.swap_device("vdd", 16)
    local.LocalDisks(conf).create(instance, factories.block_device_info(swap=swap), image)
    assert disk.stat().st_ino == before


def test_a_failure_leaves_no_half_disk(make_conf, image, monkeypatch):
    """The overlay is written but never gets its name."""
    conf = make_conf()
    disks = local.LocalDisks(conf)
    create_overlay = convert.QemuImg.create_overlay

    def fail_afterwards(self, *args):
        create_overlay(self, *args)
        raise exceptions.DiskToolFailed(tool="qemu-img", reason="no space left")

    monkeypatch.setattr(convert.QemuImg, "create_overlay", fail_afterwards)
    instance = factories.instance()
    with pytest.raises(exceptions.DiskToolFailed):
        disks.create(instance, factories.block_device_info(), image)
    names = {path.name for path in files_of(conf, instance).path.iterdir()}
    assert names == {"console.log", "disk.info"}


def test_a_base_file_is_made_once(make_conf, image):
    conf = make_conf()
    create_all(conf, image)
    base = pathlib.Path(conf.compute.instances_path) / "_base"
    before = {path.name: path.stat().st_ino for path in base.iterdir()}
    create_all(conf, image)
    assert {path.name: path.stat().st_ino for path in base.iterdir()} == before


MAGIC = {
    "ext2": (0x438, b"\x53\xef"),
    "ext3": (0x438, b"\x53\xef"),
    "ext4": (0x438, b"\x53\xef"),
    "xfs": (0, b"XFSB"),
    "vfat": (510, b"\x55\xaa"),
}


@pytest.mark.parametrize("filesystem", MAGIC)
def test_file_systems_are_really_made(make_conf, filesystem):
    """S47, S68, S105."""
    if shutil.which(f"mkfs.{filesystem}", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        pytest.skip(f"no mkfs.{filesystem}")
    conf, instance = make_conf(), factories.instance()
    ephemeral = factories.ephemeral_device("vdb", 1, filesystem)
    info = factories.block_device_info(ephemerals=[ephemeral])
    local.LocalDisks(conf).create(instance, info, None)
    base = pathlib.Path(conf.compute.instances_path) / "_base" / f"ephemeral_1_{filesystem}"
    offset, magic = MAGIC[filesystem]
    with base.open("rb") as file:
        file.seek(offset)
        assert file.read(len(magic)) == magic


def test_the_swap_signature_is_really_made(make_conf):
    """S68, S73, S106."""
    conf = make_conf()
    info = factories.block_device_info(swap=factories.swap_device("vdb", 16))
    local.LocalDisks(conf).create(factories.instance(), info, None)
    swap = pathlib.Path(conf.compute.instances_path) / "_base" / "swap_16"
    assert swap.read_bytes()[4086:4096] == b"SWAPSPACE2"


@pytest.mark.parametrize("filesystem", ["ntfs", "swap; rm -rf /", "", "../ext4"])
def test_an_unknown_file_system_is_refused(make_conf, filesystem):
    """S47: with a reason that names it and what there is."""
    info = factories.block_device_info(
        ephemerals=[factories.ephemeral_device("vdb", 1, filesystem or "minix")]
    )
    conf = make_conf()
    with pytest.raises(exceptions.InvalidBlockDevice, match="ext4") as caught:
        local.LocalDisks(conf).create(factories.instance(), info, None)
    assert (filesystem or "minix") in str(caught.value)
    base = pathlib.Path(conf.compute.instances_path) / "_base"
    assert not base.exists() or list(base.iterdir()) == []


def age_all(conf):
    base = pathlib.Path(conf.compute.instances_path) / "_base"
    for path in base.iterdir():
        os.utime(path, (0, 0))
    return base


def test_a_base_file_that_a_disk_is_on_never_goes(make_conf, image):
    conf = make_conf()
    create_all(conf, image)
    disks, base = local.LocalDisks(conf), age_all(conf)
    in_use, report = disks.remove_unused_bases()
    image_base = hashlib.sha1(image.image_id.encode()).hexdigest()
    assert in_use == {image_base, "ephemeral_1_ext4", "ephemeral_1_vfat", "swap_16"}
    assert report.removed == ()
    assert {path.name for path in base.iterdir()} == in_use


def test_base_files_of_servers_that_are_gone_age_out(make_conf, image):
    conf = make_conf()
    instance = create_all(conf, image)
    disks = local.LocalDisks(conf)
    disks.remove(instance.uuid)
    assert disks.remove_unused_bases()[1].removed == ()  # they were used just now
    base = age_all(conf)
    in_use, report = disks.remove_unused_bases()
    assert in_use == set()
    assert sorted(report.removed) == ["ephemeral_1_ext4", "ephemeral_1_vfat", "swap_16"]
    assert [path.name for path in base.iterdir()] == [pathlib.Path(image.path).name]


def test_full_copies_are_on_no_base(make_conf, image):
    conf = make_conf(libvirt__images_type="raw")
    create_all(conf, image)
    assert local.LocalDisks(conf).remove_unused_bases()[0] == set()


def test_nothing_goes_while_a_disk_cannot_be_read(make_conf, image):
    conf = make_conf()
    files = files_of(conf, create_all(conf, image))
    files.path_of("disk").write_bytes(b"x" * 512)
    base = age_all(conf)
    before = sorted(base.iterdir())
    with pytest.raises(exceptions.HypervisorError, match="recorded as qcow2"):
        local.LocalDisks(conf).remove_unused_bases()
    assert sorted(base.iterdir()) == before


def test_servers_live_where_the_option_says(tmp_path, make_conf):
    """S94, S109: nowhere else, and nothing before they are made."""
    place = tmp_path / "elsewhere"
    conf = make_conf(compute__instances_path=str(place))
    disks = local.LocalDisks(conf)
    assert not place.exists()
    instance = factories.instance()
    info = factories.block_device_info(swap=factories.swap_device("vdb", 16))
    disks.create(instance, info, None)
    assert sorted(path.name for path in place.iterdir()) == sorted(["_base", instance.uuid])
    assert (place / instance.uuid / "disk.swap").exists()


def test_only_servers_are_listed(make_conf, image):
    conf = make_conf()
    instance = create_all(conf, image)
    (pathlib.Path(conf.compute.instances_path) / "lost+found").mkdir()
    assert local.LocalDisks(conf).list_instances() == [instance.uuid]


def test_no_path_hides_in_a_uuid(make_conf):
    with pytest.raises(ValueError, match="badly formed"):
        local.LocalDisks(make_conf()).remove("../../etc")
