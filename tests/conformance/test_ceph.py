"""The client of Ceph against a real cluster."""

import json
import os
import pathlib
import subprocess
import sys
import time
import uuid

import pytest

from nova_lite import exceptions
from nova_lite.virt import ceph
from nova_lite.virt.ceph import pool
from nova_lite.virt.ceph import writer

MIB = 2**20


@pytest.fixture
def vms(cluster):
    with cluster.pool("vms") as pool:
        yield pool


@pytest.fixture
def name():
    return f"test-{uuid.uuid4()}"


def sparse_file(path, *, data=b"", size=64 * MIB, at=0):
    with path.open("wb") as file:
        file.seek(at)
        file.write(data)
        file.truncate(size)
    return path


def test_a_file_goes_in_and_comes_out(vms, name, tmp_path):
    """Holes and zeros are neither written nor counted."""
    data = os.urandom(3 * MIB)
    source = sparse_file(tmp_path / "in", data=data + bytes(9 * MIB), at=20 * MIB)
    written = vms.import_file(source, name)
    assert len(data) <= written <= len(data) + 2 * ceph.CHUNK_BYTES
    assert vms.size_bytes(name) == 64 * MIB
    assert vms.used_bytes(name) <= 16 * MIB
    target = tmp_path / "out"
    assert vms.export_file(name, target) >= len(data)
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_blocks * 512 < 32 * MIB


def test_an_import_that_fails_leaves_no_image(vms, name, tmp_path, monkeypatch):
    source = sparse_file(tmp_path / "in", data=b"x")

    def no_reading(*_args):
        raise OSError("the disk is broken")

    monkeypatch.setattr(writer.os, "pread", no_reading)
    with pytest.raises(OSError, match="broken"):
        vms.import_file(source, name)
    assert not vms.exists(name)


def test_a_clone_reads_its_parent_until_it_is_flat(cluster, vms, name, tmp_path):
    """S9, D12: and a parent with clones cannot be removed."""
    data = os.urandom(MIB)
    parent = ceph.Snapshot("images", name, "snap")
    with cluster.pool("images") as images:
        images.import_file(sparse_file(tmp_path / "in", data=data, size=8 * MIB), name)
        images.create_snapshot(name, "snap", protect=True)
        images.create_snapshot(name, "snap", protect=True)
        vms.clone(parent, name)
        vms.resize(name, 16 * MIB)
        assert vms.parent(name) == parent
        assert vms.used_bytes(name) == 0
        assert vms.read(name, 0, MIB) == data
        assert images.clones(name, "snap") == [ceph.Clone("vms", name)]
        for refuse in (
            lambda: images.remove(name),
            lambda: images.remove_snapshot(name, "snap"),
        ):
            with pytest.raises(exceptions.RbdImageHasClones, match=f"vms/{name}"):
                refuse()
        assert images.is_protected(name, "snap")
        vms.flatten(name)
        vms.flatten(name)
        assert vms.parent(name) is None
        assert images.all_clones(name) == []
        images.remove(name)
        images.remove(name)
        assert not images.exists(name)
    assert vms.read(name, 0, MIB) == data
    assert vms.size_bytes(name) == 16 * MIB


def test_a_clone_in_a_namespace_is_cut_off(cluster, vms, name):
    """Found by its id there; one that is gone meanwhile is success."""
    data = os.urandom(MIB)
    vms.create(name, MIB)
    vms.write(name, data)
    vms.create_snapshot(name, "snap", protect=True)
    rbd_tool(cluster, "namespace", "create", f"images/{name}")
    try:
        rbd_tool(cluster, "clone", f"vms/{name}@snap", f"images/{name}/copy")
        (clone,) = vms.all_clones(name)
        assert str(clone) == f"images/{name}/copy"
        cluster.cut_off(clone)
        assert vms.all_clones(name) == []
        with cluster.pool("images", name) as inside:
            assert inside.read("copy", 0, MIB) == data
            inside.remove("copy")
        cluster.cut_off(clone)
    finally:
        rbd_tool(cluster, "namespace", "remove", f"images/{name}")


def rbd_tool(cluster, *arguments):
    """Ceph's own tool; of clones it makes the kind that may be anywhere."""
    command = ["rbd", "-c", cluster.access.conf_path, "--rbd-default-clone-format=2"]
    subprocess.run([*command, *arguments], check=True, timeout=60)


def test_an_image_with_snapshots_is_removed_with_them(vms, name):
    vms.create(name, MIB)
    vms.create_snapshot(name, "one")
    vms.create_snapshot(name, "two", protect=True)
    assert [(each.name, each.is_protected) for each in vms.snapshots(name)] == [
        ("one", False),
        ("two", True),
    ]
    vms.remove_snapshot(name, "one")
    vms.remove_snapshot(name, "one")
    vms.remove(name)
    assert vms.list_images(name) == []


def test_who_uses_an_image(vms, name):
    vms.create(name, 8 * MIB)
    assert vms.use(name) == ceph.Use((), ())
    vms.create_snapshot(name, "snap")
    with vms.writer(name) as opened:
        opened.resize(16 * MIB)
        use = vms.use(name)
        assert len(use.watchers) == 1
        (lock,) = use.locks
        assert lock.is_automatic
        assert lock.address == use.watchers[0]
        with pytest.raises(exceptions.RbdImageBusy, match=use.watchers[0]):
            vms.remove(name, attempts=2, interval_s=0.1)
        # Nothing was taken from who has it open.
        assert [each.name for each in vms.snapshots(name)] == ["snap"]
    vms.remove(name)


def test_a_removal_waits_for_a_client_to_go(cluster, vms, name, monkeypatch):
    """B13: rbd_destroy_volume_retries."""
    vms.create(name, MIB)
    held = vms.writer(name)
    held.__enter__()
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 2:
            held.__exit__(None, None, None)

    monkeypatch.setattr(pool.concurrency, "sleep", sleep)
    vms.remove(name, attempts=12, interval_s=5.0)
    assert waits == [5.0, 5.0]
    assert not vms.exists(name)


def test_names_and_notes(vms, name):
    vms.create(name, MIB)
    with pytest.raises(exceptions.RbdImageExists, match=name):
        vms.create(name, MIB)
    assert vms.metadata(name, "who") is None
    vms.set_metadata(name, "who", "me")
    vms.rename(name, f"{name}.new")
    assert vms.metadata(f"{name}.new", "who") == "me"
    assert vms.list_images(name) == [f"{name}.new"]
    assert abs(vms.created_at(f"{name}.new") - time.time()) < 120


@pytest.mark.parametrize(
    "act",
    [
        lambda pool, name: pool.size_bytes(name),
        lambda pool, name: pool.resize(name, 1),
        lambda pool, name: pool.rename(name, "other"),
        lambda pool, name: pool.create_snapshot(name, "snap"),
        lambda pool, name: pool.clone(ceph.Snapshot("images", name, "snap"), "x"),
        lambda pool, name: pool.writer(name).__enter__(),
        lambda pool, name: list(pool.content(name)),
    ],
)
def test_what_is_not_there_is_said_so(vms, name, act):
    with pytest.raises(exceptions.RbdImageNotFound, match=name):
        act(vms, name)


def test_no_such_pool(cluster):
    with pytest.raises(exceptions.CephError, match="no pool nowhere"), cluster.pool("nowhere"):
        pass
    with pytest.raises(exceptions.CephError, match="no pool nowhere"):
        cluster.capacity_bytes("nowhere")


def test_the_cluster_tells_of_itself(cluster):
    uuid.UUID(cluster.fsid())
    (monitor,) = cluster.monitors()
    assert monitor[0] == "127.0.0.1"
    assert 0 < monitor[1] < 65536
    assert cluster.capacity_bytes("vms") > 2**30


def test_a_key_is_found_where_ceph_finds_it(cluster, ceph_conf):
    nova = ceph.Cluster(ceph.Access(ceph_conf, "nova"))
    assert nova.key()
    assert nova.key() != cluster.key()


def test_a_cluster_that_is_not_there(ceph_conf, tmp_path):
    """Given up in time, and told without the key."""
    text = pathlib.Path(ceph_conf).read_text()
    keyring = pathlib.Path(ceph_conf).with_name("ceph.client.admin.keyring")
    silent = tmp_path / "ceph.conf"
    silent.write_text(
        "\n".join(
            "mon_host = 127.0.0.1:9" if line.startswith("mon_host") else line
            for line in text.splitlines()
        )
    )
    access = ceph.Access(str(silent), "admin", str(keyring), timeout_s=1)
    before = time.monotonic()
    with pytest.raises(exceptions.CephUnavailable, match=r"ceph\.conf cannot be used"):
        ceph.Cluster(access).fsid()
    assert time.monotonic() - before < 20
    with pytest.raises(exceptions.CephUnavailable):
        ceph.Cluster(ceph.Access(str(tmp_path / "missing.conf"))).fsid()
    with pytest.raises(exceptions.CephUnavailable):
        ceph.Cluster(ceph.Access(ceph_conf, "nobody", str(keyring), timeout_s=2)).fsid()


def test_connections_are_closed(cluster, vms, name):
    """Whatever happens in the block: the cluster sees no client left behind."""
    vms.create(name, MIB)
    with pytest.raises(ZeroDivisionError), cluster.pool("vms") as left, left.writer(name):
        raise ZeroDivisionError
    assert vms.use(name).watchers == ()
    with pytest.raises(exceptions.CephError):
        left.exists(name)


def test_in_a_green_process(ceph_conf, name, tmp_path):
    """The hub goes on while the cluster works, and no killed waiter crashes librbd
    or leaves an image open."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.conformance.green_ceph", ceph_conf, tmp_path / "f", name],
        cwd=pathlib.Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["imported"] == 128 * MIB
    assert told["is_let_go"]
    assert told["longest_gap_s"] < 1.0
