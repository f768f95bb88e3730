"""``images_type=rbd``: how an image gets under a server's disk, on a real cluster."""

import contextlib
import hashlib
import os
import pathlib
import re
import subprocess
import threading
import uuid

import pytest

from nova_lite import exceptions
from nova_lite.virt import ceph
from nova_lite.virt import interface
from nova_lite.virt.ceph import session
from nova_lite.virt.libvirt.disks import parents
from tests.conformance import conftest
from tests.conformance import factories
from tests.unit.image import hostile

MIB = 2**20
GIB = 2**30


class Glance:
    """An image service that counts what it is asked for."""

    def __init__(self, lab):
        self._lab = lab
        self._files = {}
        self.urls = {}
        self.downloads = 0
        self.hides_locations = False

    def raw_in_ceph(self, content, *, disk_format="raw", **changed):
        """An image in the ``images`` pool; ``changed`` parts of its location."""
        meta = self.in_files(content, disk_format)
        snapshot = self._lab.glance_image(self._files[meta.id], meta.id)
        parts = {
            "fsid": self._lab.cluster.fsid(), "pool": snapshot.pool, "image": snapshot.image,
            "name": snapshot.name,
        } | changed  # fmt: skip
        self.urls[meta.id] = ["rbd://{fsid}/{pool}/{image}/{name}".format(**parts)]
        if not self.hides_locations:
            meta.rbd_urls = self.urls[meta.id]
        return meta

    def in_files(self, content, disk_format):
        """An image that is not in Ceph."""
        meta = factories.image_meta()
        meta.disk_format = disk_format
        path = self._lab.path / f"glance-{meta.id}"
        path.write_bytes(content)
        self._files[meta.id] = path
        return meta

    def download(self, _ctxt, image, path):
        self.downloads += 1
        pathlib.Path(path).write_bytes(self._files[image.id].read_bytes())

    def locate(self, image_id):
        return self.urls.get(image_id, [])


@pytest.fixture
def glance(rbd_lab):
    return Glance(rbd_lab)


def ensure(lab, glance, meta, **how):
    return lab.driver.images.ensure(None, meta, glance.download, glance.locate, **how)


def boot_disks(lab, image, instance=None):
    """The disks of a server, without its guest; its UUID and what the journal says."""
    instance = instance or factories.instance()
    line = lab.driver.disks.create(instance, factories.block_device_info(), image)
    return instance.uuid, line


def content_of(lab, image, length):
    with lab.cluster.pool("vms") as vms:
        return vms.read(image, 0, length)


def files_left(lab):
    return sorted(path.name for path in (lab.path / "state" / "instances" / "_base").glob("*"))


def qcow2_of(lab, content):
    source, target = lab.path / "source.raw", lab.path / "source.qcow2"
    source.write_bytes(content)
    command = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(source), str(target)]
    subprocess.run(command, check=True, timeout=60)
    return target.read_bytes()


def test_a_raw_image_in_the_cluster_is_cloned_where_it_is(rbd_lab, glance):
    """S4, S9, S20, S24, S217-S219: not one byte is copied, and the disk has the flavor's size."""
    lab, content = rbd_lab, os.urandom(3 * MIB)
    meta = glance.raw_in_ceph(content)
    image = ensure(lab, glance, meta, root_gib=1)
    assert image.path == f"images/{meta.id}@snap"
    assert image.virtual_size_bytes == 3 * MIB
    assert image.copied == interface.Copied()
    assert image.story == f"in Ceph as images/{meta.id}@snap, 0 bytes copied"
    instance_uuid, line = boot_disks(lab, image)
    assert line == f"disk cloned from images/{meta.id}@snap, 0 bytes copied"
    disk = f"{instance_uuid}_disk"
    with lab.cluster.pool("vms") as vms:
        assert vms.parent(disk) == ceph.Snapshot("images", meta.id, "snap")
        assert vms.size_bytes(disk) == GIB
        assert vms.used_bytes(disk) == 0
        assert [name for name in vms.list_images() if name.startswith("base.image")] == []
    assert content_of(lab, disk, 3 * MIB) == content
    assert glance.downloads == 0
    assert files_left(lab) == []


def test_locations_that_users_do_not_see(rbd_lab, glance):
    """D11: asked for as the service user."""
    glance.hides_locations = True
    meta = glance.raw_in_ceph(b"x" * MIB)
    assert meta.rbd_urls == []
    image = ensure(rbd_lab, glance, meta)
    assert image.path == f"images/{meta.id}@snap"
    assert glance.downloads == 0


def test_a_qcow2_image_is_converted_once_and_then_cloned(rbd_lab, glance):
    """S19: 0 bytes from the second boot on, on this host and on any other."""
    lab, content = rbd_lab, os.urandom(5 * MIB)
    meta = glance.in_files(qcow2_of(lab, content), "qcow2")
    first = ensure(lab, glance, meta, root_gib=1)
    assert first.copied.downloaded_bytes >= 5 * MIB
    assert first.copied.converted_bytes >= 5 * MIB
    assert first.copied.imported_bytes >= 5 * MIB
    assert "its format is qcow2, and only raw can be cloned" in first.story
    other_host = lab.new_driver(default__state_path=str(lab.path / "other"))
    for driver in (lab.driver, other_host):
        image = driver.images.ensure(None, meta, glance.download, glance.locate, root_gib=1)
        assert image.copied == interface.Copied()
        assert image.story.endswith("0 bytes copied")
        instance_uuid, line = boot_disks(lab, image)
        assert line == f"disk cloned from vms/base.image.{meta.id}@base, 0 bytes copied"
        assert content_of(lab, f"{instance_uuid}_disk", 5 * MIB) == content
    assert glance.downloads == 1
    assert files_left(lab) == []


def test_a_raw_image_elsewhere_is_imported_once(rbd_lab, glance):
    """S4, S7, S8, S10-S13, S218: any other store is reached through Glance, and how many
    bytes that took is told."""
    content = os.urandom(MIB)
    meta = glance.in_files(content, "raw")
    first = ensure(rbd_lab, glance, meta)
    assert first.copied == interface.Copied(MIB, 0, MIB)
    assert "Glance shows no location of it in Ceph" in first.story
    assert ensure(rbd_lab, glance, meta).copied == interface.Copied()


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"fsid": str(uuid.UUID(int=1))}, "another Ceph cluster"),
        ({"pool": "vms"}, "its pool is not one of"),
        ({"image": str(uuid.UUID(int=2))}, "of another image"),
        ({"name": "missing"}, "cannot be read with this host's key"),
    ],
)
def test_a_location_that_is_not_trusted_or_readable(rbd_lab, glance, changed, why):
    """The slow way is always open."""
    meta = glance.raw_in_ceph(b"y" * MIB, **changed)
    image = ensure(rbd_lab, glance, meta)
    assert image.path == f"vms/base.image.{meta.id}@base"
    assert why in image.story
    assert glance.downloads == 1


def test_never_download_refuses_and_says_why(rbd_lab, glance):
    """S19, D12: what would be copied is refused; what is there already is not."""
    lab = rbd_lab
    meta = glance.in_files(qcow2_of(lab, b"z" * MIB), "qcow2")
    strict = lab.new_driver(libvirt__images_rbd_never_download=True)
    with pytest.raises(exceptions.ImageUnacceptable, match="its format is qcow2") as caught:
        strict.images.ensure(None, meta, glance.download, glance.locate)
    assert "use a raw image" in caught.value.message
    assert glance.downloads == 0
    ensure(lab, glance, meta)
    assert strict.images.ensure(None, meta, glance.download, glance.locate).copied.total_bytes == 0
    raw = glance.raw_in_ceph(b"z" * MIB)
    assert strict.images.ensure(None, raw, glance.download, glance.locate)


HOSTILE = {
    "qcow2 declared raw": hostile.qcow2(backing_file=b"/etc/passwd"),
    "data file declared raw": hostile.qcow2(incompatible_features=hostile.EXTERNAL_DATA_FILE),
    "vmdk declared raw": hostile.vmdk("monolithicFlat", 'RW 2048 FLAT "/etc/passwd" 0'),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("is_in_ceph", [True, False])
def test_a_hostile_image_is_refused_before_anything_is_made(rbd_lab, glance, name, is_in_ceph):
    """CVE-2024-40767, CVE-2024-32498: also one that would be cloned."""
    lab, before = rbd_lab, conftest.images_of(rbd_lab.cluster, "vms")
    make = glance.raw_in_ceph if is_in_ceph else lambda data: glance.in_files(data, "raw")
    meta = make(HOSTILE[name])
    with pytest.raises(exceptions.ImageUnacceptable, match="declared as raw"):
        ensure(lab, glance, meta)
    assert conftest.images_of(lab.cluster, "vms") == before
    assert files_left(lab) == []


@pytest.mark.parametrize("is_in_ceph", [True, False])
def test_an_image_larger_than_the_flavor(rbd_lab, glance, is_in_ceph):
    """CVE-2013-2096: refused before it is written."""
    lab, before = rbd_lab, conftest.images_of(rbd_lab.cluster, "vms")
    if is_in_ceph:
        meta = glance.raw_in_ceph(b"a" * MIB)
        with lab.cluster.pool("images") as images:
            images.resize(meta.id, 2 * GIB)
            images.create_snapshot(meta.id, "large", protect=True)
        meta.rbd_urls = [meta.rbd_urls[0].replace("/snap", "/large")]
    else:
        meta = glance.in_files(hostile.qcow2(virtual_size=2 * GIB), "qcow2")
    with pytest.raises(exceptions.FlavorDiskTooSmall, match=meta.id):
        ensure(lab, glance, meta, root_gib=1)
    assert conftest.images_of(lab.cluster, "vms") == before


def test_hosts_that_come_together_share_one_import(rbd_lab, glance, monkeypatch):
    """One downloads; the others see that it is at work, and wait."""
    lab, content = rbd_lab, os.urandom(2 * MIB)
    monkeypatch.setattr(parents, "WAIT_INTERVAL_S", 0.05)
    meta = glance.in_files(content, "raw")
    hosts = [lab.new_driver(default__state_path=str(lab.path / f"h{n}")) for n in range(3)]
    started, go_on = threading.Event(), threading.Event()
    download, images, errors = glance.download, [], []

    def slow(*args):
        started.set()
        assert go_on.wait(30)
        download(*args)

    def run(driver):
        try:
            images.append(driver.images.ensure(None, meta, slow, glance.locate))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(driver,)) for driver in hosts]
    threads[0].start()
    assert started.wait(30)
    for thread in threads[1:]:
        thread.start()
    with lab.cluster.pool("vms") as vms:
        assert vms.use(f"base.image.{meta.id}.part").watchers
        assert not vms.exists(f"base.image.{meta.id}")
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert glance.downloads == 1
    assert sorted(image.copied.imported_bytes for image in images) == [0, 0, 2 * MIB]


def test_what_a_dead_importer_left_is_begun_again(rbd_lab, glance, monkeypatch):
    """Half-made under its temporary name, and never taken for the whole."""
    lab, content = rbd_lab, os.urandom(MIB)
    monkeypatch.setattr(parents, "WAIT_INTERVAL_S", 0.05)
    monkeypatch.setattr(parents, "ABANDONED_AFTER_S", 0.3)
    meta = glance.in_files(content, "raw")
    with lab.cluster.pool("vms") as vms:
        vms.create(f"base.image.{meta.id}.part", 64 * MIB)
    image = ensure(lab, glance, meta)
    assert image.virtual_size_bytes == MIB
    assert content_of(lab, f"base.image.{meta.id}", MIB) == content
    with lab.cluster.pool("vms") as vms:
        assert not vms.exists(f"base.image.{meta.id}.part")


def test_parents_age_out_when_nothing_is_cloned_from_them(rbd_lab, glance):
    """As base files do: after image_cache.minimum_age_s, never before."""
    lab = rbd_lab
    meta = glance.in_files(b"b" * MIB, "raw")
    parent = f"base.image.{meta.id}"
    instance_uuid, _line = boot_disks(lab, ensure(lab, glance, meta))
    young = lab.driver.disks
    with lab.cluster.pool("vms") as vms:
        vms.set_metadata(parent, parents.LAST_USED_KEY, "1")
        in_use, report = young.remove_unused_bases()
        assert parent in in_use
        assert parent in report.kept
        young.remove(instance_uuid)
        ensure(lab, glance, meta)  # used just now
        assert parent in young.remove_unused_bases()[1].kept
        vms.set_metadata(parent, parents.LAST_USED_KEY, "1")
        assert parent in young.remove_unused_bases()[1].removed
        assert not vms.exists(parent)


class Cut:
    """Fails one call of Ceph: before it does anything, or when it has."""

    def __init__(self, monkeypatch):
        self.calls = 0
        self._at, self._after = -1, False
        real = session.Session._run

        def run(this, what, function):
            self.calls += 1
            hit = self.calls == self._at
            if hit and not self._after:
                raise exceptions.CephError(reason="cut")
            answer = real(this, what, function)
            if hit:
                raise exceptions.CephError(reason="cut")
            return answer

        monkeypatch.setattr(session.Session, "_run", run)

    def at(self, call, *, after):
        self.calls, self._at, self._after = 0, call, after


def cut_everywhere(cut, act, check):
    """``act`` with each of its calls cut, before and after; ``check`` the world."""
    cut.at(-1, after=False)
    act()
    total = cut.calls
    assert total > 10
    for call in range(1, total + 1):
        for after in (False, True):
            cut.at(call, after=after)
            # Some calls are tried again, or were the last of their kind.
            with contextlib.suppress(exceptions.CephError):
                act()
            cut.at(-1, after=False)
            check(f"call {call} of {total}, {'after' if after else 'before'}")


def test_an_import_that_is_cut_at_any_call_leaves_nothing_half_made(rbd_lab, glance, monkeypatch):
    """Either the whole parent or none, and no file."""
    lab, content = rbd_lab, os.urandom(MIB)
    meta = glance.in_files(content, "raw")
    parent = f"base.image.{meta.id}"
    digest = hashlib.sha256(content).hexdigest()
    cut = Cut(monkeypatch)

    def check(where):
        left = {n for n in conftest.images_of(lab.cluster, "vms") if n.startswith(parent)}
        assert left <= {parent}, where
        assert files_left(lab) == [], where
        with lab.cluster.pool("vms") as vms:
            if left:
                found = hashlib.sha256(vms.read(parent, 0, MIB)).hexdigest()
                assert found == digest, where
                assert vms.is_protected(parent, "base"), where
                vms.remove(parent)

    cut_everywhere(cut, lambda: ensure(lab, glance, meta), check)


def test_disks_that_are_cut_at_any_call_are_undone(rbd_lab, glance, monkeypatch):
    """What a build's undo leaves is what was there before."""
    lab = rbd_lab
    image = ensure(lab, glance, glance.raw_in_ceph(b"c" * MIB))
    instance = factories.instance()
    info = factories.block_device_info()
    before = conftest.images_of(lab.cluster, "vms")
    cut = Cut(monkeypatch)

    def act():
        lab.driver.disks.create(instance, info, image)
        lab.driver.disks.write_config_drive(instance.uuid, {"a": b"b"})

    def check(where):
        lab.driver.disks.remove(instance.uuid)
        assert conftest.images_of(lab.cluster, "vms") == before, where
        assert lab.driver.disks.list_instances() == [], where

    cut_everywhere(cut, act, check)


def test_removal_that_is_cut_at_any_call_can_be_repeated(rbd_lab, glance, monkeypatch):
    lab = rbd_lab
    image = ensure(lab, glance, glance.raw_in_ceph(b"d" * MIB))
    before = conftest.images_of(lab.cluster, "vms")
    cut = Cut(monkeypatch)
    cut.at(-1, after=False)
    instance_uuid, _line = boot_disks(lab, image)
    cut.at(-1, after=False)
    lab.driver.disks.remove(instance_uuid)
    for call in range(1, cut.calls + 1):
        for after in (False, True):
            instance_uuid, _line = boot_disks(lab, image)
            cut.at(call, after=after)
            with pytest.raises(exceptions.CephError, match="cut"):
                lab.driver.disks.remove(instance_uuid)
            cut.at(-1, after=False)
            assert lab.driver.disks.list_instances() == [instance_uuid]
            lab.driver.disks.remove(instance_uuid)
            assert conftest.images_of(lab.cluster, "vms") == before


def test_no_key_is_in_what_is_seen(rbd_lab, glance):
    """The domain names a secret of libvirt; the key is in libvirt's memory."""
    lab = rbd_lab
    access = lab.cluster.access
    key = ceph.Cluster(ceph.Access(access.conf_path, "nova")).key()
    image = ensure(lab, glance, glance.raw_in_ceph(b"e" * MIB))
    instance_uuid = lab.spawn(root_image=image)
    virsh = ["virsh", "-c", "qemu:///system"]
    xml = subprocess.run(
        [*virsh, "dumpxml", "--security-info", instance_uuid],
        check=True, capture_output=True, text=True, timeout=30,
    ).stdout  # fmt: skip
    assert key not in xml
    assert f"<source protocol='rbd' name='vms/{instance_uuid}_disk'" in xml
    assert "<driver name='qemu' type='raw'" in xml
    (secret,) = re.findall(r"<secret type='ceph' uuid='([0-9a-f-]+)'/>", xml)
    processes = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True)
    assert key not in processes.stdout
    value = subprocess.run(
        [*virsh, "secret-get-value", secret], capture_output=True, text=True, timeout=30
    )
    assert key not in value.stdout
    # As after a restart of libvirt, which forgets what was in memory only.
    lab.driver.guests.destroy(instance_uuid)
    subprocess.run([*virsh, "secret-undefine", secret], check=True, timeout=30)
    lab.driver.disks.remove(instance_uuid)
    again = lab.spawn(root_image=image)
    assert lab.driver.guests.info(again).power_state == 1
