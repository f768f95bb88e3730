"""Small stories, and every call of the outside that a process makes in them.

Tests let each of these calls fail, or kill the process at it; test_stories.py holds
the lists against what really happens.
"""

import collections.abc
import contextlib
import dataclasses
import typing

import pytest

from tests.fixtures import pipeline


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


def boot_with_config_drive(world: pipeline.World) -> Scene:
    image_id = world.image()
    return Scene(lambda: world.create(image=image_id, config_drive=True), set())


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


def extend(world: pipeline.World) -> Scene:
    volume_id, server_id = world.volume(), world.boot(image=world.image())
    world.attached(server_id, volume_id)
    return Scene(lambda: world.extend(volume_id, 2), {volume_id}, server_id)


def swap(world: pipeline.World) -> Scene:
    volume_id, server_id = world.volume(), world.boot(image=world.image())
    world.attached(server_id, volume_id)
    return Scene(lambda: world.migrate(volume_id), {volume_id}, server_id)


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
    return Scene(lambda: world.nova("DELETE", f"/servers/{server_id}"), {volume_id}, server_id)


def stop(world: pipeline.World) -> Scene:
    server_id = world.boot(image=world.image())
    return Scene(lambda: world.act(server_id, "os-stop"), set(), server_id)


def start(world: pipeline.World) -> Scene:
    server_id = world.boot(image=world.image())
    world.stop(server_id)
    return Scene(lambda: world.act(server_id, "os-start"), set(), server_id)


def create_image(world: pipeline.World) -> Scene:
    server_id = world.boot(image=world.image())
    return Scene(lambda: world.act(server_id, "createImage", {"name": "i"}), set(), server_id)


def snapshot_volumes(world: pipeline.World) -> Scene:
    volume_id, other_id = world.volume(), world.volume()
    other = pipeline.bootable(other_id, boot_index=-1)
    server_id = world.boot(pipeline.bootable(volume_id), other)
    return Scene(
        lambda: world.act(server_id, "createImage", {"name": "i"}),
        {volume_id, other_id},
        server_id,
    )


STORIES = {
    story.__name__: story
    for story in (
        boot_from_image,
        boot_with_config_drive,
        boot_from_volume,
        boot_from_new_volume,
        attach,
        detach,
        extend,
        swap,
        delete,
        stop,
        start,
        create_image,
        snapshot_volumes,
    )
}

OF_A_HOST = {
    "boot_from_image": [
        "conductor.begin_operation", "disks.create", "guests.spawn",
        "conductor.finish_operation",
    ],
    "boot_with_config_drive": [
        "conductor.begin_operation", "disks.create", "guests.device_places",
        "disks.write_config_drive", "guests.spawn", "conductor.finish_operation",
    ],
    "boot_from_volume": [
        "conductor.begin_operation", "volumes.connector", "cinder.get_volume",
        "cinder.update_attachment", "volumes.connect", "cinder.complete_attachment",
        "disks.create", "guests.spawn", "conductor.finish_operation",
    ],
    "boot_from_new_volume": [
        "conductor.begin_operation", "cinder.create_volume", "cinder.create_attachment",
        "volumes.connector", "cinder.update_attachment", "volumes.connect",
        "cinder.complete_attachment", "disks.create", "guests.spawn",
        "conductor.finish_operation",
    ],
    "attach": [
        "conductor.begin_operation", "volumes.connector", "cinder.get_volume",
        "cinder.update_attachment", "volumes.connect", "conductor.save_block_device",
        "volumes.plug", "cinder.complete_attachment", "conductor.finish_operation",
    ],
    "detach": [
        "conductor.begin_operation", "volumes.unplug", "volumes.disconnect",
        "cinder.delete_attachment", "conductor.finish_operation",
    ],
    "extend": [
        "conductor.begin_operation", "cinder.get_volume", "volumes.extend",
        "conductor.finish_operation",
    ],
    "swap": [
        "conductor.begin_operation", "volumes.connector", "cinder.get_volume",
        "cinder.update_attachment", "conductor.save_block_device", "volumes.connect",
        "volumes.swap", "cinder.complete_attachment", "volumes.disconnect",
        "cinder.delete_attachment", "cinder.complete_migration", "conductor.finish_operation",
    ],
    "delete": [
        "conductor.begin_operation", "guests.destroy", "volumes.disconnect",
        "cinder.delete_attachment", "cinder.delete_volume", "disks.remove",
        "conductor.finish_operation",
    ],
    "stop": [
        "conductor.begin_operation", "power.power_off", "conductor.finish_operation",
    ],
    "start": [
        "conductor.begin_operation", "power.power_on", "conductor.finish_operation",
    ],
    "create_image": [
        "conductor.begin_operation", "snapshots.take", "snapshots.publish", "snapshots.extract",
        "glance.update_image", "glance.upload", "snapshots.discard",
        "conductor.finish_operation",
    ],
    "snapshot_volumes": [
        "conductor.begin_operation", "cinder.create_snapshot", "glance.update_image",
        "glance.upload", "conductor.finish_operation",
    ],
}  # fmt: skip
"""What a compute host does, in order; polls and repetitions of a call left out."""

OF_THE_CONDUCTOR = {
    "boot_from_volume": [
        ("api.read", 1), ("scheduler.select_destinations", 1), ("cell.write", 1),
        ("api.write", 1), ("compute.build_and_run_instance", 1), ("cell.write", 2),
        ("cell.write", 3),
    ],
    "attach": [("cell.write", 1), ("cell.write", 2), ("cell.write", 3)],
    "detach": [("cell.write", 1), ("cell.write", 2)],
    "stop": [("cell.write", 1), ("cell.write", 2)],
    "create_image": [("cell.write", 1), ("cell.write", 2)],
    "delete": [("cell.write", 1), ("api.write", 1), ("api.write", 2), ("cell.write", 2)],
}  # fmt: skip
"""What the conductor does: name, and which of that name."""


def spoilable(*stories: str) -> list[typing.Any]:
    """(story, call of a host, whether after it), for some stories or all."""
    return [
        pytest.param(
            story,
            call,
            after,
            id=f"{story}-{call}-{'after' if after else 'before'}",
        )
        for story, calls in OF_A_HOST.items()
        for call in calls
        for after in (False, True)
        if not stories or story in stories
    ]


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
