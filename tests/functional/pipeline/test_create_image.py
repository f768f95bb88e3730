"""Images of servers: what they say, and what becomes of them when something ends."""

import json

import requests

from nova_lite import exceptions
from nova_lite.db.queries import operations
from tests.fixtures import pipeline
from tests.fixtures import processes


def made(world: pipeline.World, server_id: str) -> pipeline.Body:
    """The one image of a server, which is whole."""
    world.wait(world.is_quiet, "the image")
    (image,) = world.images_of(server_id)
    assert image["status"] == "active"
    return image


def content(world: pipeline.World, image_id: str) -> bytes:
    answer = world.http.get(f"{world.image_url}/v2/images/{image_id}/file", timeout=10)
    return answer.content


def test_an_image_of_a_local_disk_boots_again(one_host: pipeline.World) -> None:
    """S2: the file that the host made is what Glance has, with Nova's properties."""
    source = one_host.image()
    server_id = one_host.boot(image=source)
    answer = one_host.act(server_id, "createImage", {"name": "copy", "metadata": {"k": "v"}})
    image = made(one_host, server_id)
    assert answer == {"image_id": image["id"]}
    assert content(one_host, image["id"]).rstrip(b"\0") == f"disk of {server_id}".encode()
    assert (image["name"], image["disk_format"], image["container_format"]) == (
        "copy", "raw", "bare",
    )  # fmt: skip
    assert (image["min_disk"], image["visibility"], image["k"]) == (1, "private", "v")
    assert (image["image_type"], image["base_image_ref"]) == ("snapshot", source)
    assert (image["image_state"], image["image_location"]) == ("available", "snapshot")
    assert (image["owner_id"], image["user_id"]) == (pipeline.PROJECT, "alice")
    another = one_host.boot(image=image["id"])
    one_host.delete(server_id)
    one_host.check()
    one_host.delete(another)
    one_host.check()


def test_a_stopped_server(one_host: pipeline.World) -> None:
    server_id = one_host.boot(image=one_host.image())
    one_host.stop(server_id)
    one_host.act(server_id, "createImage", {"name": "cold"})
    made(one_host, server_id)
    assert one_host.settled(server_id)["status"] == "SHUTOFF"
    one_host.check()


def test_the_task_states_are_novas(one_host: pipeline.World) -> None:
    """RULES B8: image_snapshot_pending, image_snapshot, image_pending_upload,
    image_uploading, and then none."""
    server_id = one_host.boot(image=one_host.image())
    faults = one_host.hosts["a"].faults
    seen = []

    def look(*_args: object, **_kwargs: object) -> None:
        (task,) = one_host.hosts["a"].service._tasks.active
        assert task
        one_host.wait(lambda: state() not in seen, "the next task state")
        seen.append(state())

    def state() -> object:
        server = one_host.server(server_id)
        assert server is not None
        return server["OS-EXT-STS:task_state"]

    faults.on_call("conductor.begin_operation", lambda *_a, **_k: seen.append(state()))
    for call in ("snapshots.take", "snapshots.publish", "glance.upload"):
        faults.on_call(call, look)
    one_host.act(server_id, "createImage", {"name": "i"})
    made(one_host, server_id)
    assert seen == [
        "image_snapshot_pending", "image_snapshot", "image_pending_upload", "image_uploading",
    ]  # fmt: skip
    assert state() is None


def test_an_image_of_volumes_boots_again(one_host: pipeline.World) -> None:
    """S28, S22, RULES B7: a snapshot a volume, one image with a row each; what is made of
    it has volumes of its own, and deleting the image leaves the snapshots."""
    root, data = one_host.volume(), one_host.volume()
    server_id = one_host.boot(
        pipeline.bootable(root, delete_on_termination=False),
        pipeline.bootable(data, boot_index=-1, delete_on_termination=True),
        {
            "source_type": "blank", "destination_type": "local", "guest_format": "swap",
            "volume_size": 1, "boot_index": -1,
        },
        flavorRef=_flavor_with_swap(one_host),
    )  # fmt: skip
    one_host.act(server_id, "createImage", {"name": "both"})
    image = made(one_host, server_id)
    assert (image["size"], image["bdm_v2"], image["root_device_name"]) == (0, "True", "/dev/vda")
    rows = json.loads(image["block_device_mapping"])
    assert [(row["source_type"], row["boot_index"]) for row in rows] == [
        ("snapshot", 0), ("blank", -1), ("snapshot", -1),
    ]  # fmt: skip
    snapshots = one_host.cinder("GET", "/snapshots/detail?all_tenants=1")["snapshots"]
    assert {snapshot["volume_id"] for snapshot in snapshots} == {root, data}
    assert {snapshot["name"] for snapshot in snapshots} == {"snapshot for both"}
    assert {snapshot["id"] for snapshot in snapshots} == {
        row["snapshot_id"] for row in rows if row["snapshot_id"]
    }
    another = one_host.boot(image=image["id"], flavorRef=_flavor_with_swap(one_host))
    server = one_host.server(another)
    assert server is not None
    assert server["image"] == ""
    own = {volume["id"] for volume in server["os-extended-volumes:volumes_attached"]}
    assert len(own) == 2
    assert not own & {root, data}
    one_host.check({root, data, *own})
    one_host.delete(another)
    one_host.request("DELETE", f"{one_host.image_url}/v2/images/{image['id']}")
    left = one_host.cinder("GET", "/snapshots/detail?all_tenants=1")["snapshots"]
    assert len(left) == 2


def _flavor_with_swap(world: pipeline.World) -> str:
    answer = world.request("GET", f"{world.api_url}/v2.1/flavors/swap")
    if not answer.ok:
        flavor = {"name": "swap", "id": "swap", "ram": 64, "vcpus": 1, "disk": 1, "swap": 1}
        world.nova("POST", "/flavors", {"flavor": flavor})
    return "swap"


def test_a_volume_that_cannot_have_a_snapshot(one_host: pipeline.World) -> None:
    """RULES B14-8: the snapshots that were made before go, and so does the image."""
    root, data = one_host.volume(), one_host.volume()
    server_id = one_host.boot(pipeline.bootable(root), pipeline.bootable(data, boot_index=-1))
    refusal = exceptions.InvalidVolume(reason="no snapshots today")
    one_host.hosts["a"].faults.fail_nth("cinder.create_snapshot", refusal, nth=2)
    one_host.act(server_id, "createImage", {"name": "i"})
    one_host.wait(one_host.is_quiet, "the end of it")
    assert one_host.images_of(server_id) == []
    assert one_host.cinder("GET", "/snapshots/detail?all_tenants=1")["snapshots"] == []
    assert "no snapshots today" in str(one_host.journal())
    one_host.check({root, data})


def test_a_snapshot_that_ends_in_error(one_host: pipeline.World) -> None:
    root = one_host.volume()
    server_id = one_host.boot(pipeline.bootable(root))
    faults = one_host.hosts["a"].faults

    def spoil(*_args: object, **_kwargs: object) -> None:
        raise exceptions.SnapshotNotCreated(
            snapshot_id="s", volume_id=root, status="error", waited_s=1
        )

    faults.on_call("cinder.get_snapshot", spoil, times=1)
    one_host.act(server_id, "createImage", {"name": "i"})
    one_host.wait(one_host.is_quiet, "the end of it")
    one_host.check({root})


def test_a_delete_does_not_wait_for_an_upload(one_host: pipeline.World) -> None:
    """I7: the upload ends at the next piece, its image goes, and so does the server."""
    server_id = one_host.boot(image=one_host.image())
    host = one_host.hosts["a"]

    def delete_meanwhile(*_args: object, **_kwargs: object) -> None:
        one_host.nova("DELETE", f"/servers/{server_id}")
        asked = _reports(host)
        # The second one begins when the first one has its answer.
        one_host.wait(lambda: _reports(host) >= asked + 2, "the news to arrive")

    host.faults.on_call("glance.update_image", delete_meanwhile, times=1)
    one_host.act(server_id, "createImage", {"name": "i"})
    one_host.wait(lambda: one_host.server(server_id) is None, "the delete")
    one_host.recover()
    assert one_host.images_of(server_id) == []
    one_host.check()


def _reports(host: processes.Host) -> int:
    return list(host.faults.calls).count("conductor.report_operation")


def test_the_api_dies_before_it_answers(one_host: pipeline.World) -> None:
    """Law 2: the reaper finds the entry that nobody completed; the image goes."""
    server_id = one_host.boot(image=one_host.image())
    original = operations.hand_over

    def die(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("the process ends here")

    operations.hand_over = die  # type: ignore[assignment]
    try:
        answer = one_host.request(
            "POST",
            f"{one_host.api_url}/v2.1/servers/{server_id}/action",
            {"createImage": {"name": "i"}},
        )
    except requests.RequestException:
        answer = None
    finally:
        operations.hand_over = original
    assert answer is None or answer.status_code == 500
    assert [image["status"] for image in one_host.images_of(server_id)] == ["queued"]
    one_host.recover()
    assert one_host.images_of(server_id) == []
    assert one_host.settled(server_id)["status"] == "ACTIVE"
    one_host.check()


def test_a_host_that_stays_away(one_host: pipeline.World) -> None:
    """The message never reaches it: the image goes, and the server is at rest."""
    server_id = one_host.boot(image=one_host.image())
    host = one_host.hosts["a"]
    host.bury()
    one_host.act(server_id, "createImage", {"name": "i"})
    one_host.declare_down("a")
    one_host.time_passes()
    assert one_host.images_of(server_id) == []
    assert one_host.settled(server_id)["OS-EXT-STS:task_state"] is None
    host.start()
    one_host.declare_up("a")
    one_host.recover()
    one_host.check()


def test_an_image_that_is_whole_stays(one_host: pipeline.World) -> None:
    """The process dies when all is done and nobody knows it yet."""
    server_id = one_host.boot(image=one_host.image())
    host = one_host.hosts["a"]
    host.faults.kill("snapshots.discard")
    one_host.act(server_id, "createImage", {"name": "i"})
    host.wait_dead()
    host.restart()
    one_host.recover()
    made(one_host, server_id)
    assert ("create_image", "success") in [row[:2] for row in one_host.journal()]
    one_host.check()
