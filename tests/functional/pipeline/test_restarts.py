"""Restarts at moments of their own."""

import contextlib

import pytest
import requests

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite.compute import writeahead
from tests.fixtures import pipeline


def test_a_conductor_does_not_inherit_its_own_first_messages(one_host: pipeline.World) -> None:
    """A request that waits in the queue when a conductor starts is claimed under
    the name that its predecessor's work has too."""
    volume_id = one_host.volume()
    one_host.conductor.bury()
    server_id = one_host.create(pipeline.bootable(volume_id))
    one_host.conductor.start()
    assert one_host.settled(server_id)["status"] == "ACTIVE"
    one_host.wait(one_host.is_quiet, "the end of it")
    asked = list(one_host.conductor.faults.calls).count("scheduler.select_destinations")
    assert asked <= 1
    one_host.check([volume_id])


def test_a_restart_tries_again_on_the_same_host_only_so_often(one_host: pipeline.World) -> None:
    """Law 5: a build that kills its host each time ends in ERROR."""
    host = one_host.hosts["a"]
    host.faults.kill("guests.spawn")
    server_id = one_host.create(image=one_host.image())
    for _ in range(3):
        host.wait_dead()
        host.bury()
        original = host.make

        def make_deadly(original=original):  # type: ignore[no-untyped-def]
            service = original()
            host.faults.kill("guests.spawn")
            return service

        host.make = make_deadly  # type: ignore[method-assign]
        host.start()
        host.make = original  # type: ignore[method-assign]
        if concurrency.wait_until(
            lambda: one_host.server(server_id)["status"] == "ERROR",
            1,
            0.05,  # type: ignore[index]
        ):
            break
    if host.faults.dead:
        host.restart()
    one_host.recover()
    server = one_host.settled(server_id)
    assert server["status"] == "ERROR"
    assert "restarted each time" in server["fault"]["message"]
    one_host.check()
    one_host.delete(server_id)
    one_host.check()


def test_what_was_handed_on_is_not_discarded(one_host: pipeline.World) -> None:
    """The process dies after it asked for another try and before it forgot the
    last one: the volume is the next try's."""
    host = one_host.hosts["a"]
    host.faults.kill("guests.spawn")
    server_id = one_host.create(pipeline.new_root(one_host.image()))
    host.wait_dead()
    host.bury()
    log = writeahead.WriteAheadLog(f"{host.conf.state_path}/operations")
    (left,) = log.load(set())
    assert left.entry is not None
    kept = left.entry.path.read_bytes()
    left.entry.close()
    host.start()
    one_host.recover()
    assert one_host.settled(server_id)["status"] == "ACTIVE"
    server = one_host.server(server_id)
    assert server is not None
    (volume,) = server["os-extended-volumes:volumes_attached"]
    # The old file comes back, as if it had never been removed.
    left.entry.path.write_bytes(kept)
    host.bury()
    host.start()
    one_host.recover()
    assert one_host.volume_status(volume["id"]) == "in-use"
    one_host.check([volume["id"]])


@pytest.mark.parametrize("begun", [True, False])
def test_a_build_whose_host_stays_away(one_host: pipeline.World, begun: bool) -> None:
    """Which host it was is for administrators."""
    host = one_host.hosts["a"]
    if begun:
        host.faults.kill("guests.spawn")
        server_id = one_host.create(image=one_host.image())
        host.wait_dead()
        host.bury()
    else:
        # It is not known to be down yet, and takes no messages any more.
        host.bury()
        server_id = one_host.create(image=one_host.image())
        one_host.wait(lambda: one_host.server(server_id)["OS-EXT-SRV-ATTR:host"], "a host")  # type: ignore[index]
    one_host.declare_down("a")
    one_host.time_passes()
    fault = one_host.settled(server_id)["fault"]
    assert "the server's host does not answer" in fault["message"]
    assert "host a does not answer" in fault["details"]
    assert "host a" not in str(one_host.server(server_id, admin=False))
    assert "host a" not in str(one_host.journal())
    one_host.delete(server_id)
    host.start()
    one_host.declare_up("a")
    one_host.recover()
    one_host.check()


def test_nobody_is_there_for_a_while(one_host: pipeline.World) -> None:
    """Conductor and host both die in a boot from volume, and come back in any order."""
    volume_id = one_host.volume()
    host, conductor = one_host.hosts["a"], one_host.conductor
    host.faults.kill("guests.spawn", after=True)
    with contextlib.suppress(requests.RequestException):
        server_id = one_host.create(pipeline.bootable(volume_id))
    host.wait_dead()
    conductor.bury()
    host.bury()
    conductor.start()
    host.start()
    one_host.recover()
    assert one_host.settled(server_id)["status"] == "ACTIVE"
    one_host.check([volume_id])


def test_a_stop_that_reached_nobody_is_sent_again_or_given_up(one_host: pipeline.World) -> None:
    """The message is lost; or the host stays away, and the server is what it was."""
    server_id = one_host.boot(image=one_host.image())
    host = one_host.hosts["a"]
    host.faults.fail_nth(
        "conductor.begin_operation",
        exceptions.RpcTimeout(service="conductor", method="begin_operation"),
    )
    one_host.act(server_id, "os-stop")
    one_host.recover()
    assert one_host.settled(server_id)["status"] == "SHUTOFF"
    host.bury()
    one_host.act(server_id, "os-start")
    one_host.declare_down("a")
    one_host.time_passes()
    assert one_host.settled(server_id)["status"] == "SHUTOFF"
    assert "the server's host does not answer" in str(one_host.journal())
    host.start()
    one_host.declare_up("a")
    one_host.recover()
    one_host.check()


def test_a_copy_of_a_host_does_not_start(world: pipeline.World) -> None:
    """Its disk was cloned with the file that says who it is."""
    original, copy = world.hosts["a"], world.hosts["b"]
    copy.bury()
    identity = (world.path / "a" / "compute_id").read_text()
    own = (world.path / "b" / "compute_id").read_text()
    (world.path / "b" / "compute_id").write_text(identity)
    with pytest.raises(exceptions.Conflict, match=r"identity of host a.*compute_id"):
        copy.start()
    (world.path / "b" / "compute_id").write_text(own)
    copy.start()
    assert original.service.driver.host.node_uuid() == identity.strip()
