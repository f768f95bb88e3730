"""What Cinder and Glance are asked for, and that there is no other way to them."""

import pathlib
import sys
import types

import pytest

from nova_lite.image import cache
from nova_lite.standalone import store
from tests.fixtures import pipeline
from tests.functional.pipeline import scenarios

REPEATED = {"volumes.show", "snapshots.show", "attachments.detail"}
"""Questions; how often some of them are asked is a matter of time."""

TAKE = ["attachments.create", "attachments.update", "attachments.os-complete"]


def asked(world: pipeline.World, url: str) -> list[str]:
    """What a neighbour was asked since the last time."""
    calls = world.ok("GET", f"{url}/_calls")["calls"]
    world.request("DELETE", f"{url}/_calls")
    return [str(call["kind"]) for call in calls]


def orders(world: pipeline.World) -> list[str]:
    """What Cinder was told to do since the last time."""
    return [kind for kind in asked(world, world.volume_url) if kind not in REPEATED]


def actions(world: pipeline.World, server_id: str) -> dict[str, set[str]]:
    """The actions of a server, and how their steps ended."""
    path = f"/servers/{server_id}/os-instance-actions"
    found = {}
    for action in world.nova("GET", path)["instanceActions"]:
        shown = world.nova("GET", f"{path}/{action['request_id']}")["instanceAction"]
        found[str(action["action"])] = {str(event["result"]) for event in shown["events"]}
    return found


def test_the_storage_operations_and_their_calls(one_host: pipeline.World) -> None:
    """S2, S3, S25: create, attach, detach, snapshot and create from the snapshot each end
    with an action on record, and Cinder is told this and no more."""
    root, data = one_host.volume(), one_host.volume()
    orders(one_host)

    server_id = one_host.boot(pipeline.bootable(root))
    assert orders(one_host) == TAKE
    one_host.attached(server_id, data)
    assert orders(one_host) == TAKE
    one_host.detach(server_id, data)
    one_host.wait(lambda: one_host.volume_status(data) == "available", "the detach")
    one_host.wait(one_host.is_quiet, "the end of it")
    assert orders(one_host) == ["volumes.os-begin_detaching", "attachments.delete"]
    one_host.act(server_id, "createImage", {"name": "copy"})
    one_host.wait(one_host.is_quiet, "the image")
    assert orders(one_host) == ["snapshots.create"]
    (image,) = one_host.images_of(server_id)
    copy = one_host.boot(image=image["id"])
    assert orders(one_host) == ["volumes.create", *TAKE]

    assert actions(one_host, server_id) == dict.fromkeys(
        ("create", "attach_volume", "detach_volume", "createImage"), {"Success"}
    )
    assert actions(one_host, copy) == {"create": {"Success"}}
    one_host.delete(copy)
    assert orders(one_host) == ["attachments.delete"]


@pytest.mark.parametrize("fetches", [True, False], ids=["files", "clones"])
def test_an_image_is_looked_at_once(one_host: pipeline.World, fetches: bool) -> None:
    """S4, S7: one GET of what it is, by the API; where a host needs its data, one of them.
    The fake needs as little as a host whose disks are clones."""
    host = one_host.hosts["a"]
    if fetches:
        host.driver.images = cache.ImageCache(host.conf)
    image_id = one_host.image()
    asked(one_host, one_host.image_url)
    one_host.boot(image=image_id)
    data = ["images.download"] if fetches else []
    assert asked(one_host, one_host.image_url) == ["images.show", *data]


class Opened:
    """Which databases are opened while it listens, and whether the neighbours' own
    code does it. Python has no way to end an audit hook: it stays and says nothing."""

    def __init__(self) -> None:
        self.by_neighbours: set[str] = set()
        self.by_others: set[str] = set()
        self.is_listening = True
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.is_listening or event not in ("open", "sqlite3.connect"):
            return
        name = pathlib.Path(str(arguments[0])).name
        if name.endswith(".sqlite"):
            ours = self.by_neighbours if _is_of_the_store(sys._getframe()) else self.by_others
            ours.add(name)


def _is_of_the_store(frame: types.FrameType | None) -> bool:
    while frame is not None and frame.f_code.co_filename != store.__file__:
        frame = frame.f_back
    return frame is not None


def test_nobody_opens_the_databases_of_others(tmp_path: pathlib.Path) -> None:
    """S1: in every story Cinder is what answers under its URL. Its queue:
    tests/contract/test_rpc.py."""
    opened = Opened()
    try:
        with pipeline.World(tmp_path, ["a"], quota__instances=-1) as world:
            for story in scenarios.STORIES.values():
                scene = story(world)
                scene.act()
                world.wait(world.is_quiet, "the end of it")
    finally:
        opened.is_listening = False
    assert opened.by_neighbours == {"images.sqlite", "volumes.sqlite"}
    assert opened.by_others == {"api.sqlite", "cell.sqlite"}


def set_status(world: pipeline.World, volume_id: str, status: str) -> None:
    body = {"os-reset_status": {"status": status}}
    world.cinder("POST", f"/volumes/{volume_id}/action", body)


def test_a_backup_is_cinders_business(one_host: pipeline.World) -> None:
    """S23: a server whose volume is being backed up goes on and can have it detached
    afterwards; a volume that is being backed up cannot be attached."""
    server_id, busy, free = (
        one_host.boot(image=one_host.image()),
        *(one_host.volume() for _ in range(2)),
    )
    one_host.attached(server_id, busy)
    before = one_host.server(server_id)
    set_status(one_host, busy, "backing-up")
    one_host.time_passes()
    assert one_host.server(server_id) == before
    set_status(one_host, busy, "in-use")
    one_host.check({busy, free})

    set_status(one_host, free, "backing-up")
    answer = one_host.request(
        "POST",
        f"{one_host.api_url}/v2.1/servers/{server_id}/os-volume_attachments",
        {"volumeAttachment": {"volumeId": free}},
    )
    assert answer.status_code == 400, answer.text
    assert "backing-up" in answer.json()["badRequest"]["message"]
    assert one_host.volume_status(free) == "backing-up"
    set_status(one_host, free, "available")
    one_host.detach(server_id, busy)
    one_host.wait(lambda: one_host.volume_status(busy) == "available", "the detach")
    one_host.check({busy, free})
