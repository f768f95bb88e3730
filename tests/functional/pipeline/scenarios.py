"""Small stories, each with everything that can fail or be the end in it.

``CALLS`` are what the compute host does in the story, one line a call: tests fail
or kill at each, and test_faults.py holds them against what really happens.
"""

import collections.abc
import contextlib
import dataclasses

from tests.fixtures import pipeline


@dataclasses.dataclass
class Story:
    """``begin`` prepares, ``act`` starts what is to be spoilt."""

    begin: collections.abc.Callable[[pipeline.World], "Scene"]
    calls: tuple[tuple[str, int], ...]
    """(name, which of that name)."""


@dataclasses.dataclass
class Scene:
    """A prepared world: what to do, and what is there."""

    act: collections.abc.Callable[[], object]
    volumes: set[str]
    """Volumes of the user, which must never be lost."""
    server_id: str | None = None


def boot_from_image(world: pipeline.World) -> Scene:
    image_id = world.image()
    return Scene(lambda: world.create(image=image_id), set())


def boot_from_volume(world: pipeline.World) -> Scene:
    volume_id = world.volume()
    return Scene(lambda: world.create(pipeline.bootable(volume_id)), {volume_id})


def boot_from_new_volume(world: pipeline.World) -> Scene:
    image_id = world.image()
    return Scene(lambda: world.create(pipeline.new_root(image_id)), set())


def attach(world: pipeline.World) -> Scene:
    volume_id, server_id = world.volume(), world.boot(image=world.image())
    return Scene(lambda: world.attach(server_id, volume_id), {volume_id}, server_id)


def detach(world: pipeline.World) -> Scene:
    volume_id, server_id = world.volume(), world.boot(image=world.image())
    world.attach(server_id, volume_id)
    world.wait(lambda: world.volume_status(volume_id) == "in-use" and world.is_quiet(), "attach")
    return Scene(lambda: world.detach(server_id, volume_id), {volume_id}, server_id)


def delete(world: pipeline.World) -> Scene:
    volume_id = world.volume()
    server_id = world.boot(
        pipeline.bootable(volume_id),
        {
            "source_type": "blank",
            "destination_type": "volume",
            "volume_size": 1,
            "boot_index": -1,
            "delete_on_termination": True,
        },
    )
    return Scene(
        lambda: world.nova("DELETE", f"/servers/{server_id}"), {volume_id}, server_id
    )


def hosts_calls(world: pipeline.World) -> tuple[tuple[str, int], ...]:
    """What the hosts have done since their faults were told to forget."""
    found: dict[tuple[str, int], None] = {}
    for host in world.hosts.values():
        counts: dict[str, int] = {}
        for name in host.faults.calls:
            counts[name] = counts.get(name, 0) + 1
            found[name, counts[name]] = None
    return tuple(found)


def forget_calls(world: pipeline.World) -> None:
    for process in (*world.hosts.values(), world.conductor):
        process.faults.calls.clear()


def tidy(world: pipeline.World, scene: Scene) -> None:
    """Whatever became of it: the user can delete every server, and what is left
    are the user's own volumes, available."""
    for server in world.nova("GET", "/servers/detail")["servers"]:
        with contextlib.suppress(AssertionError):
            world.delete(server["id"])
    world.recover()
    world.check(scene.volumes)
