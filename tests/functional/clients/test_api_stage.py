"""What the API makes of a request before anything is built, seen in the databases."""

import base64
import json
import typing

import pytest

from nova_lite import objects
from nova_lite.objects import wire
from tests.functional.clients import cloud as clouds
from tests.functional.clients import conftest

Row = dict[str, typing.Any]


def create(cloud: clouds.Cloud, **fields: object) -> tuple[int, Row]:
    body = {"name": "a", "flavorRef": "1", "networks": "none"} | fields
    return cloud.call("POST", "/servers", {"server": body})


def made(cloud: clouds.Cloud, **fields: object) -> str:
    """The id of a server that is ACTIVE."""
    status, answer = create(cloud, **fields)
    assert status == 202, answer
    return str(cloud.active(answer["server"]["id"])["id"])


def instance(cloud: clouds.Cloud, server: str) -> Row:
    (row,) = cloud.sql("cell", "SELECT * FROM instances WHERE uuid = ?", server)
    texts = ("flavor", "metadata", "system_metadata", "tags")
    return row | {name: json.loads(row[name]) for name in texts}


def local_root(image: str) -> Row:
    return {
        "uuid": image, "source_type": "image", "destination_type": "local", "boot_index": 0,
    }  # fmt: skip


def test_what_is_asked_for_reaches_the_build(
    cloud: clouds.Cloud, sources: conftest.Sources
) -> None:
    """S112, S114, S116, S120, S133."""
    (node,) = cloud.ok("GET", "/os-hypervisors")["hypervisors"]
    user_data = base64.b64encode(b"#!/bin/sh").decode()
    server = made(
        cloud, name="asked", imageRef=sources.image, description="words", tags=["t"],
        metadata={"k": "v"}, adminPass="secret-word", user_data=user_data, config_drive=True,
        hostname="guest", accessIPv4="10.1.2.3", flavorRef="7",
        availability_zone=f"nova:{node['hypervisor_hostname']}",
    )  # fmt: skip
    row = instance(cloud, server)
    expected = {
        "display_name": "asked", "display_description": "words", "hostname": "guest",
        "image_ref": sources.image, "tags": ["t"], "metadata": {"k": "v"}, "config_drive": 1,
        "user_data": user_data, "access_ip_v4": "10.1.2.3", "availability_zone": "nova",
        "host": node["hypervisor_hostname"], "root_device_name": "/dev/vda",
        "project_id": "demo", "user_id": "demo", "vm_state": "active", "task_state": None,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    flavor = row["flavor"]
    assert (flavor["root_gib"], flavor["ephemeral_gib"], flavor["swap_mib"]) == (1, 20, 512)
    # The password is for the guest, and the database is no guest.
    assert "secret-word" not in json.dumps(row)


def test_missing_keys_are_null(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S125, S129: a row with the least there can be."""
    row = {"uuid": sources.data, "source_type": "volume", "destination_type": "volume"}
    server = made(
        cloud, imageRef=sources.image,
        block_device_mapping_v2=[local_root(sources.image), row],
    )  # fmt: skip
    _, stored = cloud.wanted(server)
    assert stored == {
        "source_type": "volume", "destination_type": "volume", "volume_id": sources.data,
        "image_id": None, "snapshot_id": None, "guest_format": None,
        "tag": None, "volume_type": None, "no_device": False, "delete_on_termination": False,
        # Filled in: what is not bootable, the defaults, the volume's, the next free.
        "boot_index": -1, "disk_bus": "virtio", "device_type": "disk", "volume_size": 2,
        "device_name": "/dev/vdb",
    }  # fmt: skip


@pytest.mark.parametrize(
    "key", ["instance_uuid", "attachment_id", "connection_info", "encrypted", "phase", "id"]
)
def test_unknown_keys(cloud: clouds.Cloud, sources: conftest.Sources, key: str) -> None:
    """S128: not even those that a row has."""
    before = cloud.world()
    rows = [local_root(sources.image) | {key: "x"}]
    status, answer = create(cloud, imageRef=sources.image, block_device_mapping_v2=rows)
    assert (status, key in answer["badRequest"]["message"]) == (400, True)
    assert cloud.world() == before


def test_local_root_needs_its_image_named(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S124."""
    before = cloud.world()
    for image in ({}, {"imageRef": ""}):
        status, answer = create(
            cloud, **image, block_device_mapping_v2=[local_root(sources.image)]
        )
        assert (status, "imageRef" in answer["badRequest"]["message"]) == (400, True)
    assert cloud.world() == before


def test_properties_of_what_it_boots_from(cloud: clouds.Cloud) -> None:
    """S131, S132: of the image; without one, of the root volume, of its snapshot's volume,
    or of the image the root volume will be made from."""
    image = cloud.image("with-bus", hw_disk_bus="scsi", os_distro="arch")
    volume = cloud.volume(1, imageRef=image)
    snapshot = cloud.snapshot(volume)
    new = {"destination_type": "volume", "boot_index": 0, "delete_on_termination": True}
    asked: list[Row] = [
        {"imageRef": image},
        {"block_device_mapping_v2": [new | {"source_type": "snapshot", "uuid": snapshot}]},
        {
            "block_device_mapping_v2": [
                new | {"source_type": "image", "uuid": image, "volume_size": 1}
            ]
        },
        {
            "block_device_mapping_v2": [
                new | {"source_type": "volume", "uuid": volume, "delete_on_termination": False}
            ]
        },
    ]
    for fields in asked:
        server = made(cloud, **fields)
        found = instance(cloud, server)
        assert found["system_metadata"]["image_properties"]["hw_disk_bus"] == "scsi", fields
        assert found["image_ref"] == fields.get("imageRef")


def test_three_places_that_define_devices(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S134, RULES B3: the image's rows, overridden by name by the request's, then the
    flavor's swap and ephemeral, each if none of its kind is there."""
    rows = [
        {
            "source_type": "snapshot", "snapshot_id": sources.snapshot, "boot_index": 0,
            "destination_type": "volume", "device_name": "/dev/vda", "volume_size": 1,
            "delete_on_termination": True,
        },
        {
            "source_type": "blank", "destination_type": "volume", "device_name": "/dev/vdb",
            "volume_size": 1, "delete_on_termination": True,
        },
        {
            "source_type": "blank", "destination_type": "volume", "device_name": "/dev/vdc",
            "volume_size": 1, "delete_on_termination": True,
        },
    ]  # fmt: skip
    image = cloud.image("defined", bdm_v2="true", block_device_mapping=json.dumps(rows))
    request = [
        {
            "source_type": "volume", "destination_type": "volume", "uuid": sources.data,
            "device_name": "/dev/vdb",
        },
        {"no_device": True, "device_name": "/dev/vdc"},
        {
            "source_type": "blank", "destination_type": "local", "guest_format": "swap",
            "volume_size": 64,
        },
    ]  # fmt: skip
    server = made(cloud, flavorRef="7", imageRef=image, block_device_mapping_v2=request)
    found = cloud.wanted(server, "source_type", "guest_format", "volume_size", "boot_index")
    assert found == [
        {"source_type": source, "guest_format": form, "volume_size": size, "boot_index": index}
        for source, form, size, index in (
            ("snapshot", None, 1, 0),
            ("volume", None, 2, -1),
            ("blank", "swap", 64, -1),
            ("blank", None, 20, -1),
        )
    ]


def test_columns_of_a_device(running: clouds.Cloud) -> None:
    """S137: one column for each field."""
    columns = {
        row["name"] for row in running.sql("cell", "PRAGMA table_info(block_device_mapping)")
    }
    named = {
        "id", "uuid", "instance_uuid", "source_type", "destination_type", "guest_format",
        "device_type", "disk_bus", "boot_index", "device_name", "delete_on_termination",
        "snapshot_id", "volume_id", "volume_size", "image_id", "no_device", "connection_info",
        "tag", "attachment_id", "volume_type",
    }  # fmt: skip
    assert columns >= named


def test_devices_cross_a_process_border(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S135, S138: a whole row, as a message carries it."""
    server = made(cloud, imageRef=sources.image)
    (row,) = cloud.devices(server)
    devices = objects.BlockDeviceMappingList(objects=[objects.BlockDeviceMapping(**row)])
    (received,) = wire.from_json(devices.to_json()).objects
    assert {name: getattr(received, name) for name in row} == row
