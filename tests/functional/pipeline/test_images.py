"""Images on their way into servers: fetched once, and never trusted."""

import collections.abc
import pathlib
import typing

import pytest

from nova_lite.image import cache
from tests.fixtures import pipeline
from tests.unit.image import hostile

CROWD = pipeline.CROWD | {"quota__ram_mib": -1}


@pytest.fixture(name="recorded")
def fixture_recorded(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> collections.abc.Callable[[], list[str]]:
    """A ``qemu-img`` that only writes down how it was called; what it was."""
    folder, record = tmp_path / "bin", tmp_path / "qemu-img.calls"
    folder.mkdir()
    program = folder / "qemu-img"
    program.write_text(f'#!/bin/sh\necho "$@" >>{record}\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return lambda: record.read_text().splitlines() if record.exists() else []


@pytest.fixture(name="world")
def fixture_world(tmp_path: pathlib.Path) -> collections.abc.Iterator[pipeline.World]:
    """One fake host that wants its images as files, as real ones do."""
    with pipeline.World(tmp_path, ["a"], compute__max_concurrent_builds=100, **CROWD) as world:
        host = world.hosts["a"]
        host.driver.images = cache.ImageCache(host.conf)
        yield world


def upload(world: pipeline.World, data: bytes, disk_format: str) -> str:
    body = {"name": "image", "disk_format": disk_format, "container_format": "bare"}
    url = f"{world.image_url}/v2/images"
    image_id = str(world.ok("POST", url, body)["id"])
    answer = world.http.put(
        f"{url}/{image_id}/file",
        data=data,
        headers={"Content-Type": "application/octet-stream"},
        timeout=10,
    )
    assert answer.ok, answer.text
    return image_id


def downloads(world: pipeline.World) -> int:
    calls = world.ok("GET", f"{world.image_url}/_calls")["calls"]
    return sum(1 for call in calls if call["kind"] == "images.download")


def base_files(world: pipeline.World) -> list[str]:
    folder = pathlib.Path(world.hosts["a"].conf.compute.instances_path) / "_base"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_hundred_servers_of_one_image_fetch_it_once(world: pipeline.World) -> None:
    """S99, S103: 100 simultaneous boots, one download, nothing left over."""
    image = world.image()
    world.create(image=image, min_count=100, max_count=100)

    def servers() -> list[typing.Any]:
        return typing.cast(
            list[typing.Any], world.nova("GET", "/servers/detail?limit=200")["servers"]
        )

    def all_active() -> bool:
        return [server["status"] for server in servers()] == ["ACTIVE"] * 100

    world.wait(world.is_quiet, "all builds", pipeline.CROWD_TIMEOUT_S)
    assert all_active()
    assert downloads(world) == 1
    assert len(base_files(world)) == 2  # the image and its record
    world.check()


HOSTILE = {
    "CVE-2024-32498 backing file": (
        "qcow2",
        hostile.qcow2(backing_file=b"/etc/passwd"),
        "safety checks: backing_file",
    ),
    "CVE-2024-32498 data file": (
        "qcow2",
        hostile.qcow2(incompatible_features=hostile.EXTERNAL_DATA_FILE),
        "safety checks: data_file",
    ),
    "CVE-2024-40767 qcow2 declared raw": (
        "raw",
        hostile.qcow2(backing_file=b"/etc/passwd"),
        "declared as raw, but its content is qcow2",
    ),
    "CVE-2024-40767 vmdk declared raw": (
        "raw",
        hostile.vmdk("monolithicFlat", 'RW 2048 FLAT "/etc/passwd" 0'),
        "declared as raw, but its content is vmdk",
    ),
    "CVE-2022-47951 vmdk descriptor": (
        "vmdk",
        hostile.vmdk("monolithicFlat", 'RW 2048 FLAT "/etc/passwd" 0'),
        "safety checks: descriptor",
    ),
    "CVE-2022-47951 vmdk extent": (
        "vmdk",
        hostile.vmdk("monolithicSparse", 'RW 1 FLAT "/etc/passwd" 0'),
        "safety checks: descriptor",
    ),
    "CVE-2013-2096 virtual size": (
        "qcow2",
        hostile.qcow2(virtual_size=2**50),
        "the flavor's root disk has 1 GiB",
    ),
    "polyglot": (
        "iso",
        hostile.qcow2()[: 32 * hostile.KIB] + hostile.iso()[32 * hostile.KIB :],
        "",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_image_is_refused_before_qemu_img_opens_it(
    world: pipeline.World, recorded: collections.abc.Callable[[], list[str]], name: str
) -> None:
    """The server goes to ERROR with a reason that its user understands."""
    disk_format, data, reason = HOSTILE[name]
    image = upload(world, data, disk_format)
    server = world.settled(world.create(image=image))
    assert server["status"] == "ERROR"
    message = server["fault"]["message"]
    assert image in message
    assert reason in message
    assert "/etc/passwd" not in message
    assert str(world.path) not in message
    assert recorded() == []
    assert base_files(world) == []
    world.delete(server["id"])
    world.check()


def test_the_recorder_records(
    world: pipeline.World, recorded: collections.abc.Callable[[], list[str]]
) -> None:
    """What the tests above rely on: an honest qcow2 does reach qemu-img, which is
    told its format."""
    image = upload(world, hostile.qcow2(), "qcow2")
    server = world.settled(world.create(image=image))
    assert server["status"] == "ERROR"
    (call,) = recorded()
    assert call.startswith("convert -f qcow2 -O raw ")


@pytest.mark.parametrize("name", HOSTILE)
def test_no_volume_is_made_of_a_hostile_image(
    world: pipeline.World, recorded: collections.abc.Callable[[], list[str]], name: str
) -> None:
    """The embedded volume service looks before qemu-img does, too."""
    disk_format, data, _reason = HOSTILE[name]
    image = upload(world, data, disk_format)
    server = world.settled(world.create(pipeline.new_root(image)))
    assert server["status"] == "ERROR"
    assert "Cinder could not make it" in server["fault"]["message"]
    assert recorded() == []
    files = {path.name for path in (world.path / "neighbours").rglob("*") if path.is_file()}
    assert not any(name.startswith("volume-") for name in files)
    world.delete(server["id"])
    world.check()
