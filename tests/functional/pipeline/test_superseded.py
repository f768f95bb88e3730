"""What was asked for and is overtaken, by a delete or a detach, before its host has
begun it: whoever waits for its end hears of it (I3, I7)."""

import collections.abc
import typing

import pytest

from nova_lite import exceptions
from nova_lite.db.queries import block_devices
from tests.fixtures import pipeline

Ask = collections.abc.Callable[[pipeline.World, str, str], typing.Any]


def swap(world: pipeline.World, server_id: str, volume_id: str) -> None:
    world.migrate(volume_id)


def extend(world: pipeline.World, server_id: str, volume_id: str) -> None:
    world.extend_by_guest(server_id, volume_id, 2)


def create_image(world: pipeline.World, server_id: str, volume_id: str) -> None:
    world.act(server_id, "createImage", {"name": "i"})


def attach(world: pipeline.World, server_id: str, volume_id: str) -> None:
    world.attach(server_id, world.volume(name="another"))


def detach(world: pipeline.World, server_id: str, volume_id: str) -> None:
    world.detach(server_id, volume_id)


def volumes_of(world: pipeline.World) -> list[typing.Any]:
    return typing.cast(list[typing.Any], world.cinder("GET", "/volumes/detail")["volumes"])


@pytest.mark.parametrize("down", [False, True], ids=["host up", "host down"])
@pytest.mark.parametrize("ask", [swap, extend, create_image, attach, detach])
def test_a_delete_before_its_begin(one_host: pipeline.World, ask: Ask, down: bool) -> None:
    server_id, volume_id = one_host.boot(image=one_host.image()), one_host.volume()
    one_host.attached(server_id, volume_id)
    host = one_host.hosts["a"]
    host.bury()
    ask(one_host, server_id, volume_id)
    if down:
        one_host.declare_down("a")
    one_host.nova("DELETE", f"/servers/{server_id}")
    if down:
        one_host.wait(lambda: one_host.server(server_id) is None, "the delete by the conductor")
        one_host.declare_up("a")
    host.start()
    one_host.recover()
    assert one_host.server(server_id) is None
    assert one_host.images_of(server_id) == []
    found = volumes_of(one_host)
    assert {volume["status"] for volume in found} == {"available"}
    assert not any("extend_new_size" in volume["metadata"] for volume in found)
    one_host.check([volume["id"] for volume in found])


def test_a_delete_that_failed_is_repeated(one_host: pipeline.World) -> None:
    """The first one had stopped the swap, and ended before it came to that."""
    server_id, volume_id = one_host.boot(image=one_host.image()), one_host.volume()
    one_host.attached(server_id, volume_id)
    host = one_host.hosts["a"]
    release = host.faults.hang("conductor.begin_operation", times=1)
    swap(one_host, server_id, volume_id)
    one_host.wait(lambda: "conductor.begin_operation" in host.faults.calls, "the swap's turn")
    host.faults.fail("guests.destroy", exceptions.HypervisorError(reason="not now"))
    one_host.nova("DELETE", f"/servers/{server_id}")
    release()
    one_host.wait(lambda: one_host.settled(server_id)["status"] == "ERROR", "the failure")
    host.faults.clear()
    one_host.delete(server_id)
    one_host.recover()
    one_host.check([volume_id])


def test_a_delete_before_the_snapshots_of_volumes(one_host: pipeline.World) -> None:
    server_id = one_host.boot(pipeline.new_root(one_host.image()))
    host = one_host.hosts["a"]
    host.bury()
    create_image(one_host, server_id, "")
    one_host.nova("DELETE", f"/servers/{server_id}")
    host.start()
    one_host.recover()
    assert one_host.images_of(server_id) == []
    one_host.check()


@pytest.mark.parametrize("ask", [swap, extend])
def test_a_detach_that_comes_first(one_host: pipeline.World, ask: Ask) -> None:
    """The server has lost the volume when it is its turn; the old attachment is not
    its business any more."""
    server_id, volume_id = one_host.boot(image=one_host.image()), one_host.volume()
    one_host.attached(server_id, volume_id)
    host = one_host.hosts["a"]
    release = host.faults.hang("conductor.begin_operation", times=1)
    ask(one_host, server_id, volume_id)
    device = one_host.device(server_id, volume_id)
    with one_host.database.cell.write() as tx:
        block_devices.remove(tx, device.uuid)
    release()
    one_host.wait(one_host.is_quiet, "the end of it")
    assert one_host.journal()[-1][1] == "error"
    (volume,) = volumes_of(one_host)
    assert volume["migration_status"] in (None, "error")
    assert volume["status"] == ("error_extending" if ask is extend else "in-use")
    attachments = one_host.cinder("GET", "/attachments/detail")["attachments"]
    assert [attachment["id"] for attachment in attachments] == [device.attachment_id]


def test_a_delete_after_the_guest_has_moved(one_host: pipeline.World) -> None:
    """What the guest wrote last is on the new volume: with that one it goes on."""
    server_id, volume_id = one_host.boot(image=one_host.image()), one_host.volume()
    one_host.attached(server_id, volume_id)
    host = one_host.hosts["a"]
    host.faults.kill("cinder.complete_attachment")
    one_host.migrate(volume_id)
    new_place = set(pipeline.volume_records.HOSTS) - {place(one_host)}
    host.wait_dead()
    host.bury()
    one_host.nova("DELETE", f"/servers/{server_id}")
    host.start()
    one_host.recover()
    assert one_host.server(server_id) is None
    (volume,) = volumes_of(one_host)
    assert volume["migration_status"] == "success"
    assert {volume["os-vol-host-attr:host"]} == new_place
    one_host.check([volume_id])


def place(world: pipeline.World) -> str:
    """The back end of the one volume that no migration has made."""
    (volume,) = (v for v in volumes_of(world) if not str(v["migration_status"]).startswith("tar"))
    return str(volume["os-vol-host-attr:host"])
