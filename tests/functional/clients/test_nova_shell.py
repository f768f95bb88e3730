"""The ``nova`` shell of python-novaclient, with the commands of the document."""

import json
import typing

import pytest

from tests.functional.clients import cloud as clouds
from tests.functional.clients import conftest
from tests.integration import cluster as clusters

Row = dict[str, typing.Any]

ROOT_IMAGE: Row = {
    "source_type": "image",
    "destination_type": "local",
    "boot_index": 0,
    "delete_on_termination": True,
}
EPHEMERAL: Row = {
    "source_type": "blank",
    "destination_type": "local",
    "boot_index": -1,
    "volume_size": 20,
    "guest_format": None,
    "delete_on_termination": True,
}
SWAP: Row = EPHEMERAL | {"volume_size": 512, "guest_format": "swap"}


def has(row: Row, expected: Row) -> bool:
    return row | expected == row


def boot(cloud: clouds.Cloud, *words: str, flavor: str = "1", name: str = "test") -> str:
    """``nova boot``; the id of the server, which is ACTIVE."""
    cloud.nova("boot", "--flavor", flavor, *words, name)
    return str(cloud.active(name)["id"])


def cells(table: str) -> list[list[str]]:
    """The cells of a table that ``nova`` printed, with its head."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_example_of_the_document(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S82, S83, S84, S34: its very commands, through the program itself."""
    made = cloud.nova_program(
        *("flavor-create", "--ephemeral", "20", "--swap", "512", "seed", "70", "512", "1", "1")
    )
    head, row = cells(made)
    # The client says MiB where the document, older, has Memory_MB.
    assert head[:9] == [
        "ID", "Name", "Memory_MiB", "Disk", "Ephemeral", "Swap", "VCPUs", "RXTX_Factor",
        "Is_Public",
    ]  # fmt: skip
    assert row[:9] == ["70", "seed", "512", "1", "20", "512", "1", "1.0", "True"]
    cloud.nova_program(
        *("boot", "--image", "cirros", "--flavor", "70", "--swap", "512"),
        *("--ephemeral", "size=20", "test"),
    )
    server = cloud.active("test")
    assert server["image"]["id"] == sources.image
    rows = cloud.devices(server["id"])
    assert len(rows) == 3
    by_kind = {(row["source_type"], row["guest_format"]): row for row in rows}
    assert has(by_kind["image", None], ROOT_IMAGE | {"image_id": sources.image})
    assert has(by_kind["blank", None], EPHEMERAL)
    assert has(by_kind["blank", "swap"], SWAP)
    # S108.
    names = [by_kind[key]["device_name"] for key in sorted(by_kind, key=str)]
    assert sorted(names) == ["/dev/vda", "/dev/vdb", "/dev/vdc"]
    assert by_kind["image", None]["device_name"] == "/dev/vda"
    assert by_kind["blank", "swap"]["device_name"] == "/dev/vdc"
    cloud.nova("delete", "test")
    cloud.nova("flavor-delete", "70")


def test_flavor_decides_what_is_not_asked_for(
    cloud: clouds.Cloud, sources: conftest.Sources
) -> None:
    """S78, S80: the same rows as with --swap and --ephemeral."""
    del sources
    asked = boot(cloud, *("--image", "cirros", "--swap", "512", "--ephemeral", "size=20"),
                 flavor="7", name="asked")  # fmt: skip
    default = boot(cloud, "--image", "cirros", flavor="7", name="default")

    def wanted(server_id: str) -> list[Row]:
        rows = cloud.wanted(
            server_id,
            *("source_type", "destination_type", "boot_index", "volume_size", "guest_format"),
            *("delete_on_termination", "device_name"),
        )
        return sorted(rows, key=str)

    assert wanted(asked) == wanted(default)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--ephemeral", "size=21"), "Ephemeral disks requested are larger"),
        (("--ephemeral", "size=10", "--ephemeral", "size=11"), "Ephemeral disks requested"),
        (("--swap", "513"), "Swap drive requested is larger"),
    ],
)
def test_more_than_the_flavor_has(
    cloud: clouds.Cloud, sources: conftest.Sources, words: tuple[str, ...], said: str
) -> None:
    """S79: up to the flavor's size and no further; the client prints why."""
    before = cloud.world()
    with pytest.raises(clouds.NovaFailed, match=said):
        cloud.nova("boot", "--flavor", "7", "--image", sources.image, *words, "test")
    assert cloud.world() == before


def test_image_with(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S35: the client picks the image by its metadata."""
    cloud.image("other", os_distro="fedora")
    server = boot(cloud, "--image-with", "os_distro=debian")
    assert cloud.wanted(server, "image_id", "boot_index") == [
        {"image_id": sources.image, "boot_index": 0}
    ]


def test_boot_volume(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S36, S63: attached as it is, one attachment, no volume made."""
    server = boot(cloud, "--boot-volume", sources.volume)
    (row,) = cloud.devices(server)
    assert has(
        row,
        {
            "source_type": "volume", "destination_type": "volume", "boot_index": 0,
            "volume_id": sources.volume, "volume_size": 1, "delete_on_termination": False,
        },
    )  # fmt: skip
    volume = cloud.cinder_volume(sources.volume)
    assert volume["status"] == "in-use"
    assert [a["server_id"] for a in volume["attachments"]] == [server]


def test_snapshot(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S37, S64: a new volume of the snapshot's size."""
    server = boot(cloud, "--snapshot", sources.snapshot)
    (row,) = cloud.devices(server)
    assert has(
        row,
        {
            "source_type": "snapshot", "destination_type": "volume", "boot_index": 0,
            "snapshot_id": sources.snapshot, "volume_size": 1, "delete_on_termination": False,
        },
    )  # fmt: skip
    assert cloud.cinder_volume(row["volume_id"])["snapshot_id"] == sources.snapshot


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ("vdb={data}", {"source_type": "volume", "delete_on_termination": False}),
        ("vdb={data}:::1", {"source_type": "volume", "delete_on_termination": True}),
        ("vdb={data}::2:0", {"source_type": "volume", "delete_on_termination": False}),
        ("vdc={snapshot}:snap", {"source_type": "snapshot", "volume_size": 1}),
        (
            "vdc={snapshot}:snap:3:1",
            {"source_type": "snapshot", "volume_size": 3, "delete_on_termination": True},
        ),
    ],
)
def test_block_device_mapping(
    cloud: clouds.Cloud, sources: conftest.Sources, mapping: str, expected: Row
) -> None:
    """S38, S115, S123: ``id:type:size:delete_on_terminate``, in the deprecated v1 form."""
    text = mapping.format(data=sources.data, snapshot=sources.snapshot)
    if ":1" in text and "snap" not in text:
        text = text.replace(sources.data, cloud.volume(1))
    server = boot(cloud, "--image", "cirros", "--block-device-mapping", text)
    root, row = cloud.devices(server)
    assert has(root, {"source_type": "image", "boot_index": 0, "device_name": "/dev/vda"})
    assert has(row, expected | {"destination_type": "volume", "boot_index": -1})
    # S49: the name is advice; the real one is the next that is free.
    assert row["device_name"] == "/dev/vdb"
    assert cloud.cinder_volume(row["volume_id"])["status"] == "in-use"


def test_every_key_of_block_device(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S39, S46, S50, S52, S53, S55, S56, S57, S66: each key reaches the row."""
    server = boot(
        cloud,
        "--block-device",
        f"source=image,dest=volume,id={sources.image},bus=scsi,device=/dev/sda,type=disk,"
        "bootindex=0,size=2,shutdown=remove,tag=disk1",
        "--block-device",
        "source=blank,dest=local,format=ext4,size=7,bus=virtio,type=disk,shutdown=remove",
        "--block-device",
        f"source=volume,dest=volume,id={sources.data},bus=usb,type=disk,bootindex=1,"
        "shutdown=preserve,tag=data",
        "--block-device",
        "source=blank,dest=volume,size=1,bus=ide,type=cdrom,shutdown=remove",
        "--block-device",
        "source=blank,dest=local,format=swap,size=64",
        flavor="7",
    )
    root, ephemeral, data, blank, swap = cloud.devices(server)
    assert has(
        root,
        {
            "source_type": "image", "destination_type": "volume", "image_id": sources.image,
            "disk_bus": "scsi", "device_type": "disk", "boot_index": 0, "volume_size": 2,
            "delete_on_termination": True, "tag": "disk1", "device_name": "/dev/sda",
        },
    )  # fmt: skip
    assert has(
        ephemeral,
        {
            "source_type": "blank", "destination_type": "local", "guest_format": "ext4",
            "volume_size": 7, "disk_bus": "virtio", "delete_on_termination": True,
        },
    )  # fmt: skip
    assert has(
        data,
        {
            "source_type": "volume", "volume_id": sources.data, "disk_bus": "usb",
            "boot_index": 1, "delete_on_termination": False, "tag": "data", "volume_size": 2,
        },
    )  # fmt: skip
    assert has(
        blank,
        {
            "source_type": "blank", "destination_type": "volume", "volume_size": 1,
            "disk_bus": "ide", "device_type": "cdrom", "delete_on_termination": True,
        },
    )  # fmt: skip
    assert has(swap, {"guest_format": "swap", "volume_size": 64, "destination_type": "local"})
    # S66.
    assert cloud.cinder_volume(blank["volume_id"])["name"] == f"{server}-blank-vol"
    shown = cells(cloud.nova("volume-attachments", server))
    tags = {row[shown[0].index("VOLUME ID")]: row[shown[0].index("TAG")] for row in shown[1:]}
    assert tags == {
        root["volume_id"]: "disk1", sources.data: "data", blank["volume_id"]: "-",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("source=tape,dest=volume,id={data}", "source_type"),
        ("source=volume,dest=moon,id={data}", "destination_type"),
        ("source=volume,dest=volume", "Missing device UUID"),
        ("source=blank,dest=volume,size=1,id={data}", "Invalid device UUID"),
        ("source=volume,dest=volume,id={data},bus=warp", "disk_bus"),
        ("source=volume,dest=volume,id={data},type=mmc", "device_type"),
        ("source=volume,dest=volume,id={data},device=v db", "device_name"),
        ("source=volume,dest=volume,id={data},tag=a/b", "tag"),
        ("source=blank,dest=volume,size=0", "volume_size"),
        ("source=volume,dest=volume,id={data},bootindex=2", "Boot sequence"),
        ("source=volume,dest=volume,id={data},bootindex=0", "Boot sequence"),
        ("source=blank,dest=local,size=1,bootindex=x", "boot_index"),
    ],
)
def test_refused_block_device(
    cloud: clouds.Cloud, sources: conftest.Sources, spec: str, said: str
) -> None:
    """S44, S45, S46, S48, S50, S71, S121, S126, S130: the client prints what is wrong,
    and nothing is reserved."""
    before = cloud.world()
    text = spec.format(data=sources.data)
    with pytest.raises(clouds.NovaFailed, match=said):
        cloud.nova("boot", "--image", "cirros", "--flavor", "7", "--block-device", text, "test")
    assert cloud.world() == before


def test_nothing_to_boot_from(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S15, S71."""
    before = cloud.world()
    with pytest.raises(clouds.NovaFailed):
        cloud.nova("boot", "--flavor", "1", "test")
    data = f"source=volume,dest=volume,id={sources.data}"
    with pytest.raises(clouds.NovaFailed, match="Boot sequence"):
        cloud.nova("boot", "--flavor", "1", "--block-device", data, "test")
    with pytest.raises(clouds.NovaFailed, match="not bootable"):
        cloud.nova("boot", "--flavor", "1", "--boot-volume", sources.data, "test")
    assert cloud.world() == before


def test_blank_name(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S42: 1–255 characters after trimming."""
    for name in ("", "   ", "x" * 256):
        with pytest.raises(clouds.NovaFailed, match="name"):
            cloud.nova("boot", "--flavor", "1", "--image", sources.image, name)
    server = boot(cloud, "--image", "cirros", name="x" * 255)
    assert cloud.active(server)["name"] == "x" * 255


def test_tags_need_their_version(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S118: the client leaves out or refuses; the service refuses a tag it does not know."""
    spec = f"source=image,dest=volume,id={sources.image},bootindex=0,size=1,tag=a"
    with pytest.raises(clouds.NovaFailed):
        cloud.nova("boot", "--flavor", "1", "--block-device", spec, "test", version="2.41")
    cloud.nova(
        *("boot", "--flavor", "1", "--nic", "none", "--block-device", spec, "test"),
        version="2.42",
    )
    assert cloud.wanted(cloud.active("test")["id"], "tag") == [{"tag": "a"}]


def test_old_version_of_the_document(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """The 2.1 that Queens users have: a boot, a list, an attachment."""
    words = ("--flavor", "7", "--image", sources.image, "--swap", "1", "old")
    cloud.nova("boot", *words, version="2.1")
    server = cloud.active("old")["id"]
    cloud.nova("volume-attach", server, sources.data, version="2.1")
    cloud.wait_for_volume(sources.data, "in-use")
    shown = cells(cloud.nova("volume-attachments", server, version="2.1"))
    assert shown[1][shown[0].index("VOLUME ID")] == sources.data
    assert "old" in cloud.nova("list", version="2.1")
    cloud.nova("volume-detach", server, sources.data, version="2.1")
    cloud.wait_for_volume(sources.data, "available")


def test_attach_and_detach(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S2, S59."""
    server = boot(cloud, "--image", "cirros")
    printed = cloud.nova("volume-attach", "--tag", "logs", server, sources.data)
    shown = dict(row[:2] for row in cells(printed))
    assert (shown["volumeId"], shown["tag"]) == (sources.data, "logs")
    cloud.wait_for_volume(sources.data, "in-use")
    (_, row) = cloud.devices(server)
    assert has(row, {"tag": "logs", "volume_id": sources.data, "boot_index": -1})
    clusters.wait_for(
        lambda: cloud.devices(server)[1]["phase"] == "complete", "the device to be complete"
    )
    with pytest.raises(clouds.NovaFailed, match="already attached"):
        cloud.nova("volume-attach", server, sources.data)
    cloud.nova("volume-detach", server, sources.data)
    cloud.wait_for_volume(sources.data, "available")
    clusters.wait_for(lambda: len(cloud.devices(server)) == 1, "the row to go")


def test_root_volume_stays(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S97: detaching it is refused; it outlives its server and boots the next."""
    server = boot(cloud, "--boot-volume", sources.volume)
    with pytest.raises(clouds.NovaFailed, match="root"):
        cloud.nova("volume-detach", server, sources.volume)
    cloud.nova("delete", server)
    cloud.wait_for_volume(sources.volume, "available")
    assert boot(cloud, "--boot-volume", sources.volume, name="next") != server


def test_looking_around(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    server = boot(
        cloud, *("--image", sources.image, "--meta", "role=db", "--tags", "a,b"),
        *("--config-drive", "true", "--description", "words", "--availability-zone", "nova"),
        *("--hostname", "guest-1"),
    )  # fmt: skip
    shown = dict(row[:2] for row in cells(cloud.nova("show", "test")))
    assert shown["status"] == "ACTIVE"
    assert shown["image"] == f"cirros ({sources.image})"
    assert json.loads(shown["metadata"]) == {"role": "db"}
    assert json.loads(shown["tags"]) == ["a", "b"]
    assert (shown["config_drive"], shown["description"]) == ("True", "words")
    assert shown["OS-EXT-SRV-ATTR:hostname"] == "guest-1"
    head, row = cells(cloud.nova("list", "--name", "test"))
    assert dict(zip(head, row, strict=True)) | {"ID": server, "Status": "ACTIVE"} == dict(
        zip(head, row, strict=True)
    )
    assert "fake console" in cloud.nova("console-log", "--length", "5", "test")
    actions = cells(cloud.nova("instance-action-list", "test"))
    assert [row[0] for row in actions[1:]] == ["create"]
    request_id = actions[1][1]
    event = cloud.nova("instance-action", "test", request_id)
    assert "create" in event
    for words in (
        ("flavor-list",), ("flavor-show", "7"), ("hypervisor-list",), ("service-list",),
        ("availability-zone-list",), ("limits",), ("quota-show",), ("volume-attachments", "test"),
        ("server-tag-list", "test"), ("version-list",), ("keypair-list",), ("aggregate-list",),
        ("list", "--status", "ACTIVE", "--fields", "name,host"), ("list", "--minimal"),
    ):  # fmt: skip
        assert cells(cloud.nova(*words)), words


def test_several_at_once(cloud: clouds.Cloud, sources: conftest.Sources) -> None:
    """S150, S151, RULES B3-11."""
    spec = f"source=snapshot,dest=volume,id={sources.snapshot},bootindex=0,shutdown=remove"
    cloud.nova("boot", "--flavor", "1", "--min-count", "2", "--block-device", spec, "many")
    servers = [cloud.active(name)["id"] for name in ("many-1", "many-2")]
    rows = [cloud.devices(server)[0] for server in servers]
    assert len({row["volume_id"] for row in rows}) == 2
    assert len({row["uuid"] for row in rows}) == 2
    before = cloud.world()
    with pytest.raises(clouds.NovaFailed, match="multiple instances"):
        cloud.nova(
            *("boot", "--flavor", "1", "--min-count", "2", "--boot-volume", sources.volume, "m")
        )
    assert cloud.world() == before
