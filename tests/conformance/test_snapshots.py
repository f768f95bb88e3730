"""Copies of root disks, by every driver."""

import pathlib
import subprocess
import uuid

import pytest

from nova_lite import exceptions
from tests.conformance import factories

MIB = 2**20


def nothing():
    """Progress that nobody watches."""


@pytest.fixture
def server(lab):
    """A running server with a root disk of its own."""
    return lab.spawn(root_image=lab.root_image(), image_meta=factories.image_meta())


def test_a_copy_of_a_running_guest(lab, server):
    """S28: a file that stands alone; the guest goes on."""
    snapshot_id = str(uuid.uuid4())
    lab.driver.snapshots.take(server, snapshot_id)
    assert lab.driver.snapshots.publish(server, snapshot_id) is None
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
        lab.driver.snapshots.unpublish(snapshot_id)
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
    with pytest.raises(exceptions.HypervisorError):
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
