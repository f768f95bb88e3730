"""openstacksdk, in this process, with the versions it picks itself."""

import typing

import openstack
import pytest

from tests.functional.clients import cloud as clouds
from tests.functional.clients import conftest
from tests.integration import cluster as clusters

Row = dict[str, typing.Any]


def boot(cloud: clouds.Cloud, **how: typing.Any) -> typing.Any:
    """``create_server``, and a wait until the server is ACTIVE.

    ``create_server(wait=True)`` is not for clouds without networks: it deletes a
    server that became ACTIVE without an address.
    """
    made = cloud.sdk.create_server("test", flavor="test1", **how)
    cloud.active(made.id)
    return cloud.sdk.compute.get_server(made.id)


def has(row: Row, expected: Row) -> bool:
    return row | expected == row


def test_boot_from_new_volume(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S31, S26: ``boot_from_volume`` with ``terminate_volume``."""
    server = boot(
        cloud, image="cirros", boot_from_volume=True, volume_size=2, terminate_volume=True,
        volumes=["data"],
    )  # fmt: skip
    root, data = cloud.devices(server.id)
    assert has(
        root,
        {
            "source_type": "image", "destination_type": "volume", "boot_index": 0,
            "volume_size": 2, "delete_on_termination": True, "image_id": sources.image,
        },
    )  # fmt: skip
    assert has(data, {"source_type": "volume", "volume_id": sources.data, "boot_index": -1})
    assert {volume["id"] for volume in server.attached_volumes} == {
        root["volume_id"], sources.data,
    }  # fmt: skip
    assert cloud.sdk.delete_server(server.id, wait=True)
    cloud.wait_for_volume(sources.data, "available")
    assert cloud.sdk.get_volume(root["volume_id"]) is None


def test_boot_volume(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S36, S97."""
    server = boot(cloud, boot_volume="bootable")
    assert has(
        cloud.devices(server.id)[0],
        {"volume_id": sources.volume, "boot_index": 0, "delete_on_termination": False},
    )


def test_mapping_by_hand(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S54, S55, S56, S57, S58: the JSON of the document, with its strings."""
    row = {
        "boot_index": "0", "uuid": sources.image, "source_type": "image", "volume_size": "25",
        "destination_type": "volume", "delete_on_termination": True, "tag": "disk1",
        "disk_bus": "scsi",
    }  # fmt: skip
    made = cloud.sdk.compute.create_server(
        name="test", flavor_id="1", networks="none", block_device_mapping=[row]
    )
    server = cloud.sdk.compute.wait_for_server(made, interval=0.2)
    assert has(
        cloud.devices(server.id)[0],
        {
            "boot_index": 0, "volume_size": 25, "tag": "disk1", "disk_bus": "scsi",
            "delete_on_termination": True, "image_id": sources.image,
        },
    )  # fmt: skip
    (attachment,) = cloud.sdk.compute.volume_attachments(server)
    assert (attachment.tag, attachment.delete_on_termination) == ("disk1", True)


def test_refusal_is_an_exception_that_says_why(
    cloud: clouds.Cloud, sources: conftest.Sources
) -> None:
    """B14-1, B14-2."""
    before = cloud.world()
    with pytest.raises(openstack.exceptions.BadRequestException, match="source_type"):
        cloud.sdk.compute.create_server(
            name="test", flavor_id="1", networks="none",
            block_device_mapping=[{"uuid": sources.volume, "boot_index": 0}],
        )  # fmt: skip
    with pytest.raises(openstack.exceptions.BadRequestException, match="destination_type"):
        cloud.sdk.compute.create_server(
            name="test", flavor_id="1", networks="none",
            block_device_mapping=[
                {"uuid": sources.volume, "source_type": "volume", "boot_index": 0}
            ],
        )  # fmt: skip
    assert cloud.world() == before


def test_attach_and_detach(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S2: with the waiting of the client itself."""
    server = boot(cloud, image="cirros")
    volume = cloud.sdk.get_volume(sources.data)
    attachment = cloud.sdk.attach_volume(server, volume, wait=True)
    assert attachment.volume_id == sources.data
    cloud.wait_for_volume(sources.data, "in-use")
    (found,) = cloud.sdk.compute.volume_attachments(server)
    assert found.device == "/dev/vdb"
    cloud.sdk.compute.update_volume_attachment(server, sources.data, delete_on_termination=True)
    assert cloud.devices(server.id)[1]["delete_on_termination"]
    cloud.sdk.compute.update_volume_attachment(server, sources.data, delete_on_termination=False)
    cloud.sdk.detach_volume(server, cloud.sdk.get_volume(sources.data), wait=True)
    clusters.wait_for(lambda: len(cloud.devices(server.id)) == 1, "the row to go")
    assert cloud.cinder_volume(sources.data)["status"] == "available"


def test_compute_proxy(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    compute = cloud.sdk.compute
    image = sources.image
    made = [
        compute.create_server(name=name, flavor_id="1", image_id=image, networks="none")
        for name in ("a", "b")
    ]
    first, second = (compute.wait_for_server(server, interval=0.2) for server in made)
    assert {server.id for server in compute.servers()} == {first.id, second.id}
    # Pages of one.
    assert len(list(compute.servers(limit=1, details=False))) == 2
    assert compute.find_server("a").id == first.id
    assert compute.find_server("nobody") is None
    compute.update_server(first, name="c")
    compute.set_server_metadata(first, k="v")
    shown = compute.get_server(first)
    assert (shown.name, shown.metadata) == ("c", {"k": "v"})
    compute.delete_server_metadata(first, ["k"])
    compute.add_tag_to_server(first, "t")
    assert compute.get_server(first).tags == ["t"]
    compute.remove_tag_from_server(first, "t")
    assert "fake console" in compute.get_server_console_output(first)["output"]
    assert [action.action for action in compute.server_actions(first)] == ["create"]
    assert {flavor.name for flavor in compute.flavors()} >= {"test1", "test7"}
    assert compute.find_flavor("test7").ephemeral == 20
    assert [node.hypervisor_type for node in compute.hypervisors(details=True)] == ["fake"]
    assert {service.binary for service in compute.services()} >= {"nova-compute"}
    assert any(zone.name == "nova" for zone in compute.availability_zones(details=True))
    assert compute.get_limits().absolute.instances_used == 2
    for server in (first, second):
        compute.delete_server(server)
        compute.wait_for_delete(server, interval=0.2)
    assert list(compute.servers()) == []
