"""A process is killed at each call of each story, before or after the call. A new
one takes up what is left: everything comes to an end and nothing is lost."""

import contextlib

import pytest
import requests

from tests.fixtures import pipeline
from tests.functional.pipeline import scenarios
from tests.functional.pipeline.test_stories import kept

ENDS = {"stop": ("SHUTOFF",), "start": ("ACTIVE",)}


@pytest.mark.parametrize(("story", "call", "after"), scenarios.spoilable())
def test_a_host_dies(one_host: pipeline.World, story: str, call: str, after: bool) -> None:
    """S203: a build ends ACTIVE or in ERROR, an attach not at all or whole, so that a
    detach works, the rest whole."""
    scene = scenarios.STORIES[story](one_host)
    host = one_host.hosts["a"]
    host.faults.kill(call, after=after)
    scene.act()
    host.wait_dead()
    host.restart()
    one_host.recover()
    check_ends(one_host, scene, story)


@pytest.mark.parametrize(
    ("story", "call", "after"),
    scenarios.spoilable(
        "boot_from_volume", "boot_from_new_volume", "attach", "create_image", "snapshot_volumes"
    ),
)
def test_a_host_dies_and_the_server_is_deleted_meanwhile(
    one_host: pipeline.World, story: str, call: str, after: bool
) -> None:
    """D15, S212: by the conductor, since the host is down; no driver is called for it
    until the host is back."""
    scene = scenarios.STORIES[story](one_host)
    host = one_host.hosts["a"]
    host.faults.kill(call, after=after)
    created = scene.act()
    server_id = scene.server_id or str(created)
    host.wait_dead()
    host.bury()
    one_host.declare_down("a")
    answer = one_host.request("DELETE", f"{one_host.api_url}/v2.1/servers/{server_id}")
    assert answer.status_code in (204, 404)
    one_host.recover()
    assert one_host.server(str(server_id)) is None
    host.start()
    one_host.declare_up("a")
    one_host.recover()
    one_host.time_passes()
    one_host.check(scene.volumes)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("story", "call", "nth"),
    [
        (story, call, nth)
        for story, calls in scenarios.OF_THE_CONDUCTOR.items()
        for call, nth in calls
    ],
)
def test_the_conductor_dies(
    one_host: pipeline.World, story: str, call: str, nth: int, after: bool
) -> None:
    scene = scenarios.STORIES[story](one_host)
    conductor = one_host.conductor
    conductor.faults.kill(call, after=after, nth=nth)
    with contextlib.suppress(requests.RequestException):
        scene.act()
    conductor.wait_dead()
    conductor.restart()
    one_host.recover()
    check_ends(one_host, scene, story)


def check_ends(world: pipeline.World, scene: scenarios.Scene, story: str) -> None:
    for server in world.nova("GET", "/servers/detail")["servers"]:
        assert world.settled(server["id"])["status"] in ENDS.get(story, ("ACTIVE", "ERROR"))
    world.check(scene.volumes | kept(world, scene))
    assert world.audit().is_clean
    if story == "delete":
        assert world.server(str(scene.server_id)) is None
    if story == "detach":
        (volume_id,) = scene.volumes
        assert world.volume_status(volume_id) == "available"
    if story == "attach":
        (volume_id,) = scene.volumes
        if world.volume_status(volume_id) == "in-use":
            world.detach(str(scene.server_id), volume_id)
            world.wait(lambda: world.volume_status(volume_id) == "available", "the detach")
            world.wait(world.is_quiet, "the end of it")
    scenarios.tidy(world, scene)
