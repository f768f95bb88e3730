"""The table of destinations and sources through the whole pipeline, on
the fake driver; with real guests it is in tests/integration/test_eight_rows.py."""

import collections.abc
import pathlib
import typing

import pytest
import sqlalchemy as sa

from nova_lite import objects
from nova_lite.db.models import cell
from nova_lite.db.queries import flavors
from tests.fixtures import pipeline

Rows = list[dict[str, typing.Any]]


class Sources:
    """A volume, a snapshot and an image to make devices of."""

    def __init__(self, world: pipeline.World) -> None:
        self.world = world
        self.image = world.image()
        self.origin = world.volume(imageRef=self.image)
        body = {"snapshot": {"volume_id": self.origin, "name": "s"}}
        self.snapshot = str(world.cinder("POST", "/snapshots", body)["snapshot"]["id"])
        path = f"/snapshots/{self.snapshot}"
        world.wait(
            lambda: world.cinder("GET", path)["snapshot"]["status"] == "available", "snapshot"
        )
        self.user_volumes = {self.origin}

    def device(self, source: str, **fields: object) -> pipeline.Body:
        """A device on a volume, of some source."""
        device: pipeline.Body = {
            "source_type": source,
            "destination_type": "volume",
            "delete_on_termination": source != "volume",
            "boot_index": -1,
            **fields,
        }
        if source == "volume":
            device["uuid"] = self.world.volume()
            self.user_volumes.add(device["uuid"])
        elif source != "blank":
            device["uuid"] = {"snapshot": self.snapshot, "image": self.image}[source]
        if source in ("image", "blank"):
            device["volume_size"] = 1
        return device


@pytest.fixture(name="world")
def fixture_world(tmp_path: pathlib.Path) -> collections.abc.Iterator[pipeline.World]:
    """One host, and a flavor with ephemeral and swap besides the plain one."""
    with pipeline.World(tmp_path, ["a"]) as world:
        with world.database.api.write() as tx:
            flavors.create(
                tx,
                objects.Flavor(
                    flavorid="2",
                    name="rich",
                    memory_mib=64,
                    vcpus=1,
                    root_gib=1,
                    ephemeral_gib=20,
                    swap_mib=512,
                ),
            )
        yield world


def boot_local(
    world: pipeline.World, image: str, *devices: pipeline.Body, **fields: object
) -> str:
    """A server whose root is an image on the host's disk, said as the client says it."""
    root = {
        "source_type": "image",
        "destination_type": "local",
        "uuid": image,
        "boot_index": 0,
        "delete_on_termination": True,
    }
    return world.boot(root, *devices, image=image, **fields)


def creations(world: pipeline.World) -> int:
    """Volumes that Cinder was asked to make so far."""
    calls = world.ok("GET", f"{world.volume_url}/_calls")["calls"]
    return sum(1 for call in calls if call["kind"] == "volumes.create")


def rows_of(world: pipeline.World, server_id: str) -> Rows:
    """The server's rows of the table block_device_mapping, by name."""
    table = cell.block_device_mapping
    with world.database.cell.read() as tx:
        found = tx.execute(
            sa.select(table).where(table.c.instance_uuid == server_id).order_by(table.c.id)
        )
        rows = [dict(row._mapping) for row in found]
    return sorted(rows, key=lambda row: str(row["device_name"]))


def files_of(world: pipeline.World, server_id: str) -> dict[str, str]:
    """Name in the guest -> local file."""
    return typing.cast(dict[str, str], world.hosts["a"].driver.world.guests[server_id].local_disks)


@pytest.mark.parametrize("source", ["volume", "snapshot", "image", "blank"])
@pytest.mark.parametrize("is_root", [True, False], ids=["root", "data"])
def test_a_volume_of_each_source(world: pipeline.World, source: str, is_root: bool) -> None:
    """S30-S33, S62-S66, S76, S95: one order to Cinder at most, one attachment, and
    no file; what Cinder made for the server goes with it, what is the user's stays."""
    sources = Sources(world)
    device = sources.device(source, boot_index=0 if is_root else -1)
    before = creations(world)
    server_id = world.boot(device) if is_root else boot_local(world, sources.image, device)
    assert creations(world) - before == (0 if source == "volume" else 1)
    row = rows_of(world, server_id)[0 if is_root else 1]
    assert (row["source_type"], row["destination_type"]) == (source, "volume")
    assert row["device_name"] == ("/dev/vda" if is_root else "/dev/vdb")
    assert row["phase"] == "complete"
    volume = world.cinder("GET", f"/volumes/{row['volume_id']}")["volume"]
    assert [use["server_id"] for use in volume["attachments"]] == [server_id]
    if source == "blank":
        assert volume["name"] == f"{server_id}-blank-vol"
    if source == "snapshot":
        assert volume["snapshot_id"] == sources.snapshot
    assert files_of(world, server_id) == ({} if is_root else {"vda": "disk"})
    world.delete(server_id)
    world.cinder("DELETE", f"/snapshots/{sources.snapshot}")
    world.check(sources.user_volumes)


def test_local_disks_never_reach_cinder(world: pipeline.World) -> None:
    """S62, S67, S68, S77: image, ephemeral and swap on the host's own disk."""
    server_id = boot_local(
        world,
        world.image(),
        {"source_type": "blank", "destination_type": "local", "volume_size": 20},
        {
            "source_type": "blank",
            "destination_type": "local",
            "volume_size": 512,
            "guest_format": "swap",
        },
        flavorRef="2",
    )
    assert files_of(world, server_id) == {"vda": "disk", "vdb": "disk.eph0", "vdc": "disk.swap"}
    assert world.ok("GET", f"{world.volume_url}/_calls")["calls"] == []
    world.check()


def test_two_servers_have_volumes_of_their_own(world: pipeline.World) -> None:
    """S64-S66 with min_count 2."""
    sources = Sources(world)
    before = creations(world)
    world.create(
        sources.device("image", boot_index=0),
        sources.device("snapshot"),
        sources.device("blank"),
        min_count=2,
        max_count=2,
    )
    servers = [server["id"] for server in world.nova("GET", "/servers")["servers"]]
    assert len(servers) == 2
    for server_id in servers:
        assert world.settled(server_id)["status"] == "ACTIVE"
    assert creations(world) - before == 6
    volumes = {row["volume_id"] for server_id in servers for row in rows_of(world, server_id)}
    assert len(volumes) == 6
    world.check(sources.user_volumes | volumes)
    for server_id in servers:
        world.delete(server_id)
    world.cinder("DELETE", f"/snapshots/{sources.snapshot}")
    world.check(sources.user_volumes)


def test_both_ways_to_ask_make_the_same_rows(world: pipeline.World) -> None:
    """S78, S80, S84, S92, S93: by the flavor, or in the request; either way they
    are rows, and so the file is disk.eph0 and never disk.local."""
    image = world.image()
    by_flavor = world.boot(image=image, flavorRef="2")
    by_request = boot_local(
        world,
        image,
        {
            "source_type": "blank",
            "destination_type": "local",
            "volume_size": 20,
            "delete_on_termination": True,
        },
        {
            "source_type": "blank",
            "destination_type": "local",
            "volume_size": 512,
            "guest_format": "swap",
            "delete_on_termination": True,
        },
        flavorRef="2",
    )
    facts = (
        "source_type", "destination_type", "guest_format", "volume_size", "device_name",
        "boot_index", "delete_on_termination", "disk_bus",
    )  # fmt: skip
    first, second = (
        [{fact: row[fact] for fact in facts} for row in rows_of(world, server_id)]
        for server_id in (by_flavor, by_request)
    )
    assert first == second
    assert [row["volume_size"] for row in first[1:]] == [20, 512]
    assert files_of(world, by_flavor) == files_of(world, by_request)
    assert files_of(world, by_flavor)["vdb"] == "disk.eph0"


@pytest.mark.parametrize("in_order", [True, False])
def test_the_order_to_boot_in(tmp_path: pathlib.Path, in_order: bool) -> None:
    """S51, S69, S70: by boot_index; a hypervisor that knows one boot device only
    takes index 0."""
    with pipeline.World(tmp_path, ["a"], fake__supports_boot_order=in_order) as world:
        sources = Sources(world)
        server_id = world.boot(
            sources.device("blank"),
            sources.device("image", boot_index=1),
            sources.device("blank", boot_index=0),
        )
        root, second = "vda", "vdc"
        guest = world.hosts["a"].driver.world.guests[server_id]
        assert guest.boot_order == ([root, second] if in_order else [root])


def test_no_file_before_the_server_is_spawned(world: pipeline.World) -> None:
    """S109, S171: volumes are connected before local files are made."""
    sources = Sources(world)
    host = world.hosts["a"]
    seen = []

    def look(*_args: object, **_kwargs: object) -> None:
        seen.append((dict(host.driver.world.local_disks), len(host.driver.world.connected)))

    host.faults.on_call("disks.create", look)
    server_id = boot_local(world, sources.image, sources.device("blank"))
    assert seen == [({}, 1)]
    assert server_id in host.driver.world.local_disks
