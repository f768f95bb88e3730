"""Boots, their ends, and what users and administrators learn of them."""

import pathlib

import pytest

from nova_lite import concurrency
from nova_lite import exceptions
from tests.fixtures import invariants
from tests.fixtures import pipeline
from tests.functional.pipeline.scenarios import forget_calls


def blank(**fields: object) -> pipeline.Body:
    return {
        "source_type": "blank",
        "destination_type": "volume",
        "volume_size": 1,
        "boot_index": -1,
        "delete_on_termination": True,
        **fields,
    }


def test_from_an_image(one_host: pipeline.World) -> None:
    """S16: a local root."""
    server_id = one_host.boot(image=one_host.image())
    one_host.check()
    one_host.delete(server_id)
    one_host.check()


def test_from_a_volume(one_host: pipeline.World) -> None:
    """S16, S30: a volume as the root."""
    volume_id = one_host.volume()
    server_id = one_host.boot(pipeline.bootable(volume_id))
    assert one_host.volume_status(volume_id) == "in-use"
    one_host.check([volume_id])
    one_host.delete(server_id)
    one_host.check([volume_id])


def test_from_new_volumes_of_every_source(one_host: pipeline.World) -> None:
    """S25, S26, I10: each is in-use; those that are to go with the server go with it."""
    world = one_host
    origin = world.volume()
    snapshot_id = world.cinder("POST", "/snapshots", {"snapshot": {"volume_id": origin}})[
        "snapshot"
    ]["id"]
    world.wait(
        lambda: (
            world.cinder("GET", f"/snapshots/{snapshot_id}")["snapshot"]["status"] == "available"
        ),
        "a snapshot",
    )
    kept_one = blank(source_type="snapshot", uuid=snapshot_id, delete_on_termination=False)
    server_id = world.boot(pipeline.new_root(world.image()), blank(), kept_one)
    volumes = world.server(server_id)["os-extended-volumes:volumes_attached"]  # type: ignore[index]
    assert len(volumes) == 3
    (kept_id,) = [v["id"] for v in volumes if not v["delete_on_termination"]]
    world.check([origin, *(v["id"] for v in volumes)])
    world.delete(server_id)
    world.check([origin, kept_id])


def test_three_at_once(world: pipeline.World) -> None:
    """S150: three casts; S151: no two servers share a device."""
    forget_calls(world)
    world.create(pipeline.new_root(world.image()), min_count=3, max_count=3)
    world.wait(lambda: world.conductor.faults.calls, "the conductor to begin")
    world.wait(world.is_quiet, "all three")
    casts = [c for c in world.conductor.faults.calls if c == "compute.build_and_run_instance"]
    assert len(casts) == 3
    servers = world.nova("GET", "/servers/detail")["servers"]
    assert [server["status"] for server in servers] == ["ACTIVE"] * 3
    volumes = {v["id"] for s in servers for v in s["os-extended-volumes:volumes_attached"]}
    assert len(volumes) == 3
    world.check(volumes)


def test_every_message_twice(tmp_path: pathlib.Path) -> None:
    """Law 1: duplicates are harmless."""
    with pipeline.World(tmp_path, ["a", "b"], twice=True) as world:
        volume_id, data_id = world.volume(), world.volume()
        server_id = world.boot(pipeline.bootable(volume_id))
        world.attach(server_id, data_id)
        world.wait(lambda: world.volume_status(data_id) == "in-use", "the attach")
        world.wait(world.is_quiet, "the attach's end")
        world.check([volume_id, data_id])
        world.detach(server_id, data_id)
        world.wait(lambda: world.volume_status(data_id) == "available", "the detach")
        world.wait(world.is_quiet, "the detach's end")
        world.delete(server_id)
        for host in world.hosts.values():
            host.faults.fail("guests.spawn", exceptions.HypervisorError(reason="x"), times=1)
        server_id = world.create(pipeline.bootable(volume_id))
        world.settled(server_id)
        world.wait(world.is_quiet, "the end")
        world.check([volume_id, data_id])


def test_the_alternate_is_tried(world: pipeline.World) -> None:
    """S165: what is claimed on the first host is gone before the second is; S166:
    the volume made for the first attempt is used by the second."""
    claims: list[list[str]] = []

    def note(*_args: object, **_kwargs: object) -> None:
        claims.append([host for _, host in world_allocations(world)])

    for host in world.hosts.values():
        host.faults.on_call("guests.spawn", note)
    first = {"failed": ""}

    def fail_once(*_args: object, **_kwargs: object) -> None:
        if not first["failed"]:
            first["failed"] = "yes"
            raise exceptions.HypervisorError(reason="/secret/path is broken")

    for host in world.hosts.values():
        host.faults.on_call("guests.spawn", fail_once)
    server_id = world.boot(pipeline.new_root(world.image()))
    assert [len(held) for held in claims] == [1, 1]
    assert claims[0] != claims[1]
    calls = [call for host in world.hosts.values() for call in host.faults.calls]
    assert calls.count("cinder.create_volume") == 1
    server = world.server(server_id)
    assert server is not None
    world.check([v["id"] for v in server["os-extended-volumes:volumes_attached"]])
    world.delete(server_id)
    world.check()


def test_the_volume_is_never_available_between_attempts(world: pipeline.World) -> None:
    """D14."""
    volume_id = world.volume()
    seen: set[str | None] = set()

    def watch(*_args: object, **_kwargs: object) -> None:
        seen.add(world.volume_status(volume_id))

    for host in world.hosts.values():
        host.faults.fail("guests.spawn", exceptions.HypervisorError(reason="no"), times=1)
        for call in (
            "cinder.create_attachment",
            "cinder.delete_attachment",
            "cinder.update_attachment",
            "conductor.build_instances",
            "conductor.begin_operation",
        ):
            host.faults.on_call(call, watch)
            host.faults.on_call(call, watch, after=True)
    server_id = world.create(pipeline.bootable(volume_id))
    assert world.settled(server_id)["status"] == "ERROR"
    assert seen <= {"reserved", "attaching", "in-use"}
    assert world.volume_status(volume_id) == "reserved"  # S164
    world.check([volume_id])
    world.delete(server_id)
    world.check([volume_id])


def test_attempts_run_out(world: pipeline.World) -> None:
    """The fault says how often and, in our words, why; what names paths is for
    administrators, who see what went wrong on each host."""
    for name, host in world.hosts.items():
        host.faults.fail("guests.spawn", exceptions.HypervisorError(reason=f"/path/of/{name}"))
    server_id = world.create(image=world.image())
    server = world.settled(server_id)
    assert server["status"] == "ERROR"
    assert "Exceeded maximum number of retries (2)" in server["fault"]["message"]
    assert "/path/of" not in server["fault"]["message"]
    for name in world.hosts:
        assert f"/path/of/{name}" in server["fault"]["details"]
    assert "/path/of" not in str(world.server(server_id, admin=False))
    world.check()
    world.delete(server_id)
    world.check()


def test_an_error_that_no_host_would_cure_is_not_tried_again(world: pipeline.World) -> None:
    """S167: the volume that the build made is deleted."""
    for host in world.hosts.values():
        host.faults.fail(
            "guests.spawn",
            exceptions.BuildAborted(instance_uuid="x", reason="the image is broken"),
        )
    server_id = world.create(pipeline.new_root(world.image()))
    server = world.settled(server_id)
    assert server["status"] == "ERROR"
    assert "the image is broken" in server["fault"]["message"]
    spawns = [h.faults.calls.count("guests.spawn") for h in world.hosts.values()]
    assert sum(spawns) == 1
    world.check()
    world.delete(server_id)
    world.check()


def test_no_host(tmp_path: pathlib.Path) -> None:
    """D29: users see counts, administrators which host and why; S160."""
    with pipeline.World(tmp_path, ["secret-a", "secret-b"], fake__memory_mib=520) as world:
        volume_id = world.volume()
        server_id = world.create(pipeline.bootable(volume_id))
        world.settled(server_id)
        of_user = world.server(server_id, admin=False)
        of_admin = world.server(server_id)
        assert of_user is not None
        assert of_admin is not None
        assert "2 hosts were considered" in of_user["fault"]["message"]
        assert "secret-" not in str(of_user)
        assert "secret-a" in of_admin["fault"]["details"]
        assert world.volume_status(volume_id) == "reserved"
        world.check([volume_id])
        world.delete(server_id)
        world.check([volume_id])


def test_the_eleventh_build_waits(tmp_path: pathlib.Path) -> None:
    """S159; and S161: the message is answered at once all the same."""
    with pipeline.World(tmp_path, quota__instances=-1) as world:
        the_eleventh_build_waits(world)


def the_eleventh_build_waits(one_host: pipeline.World) -> None:
    host = one_host.hosts["a"]
    release = host.faults.hang("disks.create")
    one_host.create(image=one_host.image(), min_count=11, max_count=11)
    one_host.wait(lambda: host.faults.calls.count("disks.create") == 10, "ten builds")
    one_host.wait(lambda: len(one_host.active()["a"]) == 11, "the eleventh")
    assert host.faults.calls.count("disks.create") == 10
    release()
    one_host.wait(one_host.is_quiet, "the builds")
    assert host.faults.calls.count("guests.spawn") == 11
    one_host.check()


def test_a_hundred_want_room_for_ten(tmp_path: pathlib.Path) -> None:
    """S168."""
    with pipeline.World(
        tmp_path, ["a", "b"], fake__memory_mib=512 + 5 * 64, **pipeline.CROWD
    ) as world:
        image_id = world.image()
        threads = [concurrency.spawn(world.create, image=image_id) for _ in range(100)]
        ids = [thread.wait() for thread in threads]
        world.wait(world.is_quiet, "all builds", pipeline.CROWD_TIMEOUT_S)
        states = [world.settled(server_id)["status"] for server_id in ids]
        assert states.count("ACTIVE") == 10
        assert states.count("ERROR") == 90
        world.check()


@pytest.mark.parametrize(
    "call",
    [
        "conductor.begin_operation", "cinder.create_volume", "cinder.update_attachment",
        "volumes.connect", "cinder.complete_attachment", "disks.create", "guests.spawn",
        "conductor.finish_operation",
    ],
)  # fmt: skip
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_deleted_while_it_is_built(one_host: pipeline.World, call: str, after: bool) -> None:
    """S158, D15: at each step the delete wins and nothing is left."""
    world, host = one_host, one_host.hosts["a"]
    volume_id = world.volume()
    host.faults.on_call(
        call,
        lambda *_a, **_k: world.nova("DELETE", f"/servers/{created[0]}"),
        times=1,
        after=after,
    )
    created: list[str] = []
    original = host.faults.strike

    def wait_for_id(name: str, **how: object) -> None:
        if name == "conductor.begin_operation":
            concurrency.wait_until(lambda: bool(created), 20, 0.01)
        original(name, **how)  # type: ignore[arg-type]

    host.faults.strike = wait_for_id  # type: ignore[method-assign,assignment]
    created.append(world.create(pipeline.bootable(volume_id), blank(delete_on_termination=True)))
    world.wait(lambda: world.server(created[0]) is None, "the delete")
    world.recover()
    world.check([volume_id])


def test_deleted_while_its_host_is_chosen(one_host: pipeline.World) -> None:
    volume_id = one_host.volume()
    created: list[str] = []

    def delete(*_args: object, **_kwargs: object) -> None:
        concurrency.wait_until(lambda: bool(created), 20, 0.01)
        one_host.nova("DELETE", f"/servers/{created[0]}")

    one_host.conductor.faults.on_call("scheduler.select_destinations", delete, after=True)
    created.append(one_host.create(pipeline.bootable(volume_id)))
    one_host.wait(lambda: one_host.server(created[0]) is None, "the delete")
    one_host.recover()
    one_host.check([volume_id])


def world_allocations(world: pipeline.World) -> list[tuple[str, str]]:
    checker = invariants.Checker(world)
    return [(row.consumer_uuid, checker.nodes[row.node_uuid]) for row in checker.held]
