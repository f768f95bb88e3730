"""Encrypted volumes through all of nova_lite (S201, CVE-2017-18191)."""

import collections.abc
import logging
import pathlib

import pytest

from nova_lite import concurrency
from nova_lite import conf as conf_module
from nova_lite import context
from nova_lite.volume import keys
from tests.fixtures import pipeline

CREATION_TIMEOUT_S = 120


@pytest.fixture(name="world")
def fixture_world(tmp_path: pathlib.Path) -> collections.abc.Iterator[pipeline.World]:
    directory = str(tmp_path / "keys")
    with pipeline.World(tmp_path, ["a"], key_manager__file_directory=directory) as world:
        yield world


def encrypted(world: pipeline.World) -> str:
    """A new volume. qemu-img measures the processor for seconds before it makes LUKS."""
    body = {"volume": {"size": 1, "volume_type": "local-luks"}}
    volume_id = str(world.cinder("POST", "/volumes", body)["volume"]["id"])
    assert concurrency.wait_until(
        lambda: world.volume_status(volume_id) == "available", CREATION_TIMEOUT_S, 0.5
    )
    world.cinder("POST", f"/volumes/{volume_id}/action", {"os-set_bootable": {"bootable": True}})
    return volume_id


def passphrase(world: pipeline.World, volume_id: str) -> str:
    key_id = world.cinder("GET", f"/volumes/{volume_id}/encryption")["encryption_key_id"]
    conf = conf_module.new(files=[], key_manager__file_directory=str(world.path / "keys"))
    ctxt = context.RequestContext(overwrite=False)
    return keys.VolumeKeys(conf).passphrase(ctxt, key_id).decode()


def seen_by_the_driver(world: pipeline.World) -> list[object]:
    """What each connect is given to open the volume with."""
    given: list[object] = []

    def note(_info: object, _uuid: object, encryption: object = None) -> None:
        given.append(encryption)

    world.hosts["a"].faults.on_call("volumes.connect", note)
    return given


def test_every_way_to_attach_reads_how(
    world: pipeline.World, caplog: pytest.LogCaptureFixture
) -> None:
    """At boot and hot, and no log, database or state file knows the passphrase."""
    caplog.set_level(logging.DEBUG)
    root, data = (encrypted(world) for _ in range(2))
    given = seen_by_the_driver(world)
    server_id = world.boot(pipeline.bootable(root))
    world.attach(server_id, data)
    world.wait(lambda: world.volume_status(data) == "in-use", "the attach")
    world.wait(world.is_quiet, "the end of it")
    secrets = [passphrase(world, volume_id) for volume_id in (root, data)]
    assert given == [keys.Encryption("luks", secret.encode()) for secret in secrets]
    kept = [
        path for path in world.path.rglob("*") if path.is_file() and path.parent.name != "keys"
    ]
    for path in kept:
        if path.stat().st_size < 2**24:
            assert not any(secret.encode() in path.read_bytes() for secret in secrets), path
    assert not any(secret in caplog.text for secret in secrets)
    world.check([root, data])
    world.delete(server_id)
    world.check([root, data])


def test_a_recovered_build_reads_it_again(world: pipeline.World) -> None:
    """The process dies when the host is connected; its successor opens the volume."""
    root = encrypted(world)
    host = world.hosts["a"]
    host.faults.kill("cinder.complete_attachment")
    server_id = world.create(pipeline.bootable(root))
    host.wait_dead()
    host.restart()
    given = seen_by_the_driver(world)
    world.recover()
    assert world.settled(server_id)["status"] == "ACTIVE"
    assert given == [keys.Encryption("luks", passphrase(world, root).encode())]
    world.check([root])


def test_a_start_connects_again(world: pipeline.World) -> None:
    """A restart of the host forgets connections and passphrases."""
    root = encrypted(world)
    server_id = world.boot(pipeline.bootable(root))
    path = f"/servers/{server_id}/action"
    world.nova("POST", path, {"os-stop": None})
    world.wait(lambda: (world.server(server_id) or {})["status"] == "SHUTOFF", "the stop")
    world.wait(world.is_quiet, "the end of it")
    given = seen_by_the_driver(world)
    world.nova("POST", path, {"os-start": None})
    world.wait(lambda: (world.server(server_id) or {})["status"] == "ACTIVE", "the start")
    world.wait(world.is_quiet, "the end of it")
    assert given == [keys.Encryption("luks", passphrase(world, root).encode())]
    world.check([root])


def test_without_the_key_nothing_is_attached(world: pipeline.World) -> None:
    """And nothing is left of the attempt."""
    server_id, data = world.boot(image=world.image()), encrypted(world)
    for key in (world.path / "keys").iterdir():
        key.rename(world.path / key.name)
    given = seen_by_the_driver(world)
    world.attach(server_id, data)
    world.wait(lambda: world.volume_status(data) == "available", "the attach to be undone")
    world.wait(world.is_quiet, "the end of it")
    assert given == []
    assert "the key manager" in str(world.journal()).lower()
    world.check([data])
