"""Copies of root disks, by every driver."""

import json
import os
import pathlib
import subprocess
import uuid

import pytest

from nova_lite import exceptions
from nova_lite.virt import ceph
from nova_lite.virt import interface
from tests.conformance import factories

MIB = 2**20


def nothing():
    """Progress that nobody watches."""


@pytest.fixture
def lab(storage_lab):
    """Every driver, and every kind of local disks."""
    return storage_lab


@pytest.fixture
def server(lab):
    """A running server with a root disk of its own."""
    return lab.spawn(root_image=lab.root_image(), image_meta=factories.image_meta())


def test_a_copy_of_a_running_guest(lab, server):
    """A file that stands alone; the guest goes on."""
    snapshot_id = str(uuid.uuid4())
    lab.driver.snapshots.take(server, snapshot_id)
    told = []
    file = lab.driver.snapshots.extract(server, snapshot_id, lambda: told.append(1))
    assert told
    assert pathlib.Path(file.path).stat().st_size > 0
    assert file.disk_format in ("raw", "qcow2")
    assert lab.driver.guests.info(server).power_state.name == "RUNNING"
    assert lab.driver.snapshots.list_snapshots() == [snapshot_id]
    lab.driver.snapshots.discard(server, snapshot_id)
    assert not pathlib.Path(file.path).exists()
    assert lab.driver.snapshots.list_snapshots() == []


def test_a_copy_of_a_guest_that_is_off(lab, server):
    lab.driver.power.power_off(server, 0)
    snapshot_id = str(uuid.uuid4())
    lab.driver.snapshots.take(server, snapshot_id)
    file = lab.driver.snapshots.extract(server, snapshot_id, nothing)
    assert pathlib.Path(file.path).stat().st_size > 0
    lab.driver.snapshots.discard(server, snapshot_id)
    lab.driver.power.power_on(server)


def test_discard_is_idempotent_whatever_was_done(lab, server):
    for steps in (0, 1, 2):
        snapshot_id = str(uuid.uuid4())
        if steps:
            lab.driver.snapshots.take(server, snapshot_id)
        if steps > 1:
            lab.driver.snapshots.extract(server, snapshot_id, nothing)
        lab.driver.snapshots.discard(server, snapshot_id)
        lab.driver.snapshots.discard(server, snapshot_id)
        lab.driver.snapshots.unpublish(server, snapshot_id)
        assert lab.driver.snapshots.list_snapshots() == []
    lab.driver.snapshots.discard(str(uuid.uuid4()), str(uuid.uuid4()))


def test_two_copies_after_each_other(lab, server):
    for _ in range(2):
        snapshot_id = str(uuid.uuid4())
        lab.driver.snapshots.take(server, snapshot_id)
        lab.driver.snapshots.extract(server, snapshot_id, nothing)
        lab.driver.snapshots.discard(server, snapshot_id)


def test_an_impatient_caller_ends_the_wait(lab, server):
    """What the progress call raises comes out, and a discard stops the copying."""
    snapshot_id = str(uuid.uuid4())
    lab.driver.snapshots.take(server, snapshot_id)

    def enough():
        raise exceptions.OperationSuperseded(operation_id=snapshot_id)

    with pytest.raises(exceptions.OperationSuperseded):
        lab.driver.snapshots.extract(server, snapshot_id, enough)
    lab.driver.snapshots.discard(server, snapshot_id)
    assert lab.driver.snapshots.list_snapshots() == []


def test_no_guest(lab):
    with pytest.raises(exceptions.GuestNotFound):
        lab.driver.snapshots.take(str(uuid.uuid4()), str(uuid.uuid4()))


def test_a_guest_without_a_local_disk(lab):
    server = lab.spawn(lab.volume("vda", boot_index=0))
    with pytest.raises((exceptions.HypervisorError, exceptions.RbdImageNotFound)):
        lab.driver.snapshots.take(server, str(uuid.uuid4()))


@pytest.mark.parametrize("power", ["on", "off"])
@pytest.mark.parametrize("images_type", ["qcow2", "raw"])
def test_a_header_that_the_guest_wrote_is_only_bytes(libvirt_lab, images_type, power):
    """CVE-2026-24708 and its family: the root disk begins with a qcow2 header that
    names a file of the host; the copy holds these bytes and not that file."""
    lab = libvirt_lab
    lab.driver = lab.new_driver(libvirt__images_type=images_type)
    secret = lab.path / "secret"
    secret.write_bytes(b"canary".ljust(MIB, b"x"))
    trap = lab.path / "trap.qcow2"
    command = [
        "qemu-img",
        "create",
        "-q",
        "-f",
        "qcow2",
        "-b",
        str(secret),
        "-F",
        "raw",
        str(trap),
    ]
    subprocess.run(command, check=True, timeout=30)
    image = lab.root_image()
    with pathlib.Path(image.path).open("r+b") as file:
        file.write(trap.read_bytes())
    server = lab.spawn(root_image=image)
    if power == "off":
        lab.driver.power.power_off(server, 0)
    snapshot_id = str(uuid.uuid4())
    lab.driver.snapshots.take(server, snapshot_id)
    copy = lab.driver.snapshots.extract(server, snapshot_id, nothing)
    flat = lab.path / "flat"
    command = ["qemu-img", "convert", "-f", copy.disk_format, "-O", "raw", copy.path, str(flat)]
    subprocess.run(command, check=True, timeout=30)
    content = flat.read_bytes()
    assert content[: len(trap.read_bytes())] == trap.read_bytes()
    assert b"canary" not in content
    lab.driver.snapshots.discard(server, snapshot_id)


def test_files_are_published_nowhere(libvirt_lab):
    server = libvirt_lab.spawn(root_image=libvirt_lab.root_image())
    snapshot_id = str(uuid.uuid4())
    libvirt_lab.driver.snapshots.take(server, snapshot_id)
    assert libvirt_lab.driver.snapshots.publish(server, snapshot_id) is None
    libvirt_lab.driver.snapshots.discard(server, snapshot_id)


def disk_in_ceph(lab, content):
    """A running server whose root disk begins with ``content``."""
    path = lab.path / "content"
    path.write_bytes(content)
    image_id = str(uuid.uuid4())
    image = interface.RootImage(
        image_id, str(lab.glance_image(path, image_id)), "raw", len(content)
    )
    return lab.spawn(root_image=image), image_id


def test_a_snapshot_in_ceph_becomes_an_image_without_a_byte(rbd_lab):
    """A clone in Glance's pool, that outlives its server, and its
    server's snapshot, which goes when nothing needs it."""
    lab, content = rbd_lab, os.urandom(2 * MIB)
    server, _image_id = disk_in_ceph(lab, content)
    snapshots, disk, made = lab.driver.snapshots, f"{server}_disk", str(uuid.uuid4())
    snapshots.take(server, made)
    url = snapshots.publish(server, made)
    snapshots.discard(server, made)
    assert url == f"rbd://{lab.cluster.fsid()}/images/{made}/snap"
    with lab.cluster.pool("images") as images, lab.cluster.pool("vms") as vms:
        assert images.parent(made) == ceph.Snapshot("vms", disk, f"nova-lite.{made}")
        assert images.used_bytes(made) == 0
        assert images.is_protected(made, "snap")
        assert images.read(made, 0, len(content)) == content
        # Kept as long as the image is a clone of it, and no longer.
        vms.create_snapshot(disk, "of-somebody-else")
        snapshots.discard(server, str(uuid.uuid4()))
        names = {each.name for each in vms.snapshots(disk)}
        assert names == {f"nova-lite.{made}", "of-somebody-else"}
        images.flatten(made)
        snapshots.discard(server, str(uuid.uuid4()))
        assert [each.name for each in vms.snapshots(disk)] == ["of-somebody-else"]


def test_a_server_goes_before_its_image(rbd_lab):
    """And a server is made of that image, which was made of a server."""
    lab, content = rbd_lab, os.urandom(2 * MIB)
    server, _image_id = disk_in_ceph(lab, content)
    made = str(uuid.uuid4())
    lab.driver.snapshots.take(server, made)
    lab.driver.snapshots.publish(server, made)
    lab.driver.snapshots.discard(server, made)
    second = lab.spawn(
        root_image=interface.RootImage(made, f"images/{made}@snap", "raw", len(content))
    )
    lab.driver.guests.destroy(server)
    lab.driver.disks.remove(server)
    with lab.cluster.pool("images") as images, lab.cluster.pool("vms") as vms:
        assert images.read(made, 0, len(content), "snap") == content
        assert vms.read(f"{second}_disk", 0, len(content)) == content
        assert not vms.exists(f"{server}_disk")


def driver_with(lab, **options):
    """Of a host whose ceph.conf has these as well."""
    path = lab.path / "ceph.conf"
    given = "".join(f"{name} = {value}\n" for name, value in options.items())
    text = pathlib.Path(lab.cluster.access.conf_path).read_text()
    # Of two lines about an option the later one counts.
    path.write_text(text.replace("[mon]\n", f"{given}[mon]\n", 1))
    return lab.new_driver(libvirt__images_rbd_ceph_conf=str(path))


def rbd_tool(lab, *arguments):
    command = ["rbd", "-c", lab.cluster.access.conf_path, "--id", "admin", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout


def published(lab, content):
    """A running server, and an image that was made of it."""
    server, _image_id = disk_in_ceph(lab, content)
    made = str(uuid.uuid4())
    lab.driver.snapshots.take(server, made)
    lab.driver.snapshots.publish(server, made)
    lab.driver.snapshots.discard(server, made)
    return server, made


@pytest.mark.parametrize("clone_format", [1, 2])
@pytest.mark.parametrize("features", [1, 3, 61])
def test_a_server_goes_before_its_image_on_any_cluster(rbd_lab, clone_format, features):
    """Whatever features images have there, and whichever kind of clones."""
    lab, content = rbd_lab, os.urandom(MIB)
    lab.driver = driver_with(
        lab, rbd_default_features=features, rbd_default_clone_format=clone_format
    )
    server, made = published(lab, content)
    lab.driver.guests.destroy(server)
    lab.driver.disks.remove(server)
    with lab.cluster.pool("images") as images, lab.cluster.pool("vms") as vms:
        assert not vms.exists(f"{server}_disk")
        assert images.read(made, 0, len(content), "snap") == content


@pytest.mark.parametrize("clone_format", [1, 2])
def test_a_server_goes_whose_image_is_in_the_trash(rbd_lab, clone_format):
    """As Glance does with one that is deleted, but has clones."""
    lab, content = rbd_lab, os.urandom(MIB)
    lab.driver = driver_with(lab, rbd_default_clone_format=clone_format)
    server, made = published(lab, content)
    rbd_tool(lab, "trash", "mv", f"images/{made}")
    (image_id,) = [
        line.split()[0] for line in rbd_tool(lab, "trash", "ls", "images").splitlines()
        if made in line
    ]  # fmt: skip
    try:
        lab.driver.guests.destroy(server)
        lab.driver.disks.remove(server)
    finally:
        rbd_tool(lab, "trash", "restore", f"images/{image_id}")
    with lab.cluster.pool("images") as images, lab.cluster.pool("vms") as vms:
        assert not vms.exists(f"{server}_disk")
        assert images.read(made, 0, len(content), "snap") == content


def test_a_server_goes_whose_snapshot_is_in_the_trash(rbd_lab):
    """One that somebody removed while images were cloned from it."""
    lab, content = rbd_lab, os.urandom(MIB)
    lab.driver = driver_with(lab, rbd_default_clone_format=2)
    server, made = published(lab, content)
    snapshot = f"vms/{server}_disk@nova-lite.{made}"
    rbd_tool(lab, "snap", "unprotect", snapshot)
    rbd_tool(lab, "snap", "rm", snapshot)
    lab.driver.guests.destroy(server)
    lab.driver.disks.remove(server)
    with lab.cluster.pool("images") as images, lab.cluster.pool("vms") as vms:
        assert not vms.exists(f"{server}_disk")
        assert images.read(made, 0, len(content), "snap") == content


def test_what_was_published_in_vain_goes(rbd_lab):
    """Only the clone of that snapshot; an image that was there is another's."""
    lab = rbd_lab
    server, image_id = disk_in_ceph(lab, b"x" * MIB)
    snapshots, made = lab.driver.snapshots, str(uuid.uuid4())
    snapshots.take(server, made)
    snapshots.publish(server, made)
    for _ in range(2):
        snapshots.unpublish(server, made)
        snapshots.discard(server, made)
    snapshots.unpublish(server, image_id)
    with lab.cluster.pool("images") as images, lab.cluster.pool("vms") as vms:
        assert not images.exists(made)
        assert images.exists(image_id)
        assert vms.snapshots(f"{server}_disk") == []


def test_an_image_that_shares_nothing_with_its_server(rbd_lab):
    """Glance's user in Ceph may read its own pool only, so it could not open a
    clone of the disk. What was made in vain still goes, and only that."""
    lab, content = rbd_lab, os.urandom(2 * MIB)
    server, image_id = disk_in_ceph(lab, content)
    snapshots, made = lab.driver.snapshots, str(uuid.uuid4())
    snapshots.take(server, made)
    snapshots.publish(server, made)
    for _ in range(2):
        snapshots.make_independent(server, made)
    with lab.cluster.pool("images") as images, lab.cluster.pool("vms") as vms:
        assert images.parent(made) is None
        assert images.read(made, 0, len(content), "snap") == content
        snapshots.discard(server, made)
        assert vms.snapshots(f"{server}_disk") == []
        snapshots.unpublish(server, image_id)
        snapshots.unpublish(str(uuid.uuid4()), made)
        assert images.exists(made)
        for _ in range(2):
            snapshots.unpublish(server, made)
        assert not images.exists(made)
        assert images.exists(image_id)


def test_a_host_that_may_not_write_to_glances_pool_uploads(rbd_lab):
    lab, content = rbd_lab, os.urandom(MIB)
    server, _image_id = disk_in_ceph(lab, content)
    lab.driver = lab.new_driver(
        libvirt__images_rbd_glance_pools=["nowhere"], libvirt__snapshot_image_format="qcow2"
    )
    snapshots, made = lab.driver.snapshots, str(uuid.uuid4())
    snapshots.take(server, made)
    assert snapshots.publish(server, made) is None
    file = snapshots.extract(server, made, nothing)
    flat = lab.path / "flat"
    command = ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", file.path, str(flat)]
    subprocess.run(command, check=True, timeout=30)
    assert flat.read_bytes()[:MIB] == content
    snapshots.discard(server, made)
    with lab.cluster.pool("vms") as vms:
        assert vms.snapshots(f"{server}_disk") == []


def write_as_the_guest(server, pattern, offset_mib, length_mib):
    """Through the guest's own device, beside its processor."""
    device = "/machine/peripheral/virtio-disk0/virtio-backend"
    command = f'qemu-io -d {device} "write -P {pattern:#x} {offset_mib}M {length_mib}M"'
    done = subprocess.run(
        ["virsh", "-c", "qemu:///system", "qemu-monitor-command", server, "--hmp", command],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    # What it wrote it tells QEMU's log; only errors come back.
    assert not done.stdout.strip(), done.stdout


def test_what_a_guest_writes_meanwhile_is_not_in_the_copy(libvirt_lab):
    """The copy is one moment, also of what it had not reached yet."""
    lab, size_mib = libvirt_lab, 64
    image = lab.root_image(size_mib)
    pathlib.Path(image.path).write_bytes(b"a" * size_mib * MIB)
    server = lab.spawn(root_image=image)
    write_as_the_guest(server, ord("b"), 8, 4)
    snapshot_id = str(uuid.uuid4())
    lab.driver.snapshots.take(server, snapshot_id)
    for offset_mib in (60, 30, 8, 0):
        write_as_the_guest(server, ord("c"), offset_mib, 4)
    copy = lab.driver.snapshots.extract(server, snapshot_id, nothing)
    info = ["qemu-img", "info", "--output=json", "-f", copy.disk_format, copy.path]
    found = json.loads(subprocess.run(info, check=True, capture_output=True, timeout=30).stdout)
    assert "backing-filename" not in found
    flat = lab.path / "flat"
    command = ["qemu-img", "convert", "-f", copy.disk_format, "-O", "raw", copy.path, str(flat)]
    subprocess.run(command, check=True, timeout=60)
    content = flat.read_bytes()[: size_mib * MIB]
    assert content == b"a" * 8 * MIB + b"b" * 4 * MIB + b"a" * 52 * MIB
    lab.driver.snapshots.discard(server, snapshot_id)
