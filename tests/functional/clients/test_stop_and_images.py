"""Stopping, starting and making images of servers, through the unmodified clients."""

import json
import typing

import openstack_session
import pytest

from tests.functional.clients import cloud as clouds
from tests.functional.clients import conftest
from tests.integration import cluster as clusters


def boot(cloud: clouds.Cloud, *words: str) -> str:
    made = cloud.osc.json("server", "create", "--flavor", "1", *words, "test")
    cloud.active(made["id"])
    return str(made["id"])


def wait_for_status(cloud: clouds.Cloud, server_id: str, status: str) -> None:
    def reached() -> bool:
        server = cloud.ok("GET", f"/servers/{server_id}")["server"]
        return bool(server["status"] == status and server["OS-EXT-STS:task_state"] is None)

    clusters.wait_for(reached, f"the server to be {status}")


def image_named(cloud: clouds.Cloud, name: str) -> typing.Any:
    """An image that is whole, as ``openstack image show`` gives it."""
    clusters.wait_for(
        lambda: cloud.osc.json("image", "show", name)["status"] == "active", f"image {name}"
    )
    return cloud.osc.json("image", "show", name)


def test_openstack_server_stop_and_start(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S2, RULES B8; and volumes come and go meanwhile (S206)."""
    server_id = boot(cloud, "--image", "cirros")
    cloud.osc.run("server", "stop", "test")
    wait_for_status(cloud, server_id, "SHUTOFF")
    with pytest.raises(openstack_session.CommandFailed, match="vm_state stopped"):
        cloud.osc.run("server", "stop", "test")
    cloud.osc.run("server", "add", "volume", "test", "data")
    cloud.wait_for_volume(sources.data, "in-use")
    cloud.osc.run("server", "start", "test")
    wait_for_status(cloud, server_id, "ACTIVE")
    actions = [event["Action"] for event in cloud.osc.json("server", "event", "list", "test")]
    assert actions == ["start", "attach_volume", "stop", "create"]


def test_nova_stop_and_start(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    server_id = boot(cloud, "--image", "cirros")
    cloud.nova("stop", server_id)
    wait_for_status(cloud, server_id, "SHUTOFF")
    cloud.nova("start", server_id)
    wait_for_status(cloud, server_id, "ACTIVE")


def test_openstack_server_image_create(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S2, S28, API C2: the body of 2.45."""
    server_id = boot(cloud, "--image", "cirros")
    cloud.osc.json("server", "image", "create", "--name", "copy", "--property", "a=b", "test")
    image = image_named(cloud, "copy")
    assert (image["properties"]["a"], image["properties"]["instance_uuid"]) == ("b", server_id)
    assert image["properties"]["os_distro"] == "debian"
    cloud.osc.run("server", "delete", "--wait", "test")
    boot(cloud, "--image", "copy")
    cloud.osc.run("image", "delete", "copy")


@pytest.mark.parametrize("version", ["2.1", "2.45"])
def test_nova_image_create(cloud: clouds.Cloud, sources: conftest.Sources, version: str) -> None:
    """S28: of a server on a volume; by the address in the header, or by the id."""
    server_id = boot(cloud, "--volume", "bootable")
    cloud.nova("image-create", server_id, "copy", version=version)
    image = image_named(cloud, "copy")
    (row,) = json.loads(image["properties"]["block_device_mapping"])
    snapshot = cloud.osc.json("volume", "snapshot", "show", row["snapshot_id"])
    assert (snapshot["volume_id"], snapshot["status"]) == (sources.volume, "available")
    another = boot(cloud, "--image", "copy")
    (device,) = cloud.devices(another)
    assert (device["source_type"], device["snapshot_id"]) == ("snapshot", snapshot["id"])
    cloud.osc.run("server", "delete", "--wait", another)
    cloud.osc.run("image", "delete", image["id"])
    cloud.osc.run("volume", "delete", device["volume_id"])
    cloud.osc.run("volume", "snapshot", "delete", snapshot["id"])
