"""``openstack server …`` and its neighbours, unmodified, against one service."""

import typing

import openstack_session
import pytest

from tests.functional.clients import cloud as clouds
from tests.functional.clients import conftest
from tests.integration import cluster as clusters

Row = dict[str, typing.Any]


def has(row: Row, expected: Row) -> bool:
    return row | expected == row


def create(cloud: clouds.Cloud, *words: str, flavor: str = "1", name: str = "test") -> str:
    """``openstack server create``; the id of the server, which is ACTIVE.

    Its ``--wait`` looks every five seconds, so one test alone uses that.
    """
    made = cloud.osc.json("server", "create", "--flavor", flavor, *words, name)
    cloud.active(made["id"])
    return str(made["id"])


def refused(cloud: clouds.Cloud, *words: str) -> str:
    """What the client says to a create that changes nothing."""
    before = cloud.world()
    with pytest.raises(openstack_session.CommandFailed) as error:
        cloud.osc.run("server", "create", "--flavor", "7", *words, "test")
    assert cloud.world() == before
    return str(error.value)


def test_image(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S34, S67, RULES B2-3: the client sends an imageRef and the same image as a row."""
    server = create(
        cloud, *("--image", "cirros", "--property", "a=b", "--tag", "t1", "--tag", "t2"),
        *("--availability-zone", "nova", "--hostname", "guest-2", "--description", "words"),
        *("--config-drive", "True"),
    )  # fmt: skip
    (row,) = cloud.devices(server)
    assert has(
        row,
        {
            "source_type": "image", "destination_type": "local", "boot_index": 0,
            "image_id": sources.image, "delete_on_termination": True,
        },
    )  # fmt: skip
    shown = cloud.osc.json("server", "show", "test")
    assert (shown["properties"], sorted(shown["tags"])) == ({"a": "b"}, ["t1", "t2"])
    assert (shown["description"], shown["config_drive"]) == ("words", "True")
    assert shown["OS-EXT-SRV-ATTR:hostname"] == "guest-2"
    assert shown["OS-EXT-AZ:availability_zone"] == "nova"
    assert shown["pinned_availability_zone"] == "nova"


def test_image_property(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S35."""
    server = create(cloud, "--image-property", "os_distro=debian")
    assert cloud.wanted(server, "image_id") == [{"image_id": sources.image}]


def test_volume_and_snapshot(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S36, S37, S63, S64."""
    first = create(cloud, "--volume", "bootable", name="v")
    (row,) = cloud.devices(first)
    assert has(
        row,
        {
            "source_type": "volume", "volume_id": sources.volume, "boot_index": 0,
            "delete_on_termination": False,
        },
    )  # fmt: skip
    second = create(cloud, "--snapshot", sources.snapshot, name="s")
    (row,) = cloud.devices(second)
    assert has(
        row,
        {
            "source_type": "snapshot", "snapshot_id": sources.snapshot, "boot_index": 0,
            "volume_size": 1, "delete_on_termination": False,
        },
    )  # fmt: skip


def test_fate_of_volumes(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S26, S53, S97, with the waiting of the client itself."""
    made = cloud.osc.json(
        *("server", "create", "--flavor", "1", "--image", "cirros", "--boot-from-volume", "1"),
        *("--delete-on-termination", "--block-device-mapping", "vdb=data", "--wait", "test"),
    )
    assert made["status"] == "ACTIVE"
    root, data = cloud.devices(made["id"])
    assert (root["delete_on_termination"], data["delete_on_termination"]) == (True, False)
    cloud.osc.run("server", "delete", "--wait", "test")
    cloud.wait_for_volume(sources.data, "available")
    status, _ = cloud.call("GET", f"/volumes/{root['volume_id']}", service="volume")
    assert status == 404


def test_boot_from_volume_with_local_disks(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S31, S40, S41, S57, S65, API C3: an empty imageRef, sizes as numbers and strings."""
    server = create(
        cloud, *("--image", "cirros", "--boot-from-volume", "2"),
        *("--swap", "512", "--ephemeral", "size=20,format=ext4"), flavor="7",
    )  # fmt: skip
    root, swap, ephemeral = cloud.devices(server)
    assert has(
        root,
        {
            "source_type": "image", "destination_type": "volume", "boot_index": 0,
            "volume_size": 2, "image_id": sources.image, "delete_on_termination": False,
        },
    )  # fmt: skip
    assert has(
        swap,
        {
            "source_type": "blank", "destination_type": "local", "guest_format": "swap",
            "boot_index": -1, "volume_size": 512, "delete_on_termination": True,
        },
    )  # fmt: skip
    assert has(
        ephemeral,
        {
            "source_type": "blank", "destination_type": "local", "guest_format": "ext4",
            "boot_index": -1, "volume_size": 20, "delete_on_termination": True,
        },
    )  # fmt: skip
    volume = cloud.cinder_volume(root["volume_id"])
    assert (volume["size"], volume["bootable"], volume["status"]) == (2, "true", "in-use")
    assert volume["volume_image_metadata"]["image_id"] == sources.image
    shown = cloud.osc.json("server", "show", "test")
    assert "booted from volume" in shown["image"]


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ("vdb={data}", {"source_type": "volume", "volume_size": 2}),
        ("vdb={data}:volume", {"source_type": "volume"}),
        ("vdb={snapshot}:snapshot:3:true", {"volume_size": 3, "delete_on_termination": True}),
        ("vdb={image}:image:2:false", {"source_type": "image", "delete_on_termination": False}),
    ],
)
def test_block_device_mapping(
    cloud: clouds.Cloud, sources: conftest.Sources, mapping: str, expected: Row
) -> None:
    """S38, RULES B4: a v2 row without boot_index, strings for size and flag."""
    text = mapping.format(data="data", snapshot=sources.snapshot, image="cirros")
    server = create(cloud, "--image", "cirros", "--block-device-mapping", text)
    root, row = cloud.devices(server)
    assert has(root, {"source_type": "image", "destination_type": "local", "boot_index": 0})
    assert has(row, expected | {"destination_type": "volume", "boot_index": -1})
    assert cloud.cinder_volume(row["volume_id"])["status"] == "in-use"


def test_every_key_of_block_device(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S39, S52, S53, S56, S80."""
    server = create(
        cloud,
        "--block-device",
        f"uuid={sources.image},source_type=image,destination_type=volume,disk_bus=scsi,"
        "device_type=disk,device_name=sda,guest_format=ext4,volume_size=2,boot_index=0,"
        "delete_on_termination=true,tag=disk1",
        "--block-device",
        f"uuid={sources.data},source_type=volume,destination_type=volume,disk_bus=virtio,"
        "boot_index=1,delete_on_termination=false,tag=data",
        "--block-device",
        "source_type=blank,destination_type=local,guest_format=swap,volume_size=100",
        flavor="7",
    )
    root, data, swap, ephemeral = cloud.devices(server)
    assert has(
        root,
        {
            "image_id": sources.image, "destination_type": "volume", "disk_bus": "scsi",
            "device_type": "disk", "device_name": "/dev/sda", "guest_format": "ext4",
            "volume_size": 2, "boot_index": 0, "delete_on_termination": True, "tag": "disk1",
        },
    )  # fmt: skip
    assert has(
        data,
        {
            "volume_id": sources.data, "disk_bus": "virtio", "boot_index": 1, "tag": "data",
            "delete_on_termination": False,
        },
    )  # fmt: skip
    assert has(swap, {"guest_format": "swap", "volume_size": 100})
    # S80: what was not asked for is the flavor's.
    assert has(ephemeral, {"source_type": "blank", "volume_size": 20, "guest_format": None})
    assert cloud.active(server)["OS-EXT-SRV-ATTR:root_device_name"] == "/dev/sda"


def test_refusals(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """The person at the shell reads what to change."""
    image = ("--image", "cirros")
    data = f"uuid={sources.data},source_type=volume,destination_type=volume"
    assert "Ephemeral disks" in refused(cloud, *image, "--ephemeral", "size=21")
    assert "Swap drive" in refused(cloud, *image, "--swap", "513")
    assert "not bootable" in refused(cloud, "--volume", "data")
    assert "disk_bus" in refused(cloud, *image, "--block-device", f"{data},disk_bus=warp")
    assert "Boot sequence" in refused(cloud, *image, "--block-device", f"{data},boot_index=3")
    assert "zone" in refused(cloud, *image, "--availability-zone", "mars")
    assert "given twice" in refused(cloud, *image, "--block-device", data, "--block-device", data)
    # S119: the version the client picks knows multiattach; a volume row with many servers not.
    assert "multiple instances" in refused(cloud, *image, "--max", "2", "--block-device", data)


def test_min_and_max(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S150, S151: rows of their own."""
    cloud.osc.run(
        *("server", "create", "--flavor", "1", "--image", "cirros", "--boot-from-volume", "1"),
        *("--min", "2", "--max", "3", "many"),
    )
    servers = [cloud.active(f"many-{number}")["id"] for number in (1, 2, 3)]
    volumes = {cloud.devices(server)[0]["volume_id"] for server in servers}
    assert len(volumes) == 3
    del sources


def test_volumes_of_a_server(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S2, S58, S59, B14-9."""
    server = create(cloud, "--image", "cirros")
    added = cloud.osc.json(
        *("server", "add", "volume", "--tag", "logs", "--enable-delete-on-termination"),
        *("test", "data"),
    )
    assert (added["Volume ID"], added["Tag"]) == (sources.data, "logs")
    assert added["Delete On Termination"] is True
    cloud.wait_for_volume(sources.data, "in-use")
    (listed,) = cloud.osc.json("server", "volume", "list", "test")
    (_, row) = cloud.devices(server)
    assert listed["Device"] == row["device_name"] == "/dev/vdb"
    assert listed["Attachment ID"] == row["attachment_id"]
    assert listed["BlockDeviceMapping UUID"] == row["uuid"]
    assert row["delete_on_termination"]
    cloud.osc.run("server", "volume", "set", "--preserve-on-termination", "test", "data")
    assert not cloud.devices(server)[1]["delete_on_termination"]
    with pytest.raises(openstack_session.CommandFailed, match="already attached"):
        cloud.osc.run("server", "add", "volume", "test", "data")
    cloud.osc.run("server", "remove", "volume", "test", "data")
    cloud.wait_for_volume(sources.data, "available")
    clusters.wait_for(lambda: len(cloud.devices(server)) == 1, "the row to go")
    actions = [event["Action"] for event in cloud.osc.json("server", "event", "list", "test")]
    assert actions == ["detach_volume", "attach_volume", "create"]


def test_lists_and_changes(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    first = create(cloud, "--image", "cirros", "--tag", "blue", name="one")
    second = create(cloud, "--volume", "bootable", "--tag", "blue", "--tag", "red", name="two")

    def listed(*words: str) -> set[str]:
        return {row["ID"] for row in cloud.osc.json("server", "list", *words)}

    assert listed() == {first, second}
    assert listed("--name", "^one$") == {first}
    assert listed("--status", "ACTIVE", "--long") == {first, second}
    assert listed("--status", "ERROR") == set()
    assert listed("--image", "cirros") == {first}
    assert listed("--flavor", "1") == {first, second}
    assert listed("--flavor", "7") == set()
    assert listed("--tags", "red") == {second}
    assert listed("--not-tags", "red") == {first}
    assert listed("--all-projects", "--no-name-lookup") == {first, second}
    assert listed("--availability-zone", "nova") == {first, second}
    # The newest come first.
    assert listed("--marker", second) == {first}
    assert listed("--limit", "1") == {second}
    assert listed("--locked") == set()
    assert listed("--unlocked") == {first, second}
    assert listed("--changes-since", "2020-01-01T00:00:00Z") == {first, second}

    cloud.osc.run(
        *("server", "set", "--name", "uno", "--property", "k=v", "--tag", "green"),
        *("--description", "d", "one"),
    )
    shown = cloud.osc.json("server", "show", "uno")
    assert (shown["properties"], shown["description"]) == ({"k": "v"}, "d")
    assert sorted(shown["tags"]) == ["blue", "green"]
    cloud.osc.run("server", "unset", "--property", "k", "--tag", "green", "uno")
    shown = cloud.osc.json("server", "show", "uno")
    assert (shown["properties"], shown["tags"]) == ({}, ["blue"])
    cloud.osc.run("server", "lock", "uno")
    assert listed("--locked") == {first}
    cloud.osc.run("server", "unlock", "uno")
    assert "fake console" in cloud.osc.run("console", "log", "show", "uno")
    (event,) = [
        row
        for row in cloud.osc.json("server", "event", "list", "uno")
        if row["Action"] == "create"
    ]
    shown = cloud.osc.json("server", "event", "show", "uno", event["Request ID"])
    assert shown["action"] == "create"
    assert {part["result"] for part in shown["events"]} == {"Success"}
    cloud.osc.run("server", "delete", "uno", "two")
    clusters.wait_for(lambda: listed() == set(), "the servers to go")
    assert listed("--deleted") >= {first, second}
    del sources


def test_flavors(cloud: clouds.Cloud) -> None:
    """S82, S83."""
    made = cloud.osc.json(
        *("flavor", "create", "--id", "71", "--ram", "512", "--disk", "1", "--ephemeral", "20"),
        *("--swap", "512", "--vcpus", "2", "--property", "hw:x=y", "--description", "d", "big"),
    )
    assert has(
        made,
        {
            "id": "71", "name": "big", "ram": 512, "disk": 1, "swap": 512, "vcpus": 2,
            "OS-FLV-EXT-DATA:ephemeral": 20, "rxtx_factor": 1.0,
            "os-flavor-access:is_public": True, "properties": {"hw:x": "y"}, "description": "d",
        },
    )  # fmt: skip
    assert "big" in {row["Name"] for row in cloud.osc.json("flavor", "list", "--all", "--long")}
    cloud.osc.run("flavor", "set", "--property", "a=b", "--description", "e", "big")
    cloud.osc.run("flavor", "unset", "--property", "hw:x", "big")
    shown = cloud.osc.json("flavor", "show", "big")
    assert (shown["properties"], shown["description"]) == ({"a": "b"}, "e")
    cloud.osc.run("flavor", "delete", "big")
    assert "big" not in {row["Name"] for row in cloud.osc.json("flavor", "list", "--all")}
    # S83, by version: an empty string became 0, rxtx_factor is there until 2.102.
    for version, swap in (("2.1", ""), ("2.74", ""), ("2.75", 0)):
        shown = cloud.ok("GET", "/flavors/1", version=version)["flavor"]
        assert (shown["swap"], shown["rxtx_factor"]) == (swap, 1.0), version


def test_administration(cloud: clouds.Cloud) -> None:
    (node,) = cloud.osc.json("hypervisor", "list")
    shown = cloud.osc.json("hypervisor", "show", node["Hypervisor Hostname"])
    assert (shown["hypervisor_type"], shown["state"]) == ("fake", "up")
    (host,) = {
        row["Host"] for row in cloud.osc.json("compute", "service", "list", "--service",
                                              "nova-compute")
    }  # fmt: skip
    cloud.osc.run(
        *("compute", "service", "set", "--disable", "--disable-reason", "test", host),
        "nova-compute",
    )
    try:
        (row,) = cloud.osc.json(
            "compute", "service", "list", "--service", "nova-compute", "--long"
        )
        assert (row["Status"], row["Disabled Reason"]) == ("disabled", "test")
    finally:
        cloud.osc.run("compute", "service", "set", "--enable", host, "nova-compute")
    zones = cloud.osc.json("availability", "zone", "list", "--compute")
    assert {"Zone Name": "nova", "Zone Status": "available"} in zones
    limits = {row["Name"]: row["Value"] for row in cloud.osc.json("limits", "show", "--absolute")}
    assert limits["max_total_instances"] == limits["instances"] == -1
    cloud.osc.run("quota", "set", "--instances", "33", "--cores", "44", "--ram", "55000", "demo")
    try:
        quotas = {
            row["Resource"]: row["Limit"] for row in cloud.osc.json("quota", "show", "--compute")
        }
        assert (quotas["instances"], quotas["cores"], quotas["ram"]) == (33, 44, 55000)
    finally:
        cloud.ok("DELETE", "/os-quota-sets/demo")
