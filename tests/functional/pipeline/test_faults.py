"""Each call of each story fails once: before it does anything, or after it did
and only its answer is lost. Nothing may be left behind (spec/PAINS.md I1-I10)."""

import pytest

from nova_lite import exceptions
from tests.fixtures import pipeline
from tests.functional.pipeline import scenarios
from tests.functional.pipeline.test_stories import kept


def error_for(call: str) -> Exception:
    part = call.partition(".")[0]
    if part == "cinder":
        return exceptions.RemoteServiceError(service="Cinder", reason="a test wants it")
    if part == "glance":
        return exceptions.RemoteServiceError(service="Glance", reason="a test wants it")
    if part == "conductor":
        return exceptions.RpcTimeout(service="conductor", method=call)
    return exceptions.HypervisorError(reason="a test wants it")


@pytest.mark.parametrize(("story", "call", "after"), scenarios.spoilable())
def test_a_call_fails(one_host: pipeline.World, story: str, call: str, after: bool) -> None:
    """S169, S202, S205, S207; and the only host is the last one too."""
    scene = scenarios.STORIES[story](one_host)
    one_host.hosts["a"].faults.fail(call, error_for(call), times=1, after=after)
    spoil_and_look(one_host, scene)


@pytest.mark.parametrize(
    ("story", "call", "after"), scenarios.spoilable("boot_from_volume", "boot_from_new_volume")
)
def test_a_call_fails_and_there_is_another_host(
    world: pipeline.World, story: str, call: str, after: bool
) -> None:
    """S165, S166, D14: the alternate builds it, with the same volume."""
    scene = scenarios.STORIES[story](world)
    struck: list[str] = []

    def strike(*_args: object, **_kwargs: object) -> None:
        if not struck:
            struck.append(call)
            raise error_for(call)

    for host in world.hosts.values():
        host.faults.on_call(call, strike, after=after)
    server_id = scene.act()
    assert isinstance(server_id, str)
    world.wait(lambda: struck, f"{call} to be called")
    world.recover()
    server = world.settled(server_id)
    assert server["status"] == "ACTIVE", (server, world.journal())
    world.check(scene.volumes | kept(world, scene))
    scenarios.tidy(world, scene)


def spoil_and_look(world: pipeline.World, scene: scenarios.Scene) -> None:
    world.conductor.faults.calls.clear()
    scene.act()
    world.recover()
    world.check(scene.volumes | kept(world, scene))
    scenarios.tidy(world, scene)
