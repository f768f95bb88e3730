"""``--block-device`` covers every shortcut of the clients: each is built both ways, and
by both clients, and the rows are equal.
"""

import typing

import pytest

from tests.functional.clients import cloud as clouds
from tests.functional.clients import conftest

Row = dict[str, typing.Any]

IMAGE = ("--image", "cirros")

NOVA: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "S36 boot-volume": (
        ("--boot-volume", "{volume}"),
        ("--block-device", "source=volume,dest=volume,id={volume},bootindex=0"),
    ),
    "S37 snapshot": (
        ("--snapshot", "{snapshot}"),
        ("--block-device", "source=snapshot,dest=volume,id={snapshot},bootindex=0"),
    ),
    "S38 mapping of a volume": (
        (*IMAGE, "--block-device-mapping", "vdb={data}"),
        (*IMAGE, "--block-device", "source=volume,dest=volume,id={data},device=vdb"),
    ),
    "S38 mapping of a snapshot": (
        (*IMAGE, "--block-device-mapping", "vdb={snapshot}:snap:2:1"),
        (
            *(*IMAGE, "--block-device"),
            "source=snapshot,dest=volume,id={snapshot},device=vdb,size=2,shutdown=remove",
        ),
    ),
    "S38 mapping of the root": (
        ("--block-device-mapping", "vda={volume}:::0"),
        (
            "--block-device",
            "source=volume,dest=volume,id={volume},bootindex=0,device=vda,shutdown=preserve",
        ),
    ),
    "S40 swap": (
        (*IMAGE, "--swap", "64"),
        (*IMAGE, "--block-device", "source=blank,dest=local,format=swap,size=64"),
    ),
    "S41 ephemeral": (
        (*IMAGE, "--ephemeral", "size=2,format=ext4"),
        (*IMAGE, "--block-device", "source=blank,dest=local,format=ext4,size=2"),
    ),
}

OPENSTACK: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "S36 volume": (
        ("--volume", "{volume}"),
        (
            "--block-device",
            "uuid={volume},source_type=volume,destination_type=volume,boot_index=0",
        ),
    ),
    "S37 snapshot": (
        ("--snapshot", "{snapshot}"),
        (
            "--block-device",
            "uuid={snapshot},source_type=snapshot,destination_type=volume,boot_index=0",
        ),
    ),
    "S31 boot-from-volume": (
        (*IMAGE, "--boot-from-volume", "2"),
        (
            "--block-device",
            "uuid={image},source_type=image,destination_type=volume,boot_index=0,volume_size=2",
        ),
    ),
    "S38 mapping": (
        (*IMAGE, "--block-device-mapping", "vdb={snapshot}:snapshot:2:true"),
        (
            *(*IMAGE, "--block-device"),
            "uuid={snapshot},source_type=snapshot,destination_type=volume,device_name=vdb,"
            "volume_size=2,delete_on_termination=true",
        ),
    ),
    "S40 swap": (
        (*IMAGE, "--swap", "64"),
        (
            *(*IMAGE, "--block-device"),
            "source_type=blank,destination_type=local,guest_format=swap,volume_size=64,"
            "delete_on_termination=true,boot_index=-1",
        ),
    ),
    "S41 ephemeral": (
        (*IMAGE, "--ephemeral", "size=2,format=ext4"),
        (
            *(*IMAGE, "--block-device"),
            "source_type=blank,destination_type=local,guest_format=ext4,volume_size=2,"
            "delete_on_termination=true,boot_index=-1",
        ),
    ),
}

Run = typing.Callable[..., object]


def rows_of(
    cloud: clouds.Cloud, sources: conftest.Sources, run: Run, words: tuple[str, ...]
) -> list[Row]:
    """What the request decided about each device of a server made so."""
    ids = {"image": sources.image, "volume": sources.volume}
    ids |= {"snapshot": sources.snapshot, "data": sources.data}
    run(*(word.format(**ids) for word in words), "test")
    server = cloud.active("test")
    rows = cloud.wanted(server["id"])
    assert [row["attachment_id"] is not None for row in cloud.devices(server["id"])] == [
        row["destination_type"] == "volume" for row in rows
    ]
    for row in rows:
        if row["source_type"] != "volume":
            # A volume made for this server.
            row["volume_id"] = None
    cloud.clear()
    for volume in (sources.volume, sources.data):
        cloud.wait_for_volume(volume, "available")
    return sorted(rows, key=str)


def nova(cloud: clouds.Cloud) -> Run:
    return lambda *words: cloud.nova("boot", "--flavor", "7", *words)


def osc(cloud: clouds.Cloud) -> Run:
    return lambda *words: cloud.osc.run("server", "create", "--flavor", "7", *words)


@pytest.mark.parametrize("name", NOVA)
def test_nova(cloud: clouds.Cloud, sources: conftest.Sources, name: str) -> None:
    """S36, S37, S38, S40, S41, S43: each shortcut, both ways."""
    short, long = (rows_of(cloud, sources, nova(cloud), words) for words in NOVA[name])
    assert short == long


@pytest.mark.parametrize("name", OPENSTACK)
def test_openstack(cloud: clouds.Cloud, sources: conftest.Sources, name: str) -> None:
    """S36, S37, S38, S40, S41, S43: each shortcut, both ways."""
    short, long = (rows_of(cloud, sources, osc(cloud), words) for words in OPENSTACK[name])
    assert short == long


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (("--boot-volume", "{volume}"), ("--volume", "bootable")),
        (("--snapshot", "{snapshot}"), ("--snapshot", "{snapshot}")),
        (
            (*IMAGE, "--swap", "64", "--ephemeral", "size=2,format=ext4"),
            (*IMAGE, "--swap", "64", "--ephemeral", "size=2,format=ext4"),
        ),
        (IMAGE, IMAGE),
    ],
)
def test_old_client_and_new(
    cloud: clouds.Cloud, sources: conftest.Sources, old: tuple[str, ...], new: tuple[str, ...]
) -> None:
    """What ``nova boot`` and ``openstack server create`` mean is the same."""
    assert rows_of(cloud, sources, nova(cloud), old) == rows_of(cloud, sources, osc(cloud), new)
