"""The lists of calls in scenarios.py are what really happens."""

import pytest

from tests.fixtures import pipeline
from tests.functional.pipeline import scenarios


@pytest.mark.parametrize("story", scenarios.STORIES)
def test_the_calls_of_a_story(one_host: pipeline.World, story: str) -> None:
    """S211: in this order; a detach takes back connect and plug from the last to the first."""
    scene = scenarios.STORIES[story](one_host)
    scenarios.forget_calls(one_host)
    scene.act()
    one_host.wait(lambda: one_host.conductor.faults.calls, "something to happen")
    one_host.wait(one_host.is_quiet, "the end of it")
    one_host.check(scene.volumes | kept(one_host, scene))
    calls = list(one_host.hosts["a"].faults.calls)
    listed = scenarios.OF_A_HOST[story]
    assert [call for call in dict.fromkeys(calls) if call in listed] == listed
    polls = {
        "cinder.get_volume",
        "cinder.list_attachments",
        "cinder.get_snapshot",
        # Of what takes longer than a second.
        "conductor.report_operation",
    }
    assert set(calls) - set(listed) <= polls
    for name, nth in scenarios.OF_THE_CONDUCTOR.get(story, []):
        assert list(one_host.conductor.faults.calls).count(name) >= nth
    scenarios.tidy(one_host, scene)


def kept(world: pipeline.World, scene: scenarios.Scene) -> set[str]:
    """The volumes of the servers that live."""
    servers = world.nova("GET", "/servers/detail")["servers"]
    return {
        volume["id"]
        for server in servers
        for volume in server["os-extended-volumes:volumes_attached"]
    }
