"""A failure whose undo fails, too: what is left is undone later, and until then nobody
else is given what may still be in use (PAINS I1, I4; RULES B9)."""

import datetime
import typing

import pytest

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite.db.models import cell
from nova_lite.standalone import volume_files
from nova_lite.virt import naming
from tests.fixtures import pipeline
from tests.fixtures import processes

GONE = exceptions.HypervisorUnavailable(host="a", reason="libvirtd is being restarted")
CINDER_AWAY = exceptions.RemoteServiceError(service="Cinder", reason="it is away")
REFUSED = exceptions.DeviceDetachRefused(device="vdb", attempts=8)


def as_libvirt(host: processes.Host) -> None:
    """The fake's volumes do not let a connection go that a guest uses; a real host's may."""
    volumes = host.driver.volumes

    def disconnect(info: typing.Any, instance_uuid: str) -> None:
        volume_id = naming.connection_id_of(info)
        others = volumes.users(volume_id) - {instance_uuid}
        if others:
            volumes.world.connected[volume_id] = sorted(others)
        else:
            volumes.world.connected.pop(volume_id, None)
        volumes.world.save()

    volumes.disconnect = disconnect


def guests(world: pipeline.World) -> list[str]:
    """Where there are guests, by host."""
    return [name for name, host in world.hosts.items() for _ in host.driver.world.guests]


def shown(world: pipeline.World, server_id: str) -> object:
    server = world.server(server_id)
    assert server is not None
    return server["status"]


def left(world: pipeline.World) -> None:
    """Wait until nobody works, though not everything is over."""
    world.wait(lambda: not any(world.active().values()), "the failure")


def lose_hypervisor(world: pipeline.World, error: Exception = GONE) -> list[str]:
    """The first host to start a guest starts it, and then cannot be asked any more."""
    struck: list[str] = []

    def strike(name: str) -> typing.Any:
        def once(*_args: object, **_kwargs: object) -> None:
            if not struck:
                struck.append(name)
                raise error

        return once

    def away(name: str) -> typing.Any:
        def refuse(*_args: object, **_kwargs: object) -> None:
            if struck == [name]:
                raise GONE

        return refuse

    for name, host in world.hosts.items():
        host.faults.on_call("guests.spawn", strike(name), after=True)
        host.faults.on_call("guests.destroy", away(name))
        host.faults.on_call("disks.remove", away(name))
    return struck


def come_back(world: pipeline.World) -> None:
    for host in world.hosts.values():
        host.faults.clear()


@pytest.mark.parametrize("is_lax", [False, True])
def test_two_guests_never_share_a_volume(world: pipeline.World, is_lax: bool) -> None:
    """Regression: the next host started a guest on the same root volume."""
    if is_lax:
        for host in world.hosts.values():
            as_libvirt(host)
    volume = world.volume()
    struck = lose_hypervisor(world)
    server_id = world.create(pipeline.bootable(volume))
    world.wait(lambda: struck, "the guest to be started")
    left(world)
    for _ in range(2):
        assert guests(world) == struck
        server = world.server(server_id)
        assert server is not None
        assert (server["status"], server["OS-EXT-SRV-ATTR:host"]) == ("BUILD", *struck)
        world.time_passes()
        left(world)
    come_back(world)
    world.recover()
    server = world.settled(server_id)
    assert server["status"] == "ACTIVE", world.journal()
    assert guests(world) == [server["OS-EXT-SRV-ATTR:host"]] != struck
    world.check([volume])


def test_it_can_be_deleted_meanwhile(world: pipeline.World) -> None:
    volume = world.volume()
    struck = lose_hypervisor(world)
    server_id = world.create(pipeline.bootable(volume))
    world.wait(lambda: struck, "the guest to be started")
    left(world)
    world.nova("DELETE", f"/servers/{server_id}")
    left(world)
    assert world.volume_status(volume) != "available"
    come_back(world)
    world.nova("DELETE", f"/servers/{server_id}")
    world.wait(lambda: world.server(server_id) is None, "the delete")
    world.recover()
    assert not guests(world)
    world.check([volume])


def test_a_build_without_hope_ends_when_all_is_undone(world: pipeline.World) -> None:
    """The volume that was made for the server goes with its guest, not before."""
    struck = lose_hypervisor(
        world, exceptions.BuildAborted(instance_uuid="x", reason="the image is broken")
    )
    server_id = world.create(pipeline.new_root(world.image()))
    world.wait(lambda: struck, "the guest to be started")
    left(world)
    assert guests(world) == struck
    come_back(world)
    world.recover()
    server = world.settled(server_id)
    assert server["status"] == "ERROR"
    assert "the image is broken" in server["fault"]["message"]
    world.check()
    world.delete(server_id)
    world.check()


@pytest.mark.parametrize(
    "undo",
    [
        "guests.destroy",
        "disks.remove",
        "volumes.disconnect",
        "cinder.create_attachment",
        "cinder.delete_attachment",
        "conductor.save_block_device",
    ],
)
def test_each_undo_step_of_a_build(world: pipeline.World, undo: str) -> None:
    """Of two failures the second one is in the undo of the first."""
    volume = world.volume()
    struck: list[str] = []

    def spoil(name: str) -> typing.Any:
        def fail(*_args: object, **_kwargs: object) -> None:
            if not struck:
                struck.append(name)
                world.hosts[name].faults.fail(undo, CINDER_AWAY, times=1)
                raise GONE

        return fail

    for name, host in world.hosts.items():
        host.faults.on_call("guests.spawn", spoil(name), after=True)
    server_id = world.create(pipeline.bootable(volume))
    world.wait(lambda: struck, "the guest to be started")
    world.recover()
    assert world.settled(server_id)["status"] == "ACTIVE", world.journal()
    assert len(guests(world)) == 1
    world.check([volume])
    world.delete(server_id)
    world.check([volume])


@pytest.mark.parametrize("is_lax", [False, True])
def test_what_the_guest_keeps_is_not_given_away(one_host: pipeline.World, is_lax: bool) -> None:
    """Regression: a failed attach released the volume while the guest had the disk."""
    host = one_host.hosts["a"]
    if is_lax:
        as_libvirt(host)
    server_id, volume = one_host.boot(image=one_host.image()), one_host.volume()
    host.faults.fail("cinder.complete_attachment", CINDER_AWAY)
    host.faults.fail("volumes.unplug", REFUSED)
    one_host.attach(server_id, volume)
    one_host.wait(lambda: "volumes.unplug" in host.faults.calls, "the undo")
    one_host.wait(one_host.is_quiet, "the end of it")
    assert volume in host.driver.world.guests[server_id].volumes
    assert one_host.volume_status(volume) != "available"
    assert one_host.device(server_id, volume).phase == "unplugging"
    come_back(one_host)
    one_host.detach(server_id, volume)
    one_host.wait(lambda: one_host.volume_status(volume) == "available", "the detach")
    one_host.wait(one_host.is_quiet, "the end of the detach")
    assert one_host.device(server_id, volume) is None
    one_host.check([volume])


def test_a_guest_that_keeps_the_disk_over_a_restart(one_host: pipeline.World) -> None:
    """Recovery does not ask it for ever: its user can."""
    host = one_host.hosts["a"]
    server_id, volume = one_host.boot(image=one_host.image()), one_host.volume()
    host.faults.kill("cinder.complete_attachment")
    one_host.attach(server_id, volume)
    host.wait_dead()
    host.bury()
    host.start()
    host.faults.fail("volumes.unplug", REFUSED)
    one_host.recover()
    assert one_host.device(server_id, volume).phase == "unplugging"
    come_back(one_host)
    one_host.detach(server_id, volume)
    one_host.wait(lambda: one_host.volume_status(volume) == "available", "the detach")
    one_host.wait(one_host.is_quiet, "the end of the detach")
    one_host.check([volume])


def test_a_snapshot_that_cannot_be_discarded_now(one_host: pipeline.World) -> None:
    host = one_host.hosts["a"]
    server_id = one_host.boot(image=one_host.image())
    host.faults.fail("glance.upload", exceptions.RemoteServiceError(service="Glance", reason="no"))
    host.faults.fail("snapshots.discard", GONE)
    one_host.act(server_id, "createImage", {"name": "i"})
    one_host.wait(lambda: "snapshots.discard" in host.faults.calls, "the undo")
    left(one_host)
    come_back(one_host)
    one_host.recover()
    assert one_host.images_of(server_id) == []
    (entry,) = [line for line in one_host.journal() if line[0] == "create_image"]
    assert entry[1] == "error"
    assert "Glance" in entry[5]
    one_host.check()


def test_a_delete_that_waits_for_its_turn(one_host: pipeline.World) -> None:
    """Regression: after four minutes the conductor did it, under the running guest."""
    host = one_host.hosts["a"]
    server_id, volume = one_host.boot(image=one_host.image()), one_host.volume()
    one_host.attached(server_id, volume)
    release = host.faults.hang("power.power_off")
    one_host.act(server_id, "os-stop")
    one_host.wait(lambda: "power.power_off" in host.faults.calls, "the stop")
    one_host.nova("DELETE", f"/servers/{server_id}")
    one_host.wait(lambda: len(one_host.active()["a"]) == 2, "the delete to wait")
    for _ in range(6):
        one_host.time_passes()
    assert one_host.server(server_id) is not None
    assert one_host.volume_status(volume) == "in-use"
    assert volume in host.driver.world.guests[server_id].volumes
    release()
    one_host.wait(lambda: one_host.server(server_id) is None, "the delete")
    one_host.recover()
    assert not guests(one_host)
    one_host.check([volume])


def test_a_delete_does_not_wait_for_a_guest_to_shut_down(one_host: pipeline.World) -> None:
    """I7: an image may give its guest an hour for that."""
    server_id = one_host.boot(image=one_host.image())

    def delete_first(*_args: object, is_wanted: typing.Any, **_kwargs: object) -> None:
        one_host.nova("DELETE", f"/servers/{server_id}")
        one_host.wait(lambda: not is_wanted(), "the shutdown to be unwanted")

    one_host.hosts["a"].faults.on_call("power.power_off", delete_first, times=1)
    one_host.act(server_id, "os-stop")
    one_host.wait(lambda: one_host.server(server_id) is None, "the delete")
    one_host.wait(one_host.is_quiet, "the end")
    one_host.check()


def test_what_waits_says_that_it_has_come(one_host: pipeline.World) -> None:
    """A message whose operation waits for its turn is not taken for lost."""
    host = one_host.hosts["a"]
    server_id, volume = one_host.boot(image=one_host.image()), one_host.volume()
    release = host.faults.hang("volumes.plug")
    one_host.attach(server_id, volume)
    one_host.wait(lambda: "volumes.plug" in host.faults.calls, "the attach")
    other = one_host.volume()
    one_host.attach(server_id, other)
    one_host.wait(lambda: len(one_host.active()["a"]) == 2, "the second attach to wait")
    long_ago = datetime.datetime(2000, 1, 1)
    running = cell.instance_actions.c.status == "running"
    with one_host.database.cell.write() as tx:
        tx.execute(cell.instance_actions.update().where(running).values(heartbeat_at=long_ago))
    silent = running & (cell.instance_actions.c.heartbeat_at == long_ago)

    def nobody_is_silent() -> bool:
        with one_host.database.cell.read() as tx:
            return not tx.execute(cell.instance_actions.select().where(silent)).all()

    one_host.wait(nobody_is_silent, "signs of life")
    one_host.conductor.service.reaper.reap()
    assert [line[3] for line in one_host.journal() if line[0] == "attach_volume"] == [2, 2]
    release()
    one_host.wait(lambda: one_host.volume_status(other) == "in-use", "the second attach")
    one_host.wait(one_host.is_quiet, "the end")
    one_host.check([volume, other])


def test_one_that_breaks_the_reaper_keeps_nobody_waiting(
    one_host: pipeline.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: no lost message of any server was found any more."""
    server_id = one_host.boot(image=one_host.image())
    host, conductor = one_host.hosts["a"], one_host.conductor.service
    timeout = exceptions.RpcTimeout(service="conductor", method="begin_operation")
    host.faults.fail_nth("conductor.begin_operation", timeout)
    host.faults.calls.clear()
    one_host.act(server_id, "os-stop")
    one_host.wait(lambda: "conductor.begin_operation" in host.faults.calls, "the loss")

    broke: list[bool] = []

    def break_down(*_args: object, **_kwargs: object) -> None:
        broke.append(True)
        raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")

    with monkeypatch.context() as broken:
        broken.setattr(conductor.reaper._builder, "_select", break_down)
        other = one_host.create(image=one_host.image())
        one_host.wait(lambda: broke, "the first try")
        one_host.time_passes()
        one_host.wait(lambda: shown(one_host, server_id) == "SHUTOFF", "the stop")
    one_host.recover()
    assert one_host.settled(other)["status"] == "ACTIVE"
    one_host.check()


# What is refused for good is not tried for ever


def test_disks_that_cannot_even_be_removed(world: pipeline.World) -> None:
    """A host whose storage is broken: the next one builds it."""
    broken: list[str] = []

    def fail(name: str) -> typing.Any:
        def at_first_host(*_args: object, **_kwargs: object) -> None:
            if not broken:
                broken.append(name)
            if broken == [name]:
                raise exceptions.HypervisorError(reason="input/output error")

        return at_first_host

    for name, host in world.hosts.items():
        host.faults.on_call("disks.create", fail(name))
        host.faults.on_call("disks.remove", fail(name))
    server_id = world.create(image=world.image())
    assert world.settled(server_id)["status"] == "ACTIVE", world.journal()
    assert guests(world) != broken


@pytest.mark.parametrize("is_away_first", [False, True])
@pytest.mark.parametrize("is_gone", [False, True])
def test_a_reservation_that_vanishes_in_the_middle_of_a_build(
    world: pipeline.World, is_gone: bool, is_away_first: bool
) -> None:
    """Its owner, or an administrator, took it away: the build ends with that reason."""
    volume = world.volume()
    struck: list[str] = []

    def strike(name: str) -> typing.Any:
        def vanish(*_args: object, **_kwargs: object) -> None:
            if struck:
                return
            struck.append(name)
            for attachment in world.cinder("GET", "/attachments/detail")["attachments"]:
                world.cinder("DELETE", f"/attachments/{attachment['id']}")
            if is_gone:
                world.cinder("DELETE", f"/volumes/{volume}")
            if is_away_first:
                world.hosts[name].faults.fail("volumes.disconnect", GONE, times=1)

        return vanish

    for name, host in world.hosts.items():
        host.faults.on_call("cinder.update_attachment", strike(name))
    server_id = world.create(pipeline.bootable(volume))
    world.wait(lambda: struck, "the build to come that far")
    world.recover()
    server = world.settled(server_id)
    assert server["status"] == "ERROR"
    assert "could not be found" in server["fault"]["message"]
    world.delete(server_id)
    world.check([] if is_gone else [volume])


@pytest.mark.parametrize("is_restarted", [False, True])
def test_an_image_that_glance_keeps(one_host: pipeline.World, is_restarted: bool) -> None:
    """Regression: its owner had protected it, and the server kept its task for ever."""
    host = one_host.hosts["a"]
    server_id = one_host.boot(image=one_host.image())

    def protect_and_fail(*_args: object, **_kwargs: object) -> None:
        (image,) = one_host.images_of(server_id)
        one_host.http.patch(
            f"{one_host.image_url}/v2/images/{image['id']}",
            json=[{"op": "replace", "path": "/protected", "value": True}],
            headers={"Content-Type": "application/openstack-images-v2.1-json-patch"},
            timeout=10,
        ).raise_for_status()
        if is_restarted:
            host.faults.dead = True
        raise exceptions.RemoteServiceError(service="Glance", reason="its disk is full")

    host.faults.on_call("glance.upload", protect_and_fail, times=1)
    one_host.act(server_id, "createImage", {"name": "i"})
    if is_restarted:
        host.wait_dead()
        host.restart()
    one_host.recover()
    assert one_host.settled(server_id)["status"] == "ACTIVE"
    (entry,) = [line for line in one_host.journal() if line[0] == "create_image"]
    assert entry[1] == "error"
    one_host.stop(server_id)


def test_a_volume_that_is_being_made_when_its_server_is_deleted(
    one_host: pipeline.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cinder deletes none that it still makes."""
    is_held = [True]
    convert = volume_files.VolumeFiles.convert

    def slow(*args: typing.Any, **kwargs: typing.Any) -> typing.Any:
        concurrency.wait_until(lambda: not is_held[0], pipeline.TIMEOUT_S)
        return convert(*args, **kwargs)

    monkeypatch.setattr(volume_files.VolumeFiles, "convert", slow)
    server_id = one_host.create(pipeline.new_root(one_host.image()))

    def statuses() -> list[str]:
        volumes = one_host.cinder("GET", "/volumes/detail")["volumes"]
        return [volume["status"] for volume in volumes]

    one_host.wait(lambda: statuses() == ["downloading"], "the volume to be made")
    one_host.nova("DELETE", f"/servers/{server_id}")
    is_held[0] = False
    one_host.wait(lambda: one_host.server(server_id) is None, "the delete")
    one_host.recover()
    one_host.check()


def test_a_hypervisor_that_is_away_for_a_moment(one_host: pipeline.World) -> None:
    """The volume of an attach that failed is given back when it is there again."""
    host = one_host.hosts["a"]
    server_id, volume = one_host.boot(image=one_host.image()), one_host.volume()
    host.faults.fail("volumes.plug", GONE)
    host.faults.fail("volumes.unplug", GONE)
    one_host.attach(server_id, volume)
    one_host.wait(lambda: "volumes.unplug" in host.faults.calls, "the undo")
    left(one_host)
    come_back(one_host)
    one_host.recover()
    assert one_host.device(server_id, volume) is None
    one_host.check([volume])


def test_the_password_is_that_of_the_answer(world: pipeline.World) -> None:
    """Also in an attempt that comes after a sweep."""
    volume = world.volume()
    sent: list[object] = []
    struck: list[str] = []

    def spoil(name: str) -> typing.Any:
        def fail(*_args: object, **_kwargs: object) -> None:
            if not struck:
                struck.append(name)
                world.hosts[name].faults.fail("cinder.create_attachment", CINDER_AWAY, times=1)
                raise exceptions.HypervisorError(reason="no")

        return fail

    def remember(*_args: object, admin_password: object = None, **_kwargs: object) -> None:
        sent.append(admin_password)

    world.conductor.faults.on_call("compute.build_and_run_instance", remember)
    for name, host in world.hosts.items():
        host.faults.on_call("guests.spawn", spoil(name))
    server_id = world.create(pipeline.bootable(volume), adminPass="s3cret", config_drive=True)
    world.wait(lambda: struck, "the first attempt")
    world.recover()
    assert world.settled(server_id)["status"] == "ACTIVE"
    assert sent == ["s3cret", "s3cret"]
    for host in world.hosts.values():
        assert not host.service._tasks.admin_passwords
