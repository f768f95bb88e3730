"""One volume of several servers, of one host and of two (D19)."""

import pytest

from nova_lite import exceptions
from tests.fixtures import pipeline


def servers(world: pipeline.World, where: str) -> list[str]:
    """Two of them, on the hosts with these letters."""
    image, booted = world.image(), []
    for letter in where:
        for name in world.hosts:
            (world.declare_up if name == letter else world.declare_down)(name)
        booted.append(world.boot(image=image))
    for name in world.hosts:
        world.declare_up(name)
    return booted


def attach(world: pipeline.World, server_id: str, volume_id: str) -> None:
    world.attach(server_id, volume_id)
    world.wait(lambda: server_id in holders(world, volume_id), "the attach")
    world.wait(world.is_quiet, "the end of it")


def detach(world: pipeline.World, server_id: str, volume_id: str) -> None:
    world.detach(server_id, volume_id)
    world.wait(lambda: server_id not in holders(world, volume_id), "the detach")
    world.wait(world.is_quiet, "the end of it")


def holders(world: pipeline.World, volume_id: str) -> set[str]:
    volume = world.cinder("GET", f"/volumes/{volume_id}")["volume"]
    return {use["server_id"] for use in volume["attachments"]}


def users(world: pipeline.World, volume_id: str) -> list[frozenset[str]]:
    """Of each host's connection."""
    return [host.driver.volumes.users(volume_id) for host in world.hosts.values()]


@pytest.mark.parametrize("where", ["aa", "ab"])
def test_the_last_detach_disconnects(world: pipeline.World, where: str) -> None:
    """On one host and on two; at each moment every source says the same."""
    volume_id = world.volume(multiattach=True)
    first, second = servers(world, where)
    attach(world, first, volume_id)
    attach(world, second, volume_id)
    assert set().union(*users(world, volume_id)) == {first, second}
    world.check([volume_id])
    detach(world, first, volume_id)
    assert world.volume_status(volume_id) == "in-use"
    world.check([volume_id])
    attach(world, first, volume_id)
    detach(world, second, volume_id)
    world.check([volume_id])
    world.delete(first)
    world.wait(lambda: world.volume_status(volume_id) == "available", "the release")
    world.check([volume_id])
    assert users(world, volume_id) == [frozenset(), frozenset()]


def test_two_deletes_at_once(world: pipeline.World) -> None:
    """S26, D19: neither takes the other for the one that disconnects."""
    volume_id = world.volume(multiattach=True)
    first, second = servers(world, "aa")
    for server_id in (first, second):
        attach(world, server_id, volume_id)
    for server_id in (first, second):
        world.nova("DELETE", f"/servers/{server_id}")
    world.wait(lambda: world.volume_status(volume_id) == "available", "the release")
    world.wait(world.is_quiet, "the end of it")
    world.check([volume_id])


def test_a_second_attach_that_fails_leaves_the_first(world: pipeline.World) -> None:
    """S207: the clean-up is the second's, the connection the first's."""
    volume_id = world.volume(multiattach=True)
    first, second = servers(world, "aa")
    attach(world, first, volume_id)
    failure = exceptions.HypervisorError(reason="no path")
    world.hosts["a"].faults.fail("volumes.connect", failure, times=1)
    world.attach(second, volume_id)
    world.wait(lambda: "volumes.connect" in world.hosts["a"].faults.calls, "the attach")
    world.wait(world.is_quiet, "the end of it")
    assert holders(world, volume_id) == {first}
    assert users(world, volume_id)[0] == {first}
    world.check([volume_id])
