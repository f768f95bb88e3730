"""What a server's guest is told: its config drive, from the request to the host."""

import base64
import collections.abc
import json
import logging
import pathlib
import typing

import pytest

from nova_lite import exceptions
from tests.fixtures import pipeline
from tests.functional.api.test_keypairs import PUBLIC_KEY

PASSWORD = "canary-4f1d9c7e"
USER_DATA = b"#!/bin/sh\necho hello\n"

Fields = dict[str, typing.Any]
ASKED: Fields = {
    "config_drive": True,
    "adminPass": PASSWORD,
    "key_name": "me",
    "user_data": base64.b64encode(USER_DATA).decode(),
    "metadata": {"role": "web"},
}


@pytest.fixture
def key(one_host: pipeline.World) -> None:
    add_key(one_host)


def add_key(world: pipeline.World) -> None:
    world.nova("POST", "/os-keypairs", {"keypair": {"name": "me", "public_key": PUBLIC_KEY}})


def drive_of(world: pipeline.World, server_id: str) -> dict[str, bytes]:
    """The files of a server's config drive, wherever it runs."""
    (found,) = (
        host.driver.world.config_drives[server_id]
        for host in world.hosts.values()
        if server_id in host.driver.world.config_drives
    )
    return dict(found)


def meta_data(world: pipeline.World, server_id: str) -> dict[str, typing.Any]:
    content = drive_of(world, server_id)["openstack/latest/meta_data.json"]
    return typing.cast(dict[str, typing.Any], json.loads(content))


def files_below(path: pathlib.Path) -> collections.abc.Iterator[pathlib.Path]:
    return (file for file in path.rglob("*") if file.is_file())


@pytest.mark.usefixtures("key")
def test_the_guest_is_told_what_was_asked(one_host: pipeline.World) -> None:
    """S136, S154: also the password, which only messages carry."""
    server_id = one_host.boot(image=one_host.image(), name="My Server", **ASKED)
    data = meta_data(one_host, server_id)
    told = {name: data[name] for name in ("uuid", "name", "hostname", "meta", "admin_pass")}
    assert told == {
        "uuid": server_id,
        "name": "My Server",
        "hostname": "my-server",
        "meta": {"role": "web"},
        "admin_pass": PASSWORD,
    }
    assert data["public_keys"] == {"me": PUBLIC_KEY}
    assert data["availability_zone"] == "nova"
    assert drive_of(one_host, server_id)["openstack/latest/user_data"] == USER_DATA
    server = one_host.server(server_id)
    assert server is not None
    assert (server["config_drive"], server["key_name"]) == ("True", "me")
    one_host.check()

    one_host.delete(server_id)
    one_host.check()
    assert one_host.hosts["a"].driver.world.config_drives == {}


def test_tagged_devices_are_told_with_their_serials(one_host: pipeline.World) -> None:
    """S59: stored, shown from 2.70 on, and in the guest."""
    root, data = one_host.volume(), one_host.volume()
    server_id = one_host.boot(
        pipeline.bootable(root, tag="root"),
        pipeline.bootable(data, boot_index=-1, tag="data"),
        pipeline.bootable(one_host.volume(), boot_index=-1),
        config_drive=True,
    )
    devices = meta_data(one_host, server_id)["devices"]
    assert [(device["tags"], device["serial"], device["path"]) for device in devices] == [
        (["root"], root, "/dev/vda"),
        (["data"], data, "/dev/vdb"),
    ]
    assert all(device["bus"] == "pci" and device["type"] == "disk" for device in devices)
    shown = one_host.nova("GET", f"/servers/{server_id}/os-volume_attachments")
    tags = {row["volumeId"]: row["tag"] for row in shown["volumeAttachments"]}
    assert (tags[root], tags[data]) == ("root", "data")


def test_without_being_asked_there_is_none(one_host: pipeline.World) -> None:
    server_id = one_host.boot(image=one_host.image())
    assert one_host.hosts["a"].driver.world.config_drives == {}
    server = one_host.server(server_id)
    assert server is not None
    assert server["config_drive"] == ""


def test_the_operator_can_force_it(tmp_path: pathlib.Path) -> None:
    with pipeline.World(tmp_path, compute__force_config_drive=True) as world:
        server_id = world.boot(image=world.image())
        assert meta_data(world, server_id)["uuid"] == server_id
        server = world.server(server_id)
        assert server is not None
        assert server["config_drive"] == "True"


def test_the_password_follows_to_the_next_host(world: pipeline.World) -> None:
    """The user was told it: a host that fails must not make it wrong."""
    struck: list[object] = []

    def once(*_args: object, **_kwargs: object) -> None:
        if not struck:
            struck.append(None)
            raise exceptions.HypervisorError(reason="a test wants it")

    for host in world.hosts.values():
        host.faults.on_call("guests.spawn", once)
    server_id = world.boot(image=world.image(), config_drive=True, adminPass=PASSWORD)
    assert struck
    assert meta_data(world, server_id)["admin_pass"] == PASSWORD
    world.check()


def test_a_build_that_is_taken_up_has_no_password(one_host: pipeline.World) -> None:
    """It is written nowhere, so what is done from the database alone lacks it."""
    one_host.conductor.faults.kill("compute.build_and_run_instance")
    server_id = one_host.create(image=one_host.image(), config_drive=True, adminPass=PASSWORD)
    one_host.conductor.wait_dead()
    one_host.conductor.restart()
    one_host.recover()
    assert one_host.settled(server_id)["status"] == "ACTIVE"
    assert "admin_pass" not in meta_data(one_host, server_id)
    one_host.check()


@pytest.mark.usefixtures("key")
def test_the_password_is_in_no_file_and_no_log(
    one_host: pipeline.World, caplog: pytest.LogCaptureFixture
) -> None:
    """SECURITY: CVE-2015-8749 and its kind. Databases, journals, logs of all levels;
    also when the build fails and is given up."""
    caplog.set_level(logging.DEBUG)
    host = one_host.hosts["a"]
    host.faults.fail("guests.spawn", RuntimeError("a test wants it"), times=1)
    server_id = one_host.create(image=one_host.image(), **ASKED)
    one_host.recover()
    assert one_host.settled(server_id)["status"] == "ERROR"
    one_host.boot(image=one_host.image(), **ASKED)
    assert PASSWORD not in caplog.text
    assert PASSWORD not in json.dumps(one_host.server(server_id))
    holding = [
        file for file in files_below(one_host.path) if PASSWORD.encode() in file.read_bytes()
    ]
    assert holding == []
