import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import uuid

import pytest

from nova_lite import concurrency
from nova_lite import conf as conf_module
from nova_lite import durable
from nova_lite import exceptions
from nova_lite import objects
from nova_lite.image import cache
from nova_lite.image import convert
from tests.unit.image import hostile

needs_qemu_img = pytest.mark.skipif(not shutil.which("qemu-img"), reason="no qemu-img")

CTXT = object()


def make_conf(tmp_path, **options):
    return conf_module.new(files=[], default__state_path=str(tmp_path), **options)


@pytest.fixture
def conf(tmp_path):
    return make_conf(tmp_path)


def image_meta(disk_format="raw"):
    return objects.ImageMeta(id=str(uuid.uuid4()), disk_format=disk_format)


class Store:
    """A download that counts, and may fail or be interrupted."""

    def __init__(self, content=b"\0" * hostile.MIB):
        self.content = content
        self.fetched = []
        self.error = None

    def download(self, ctxt, image, path):
        assert ctxt is CTXT
        self.fetched.append(image.id)
        pathlib.Path(path).write_bytes(self.content)
        concurrency.sleep(0)  # others run while bytes arrive
        if self.error is not None:
            raise self.error


def files_in(images):
    return sorted(path.name for path in images.path.iterdir())


def test_an_image_is_named_by_the_sha1_of_its_id(conf):
    """S103, S104, S110."""
    meta, images = image_meta(), cache.ImageCache(conf)
    image = images.ensure(CTXT, meta, Store().download)
    name = hashlib.sha1(meta.id.encode()).hexdigest()
    assert image.path == f"{conf.compute.instances_path}/_base/{name}"
    assert (image.disk_format, image.virtual_size_bytes) == ("raw", hostile.MIB)
    assert files_in(images) == [name, f"{name}.json"]


def test_the_folder_has_the_configured_name(tmp_path):
    conf = make_conf(tmp_path, image_cache__subdirectory_name="cached")
    image = cache.ImageCache(conf).ensure(CTXT, image_meta(), Store().download)
    assert pathlib.Path(image.path).parent.name == "cached"


@pytest.mark.parametrize(
    ("group", "option"),
    [
        ("image_cache", "subdirectory_name"),
        ("DEFAULT", "image_cache_subdirectory_name"),
        ("libvirt", "image_cache_subdirectory_name"),
    ],
)
def test_the_folders_option_has_an_old_name(tmp_path, group, option):
    """S110."""
    file = tmp_path / "nova_lite.conf"
    file.write_text(f"[{group}]\n{option} = cached\n")
    conf = conf_module.new(files=[str(file)], default__state_path=str(tmp_path))
    assert cache.ImageCache(conf).path.name == "cached"
    assert make_conf(tmp_path).image_cache.subdirectory_name == "_base"


def test_fetched_once_by_many(conf):
    meta, images, store = image_meta(), cache.ImageCache(conf), Store()
    threads = [concurrency.spawn(images.ensure, CTXT, meta, store.download) for _ in range(100)]
    paths = {thread.wait().path for thread in threads}
    assert len(paths) == 1
    assert store.fetched == [meta.id]
    assert len(files_in(images)) == 2


def test_other_images_do_not_wait(conf):
    first, second, images = image_meta(), image_meta(), cache.ImageCache(conf)
    order = []

    def slow(ctxt, image, path):
        fetched = concurrency.spawn(images.ensure, CTXT, second, Store().download)
        order.append(fetched.wait().image_id)
        Store().download(ctxt, image, path)

    order.append(images.ensure(CTXT, first, slow).image_id)
    assert order == [second.id, first.id]


def test_kept_over_a_restart(conf):
    meta, store = image_meta(), Store()
    first = cache.ImageCache(conf).ensure(CTXT, meta, store.download)
    assert cache.ImageCache(conf).ensure(CTXT, meta, store.download) == first
    assert len(store.fetched) == 1


def test_a_failed_fetch_leaves_nothing_and_is_tried_again(conf):
    meta, images, store = image_meta(), cache.ImageCache(conf), Store()
    store.error = exceptions.RemoteServiceError(service="Glance", reason="cut off")
    with pytest.raises(exceptions.RemoteServiceError):
        images.ensure(CTXT, meta, store.download)
    assert files_in(images) == []
    store.error = None
    images.ensure(CTXT, meta, store.download)
    assert len(store.fetched) == 2


def test_leftovers_of_a_dead_process_go_at_the_start(conf):
    images = cache.ImageCache(conf)
    images.ensure(CTXT, image_meta(), Store().download)
    finished = files_in(images)
    durable.temporary_for(images.path / "0123", conf.host).write_bytes(b"half an image")
    cache.ImageCache(conf).start()
    assert files_in(images) == finished


def test_what_another_host_is_making_stays(tmp_path):
    """They may share the folder, and one of them starts while others work."""
    shared = {"compute__instances_path": str(tmp_path / "shared")}
    one, other = (
        cache.ImageCache(make_conf(tmp_path / host, default__host=host, **shared))
        for host in ("h1", "h2")
    )
    store = Store()

    def download(*args):
        store.download(*args)
        other.start()

    image = one.ensure(CTXT, image_meta(), download)
    assert pathlib.Path(image.path).read_bytes() == store.content


def test_what_nobody_has_written_to_for_a_day_is_no_ones(conf):
    images = cache.ImageCache(conf)
    images.path.mkdir(parents=True)
    new, old = images.path / "0123.456.part", images.path / "0123.789.part"
    for path in (new, old):
        path.write_bytes(b"half an image")
    os.utime(old, (0, time.time() - 25 * 3600))
    images.start()
    assert files_in(images) == [new.name]


def test_a_file_that_was_never_checked_is_not_trusted(conf):
    """CVE-2024-40767: also what lies in the cache from before the check."""
    meta, images, store = image_meta(), cache.ImageCache(conf), Store()
    images.path.mkdir(parents=True)
    name = hashlib.sha1(meta.id.encode()).hexdigest()
    (images.path / name).write_bytes(hostile.qcow2(backing_file=b"/etc/passwd"))
    image = images.ensure(CTXT, meta, store.download)
    assert pathlib.Path(image.path).read_bytes() == store.content


def test_a_damaged_record_is_not_trusted(conf):
    meta, images, store = image_meta(), cache.ImageCache(conf), Store()
    image = images.ensure(CTXT, meta, store.download)
    pathlib.Path(image.path + ".json").write_text(json.dumps({"image_id": meta.id}))
    assert images.ensure(CTXT, meta, store.download) == image
    assert len(store.fetched) == 2


def test_a_hostile_image_is_refused_before_qemu_img(conf, monkeypatch):
    """CVE-2024-32498: nothing but the inspector ever reads it."""
    monkeypatch.setattr(convert.QemuImg, "_run", lambda *_args, **_kwargs: pytest.fail("ran"))
    images = cache.ImageCache(conf)
    store = Store(hostile.qcow2(backing_file=b"/etc/passwd"))
    with pytest.raises(exceptions.ImageUnacceptable):
        images.ensure(CTXT, image_meta("qcow2"), store.download)
    assert files_in(images) == []


def test_a_huge_virtual_size_is_refused_before_it_is_written(conf, monkeypatch):
    """CVE-2013-2096."""
    monkeypatch.setattr(convert.QemuImg, "_run", lambda *_args, **_kwargs: pytest.fail("ran"))
    images = cache.ImageCache(conf)
    store = Store(hostile.qcow2(virtual_size=2**50))
    with pytest.raises(exceptions.FlavorDiskTooSmall):
        images.ensure(CTXT, image_meta("qcow2"), store.download, root_gib=1)
    assert files_in(images) == []


def test_a_cached_image_must_fit_too(conf):
    meta, images, store = image_meta(), cache.ImageCache(conf), Store()
    image = images.ensure(CTXT, meta, store.download, root_gib=2)
    record = {**dataclasses.asdict(image), "virtual_size_bytes": 3 * 2**30}
    pathlib.Path(image.path + ".json").write_text(json.dumps(record))
    with pytest.raises(exceptions.FlavorDiskTooSmall):
        images.ensure(CTXT, meta, store.download, root_gib=2)
    assert len(store.fetched) == 1


@pytest.fixture
def real_qcow2(tmp_path, conf):
    raw, path = tmp_path / "raw", tmp_path / "qcow2"
    raw.write_bytes(b"data" * (hostile.MIB // 4))
    convert.QemuImg(conf).convert(raw, "raw", path, "qcow2")
    return path.read_bytes()


@needs_qemu_img
def test_converted_to_raw(conf, real_qcow2):
    image = cache.ImageCache(conf).ensure(CTXT, image_meta("qcow2"), Store(real_qcow2).download)
    assert (image.disk_format, image.virtual_size_bytes) == ("raw", hostile.MIB)
    assert pathlib.Path(image.path).read_bytes() == b"data" * (hostile.MIB // 4)


@needs_qemu_img
def test_kept_as_qcow2_if_wished(tmp_path, real_qcow2):
    conf = make_conf(tmp_path, libvirt__force_raw_images=False)
    image = cache.ImageCache(conf).ensure(CTXT, image_meta("qcow2"), Store(real_qcow2).download)
    assert (image.disk_format, image.virtual_size_bytes) == ("qcow2", hostile.MIB)
    assert pathlib.Path(image.path).read_bytes() == real_qcow2


@needs_qemu_img
def test_a_failed_conversion_leaves_nothing(conf):
    """The header is sound, but the tables behind it are not."""
    images = cache.ImageCache(conf)
    content = hostile.qcow2()[: 192 * hostile.KIB] + b"\xff" * 64 * hostile.KIB
    with pytest.raises(exceptions.DiskToolFailed, match="qemu-img"):
        images.ensure(CTXT, image_meta("qcow2"), Store(content).download)
    assert files_in(images) == []


DAY_S = 86400


def last_used(image, seconds_ago):
    moment = time.time() - seconds_ago
    os.utime(image.path, (moment, moment))


def test_an_image_that_nobody_uses_ages_out(conf):
    images, store = cache.ImageCache(conf), Store()
    old, young, based_on = (images.ensure(CTXT, image_meta(), store.download) for _ in range(3))
    last_used(old, DAY_S + 60)
    last_used(young, DAY_S - 60)
    last_used(based_on, 100 * DAY_S)
    report = images.remove_unused({pathlib.Path(based_on.path).name})
    assert report.removed == (pathlib.Path(old.path).name,)
    assert report.removed_bytes == hostile.MIB
    kept = sorted(pathlib.Path(image.path).name for image in (young, based_on))
    assert sorted(report.kept) == kept
    assert files_in(images) == sorted([*kept, *(f"{name}.json" for name in kept)])


def test_a_use_makes_an_image_young(conf):
    meta, images, store = image_meta(), cache.ImageCache(conf), Store()
    last_used(images.ensure(CTXT, meta, store.download), 2 * DAY_S)
    images.ensure(CTXT, meta, store.download)
    assert images.remove_unused(set()).removed == ()


def test_an_image_that_aged_out_is_fetched_again(conf):
    meta, images, store = image_meta(), cache.ImageCache(conf), Store()
    last_used(images.ensure(CTXT, meta, store.download), 2 * DAY_S)
    assert len(images.remove_unused(set()).removed) == 1
    images.ensure(CTXT, meta, store.download)
    assert len(store.fetched) == 2


def test_only_images_are_removed(conf):
    images = cache.ImageCache(conf)
    assert images.remove_unused(set()).kept == ()
    images.path.mkdir(parents=True)
    for name in ("swap_64", "ephemeral_1_ext4", "notes.txt", "0123.part"):
        (images.path / name).touch()
        os.utime(images.path / name, (0, 0))
    images.remove_unused(set())
    assert len(files_in(images)) == 4


FETCH = """
import pathlib, sys, time
from nova_lite import conf, objects
from nova_lite.image import cache

def download(ctxt, image, path):
    with pathlib.Path(path).open("wb") as file:
        file.write(b"half of the image")
        file.flush()
        print("half", flush=True)
        time.sleep(600)

images = cache.ImageCache(conf.new(files=[], default__state_path=sys.argv[1]))
images.ensure(None, objects.ImageMeta(id=sys.argv[2], disk_format="raw"), download)
"""


def test_a_process_killed_in_the_middle_of_a_download(conf, tmp_path):
    """kill -9 of a real process: the half is never taken for the image."""
    meta, store = image_meta(), Store()
    with subprocess.Popen(
        [sys.executable, "-c", FETCH, str(tmp_path), meta.id], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"half\n"
        process.send_signal(signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
    images = cache.ImageCache(conf)
    (half,) = files_in(images)
    assert half.endswith(".part")
    images.start()
    assert files_in(images) == []
    image = images.ensure(CTXT, meta, store.download)
    assert pathlib.Path(image.path).read_bytes() == store.content
