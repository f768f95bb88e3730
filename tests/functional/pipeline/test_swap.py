"""Cinder moves a volume that a server has (RULES B7, swap)."""

import typing

import pytest

from nova_lite import exceptions
from tests.fixtures import pipeline

REFUSAL = exceptions.HypervisorError(reason="a test wants it")
FAILURE = exceptions.RemoteServiceError(service="Cinder", reason="it is away")


@pytest.fixture(name="server")
def fixture_server(one_host: pipeline.World) -> str:
    return one_host.boot(image=one_host.image())


@pytest.fixture(name="volume")
def fixture_volume(one_host: pipeline.World, server: str) -> str:
    volume_id = one_host.volume()
    one_host.attached(server, volume_id)
    return volume_id


def shown(world: pipeline.World, volume_id: str) -> typing.Any:
    return world.cinder("GET", f"/volumes/{volume_id}")["volume"]


def test_the_guest_moves_and_the_volume_keeps_its_id(
    one_host: pipeline.World, server: str, volume: str
) -> None:
    before = one_host.device(server, volume)
    one_host.migrate(volume)
    one_host.wait(one_host.is_quiet, "the swap")
    after = one_host.device(server, volume)
    assert after.attachment_id != before.attachment_id
    assert (after.uuid, after.device_name) == (before.uuid, before.device_name)
    now = shown(one_host, volume)
    assert (now["status"], now["migration_status"]) == ("in-use", "success")
    assert now["os-vol-host-attr:host"] == "standalone@second#second"
    guest = one_host.hosts["a"].driver.world.guests[server]
    assert guest.backed_by[volume] != volume
    one_host.check([volume])
    assert one_host.audit().is_clean


def test_it_can_move_back_and_be_detached(
    one_host: pipeline.World, server: str, volume: str
) -> None:
    for _ in range(2):
        one_host.migrate(volume)
        one_host.wait(one_host.is_quiet, "the swap")
        one_host.check([volume])
    one_host.detach(server, volume)
    one_host.wait(lambda: one_host.volume_status(volume) == "available", "the detach")
    one_host.wait(one_host.is_quiet, "the end of it")
    one_host.check([volume])


def test_the_journal_names_every_step(one_host: pipeline.World, server: str, volume: str) -> None:
    one_host.migrate(volume)
    one_host.wait(one_host.is_quiet, "the swap")
    actions = one_host.nova("GET", f"/servers/{server}/os-instance-actions")["instanceActions"]
    request_id = next(a["request_id"] for a in actions if a["action"] == "swap_volume")
    action = one_host.nova("GET", f"/servers/{server}/os-instance-actions/{request_id}")
    events = [(e["event"], e["result"]) for e in action["instanceAction"]["events"]]
    assert events == [
        (name, "Success")
        for name in (
            "connect_volume",
            "copy",
            "complete_attachment",
            "release_volume",
            "complete_migration",
        )
    ]


@pytest.mark.parametrize("call", ["volumes.connect", "volumes.swap", "cinder.update_attachment"])
def test_a_failure_before_the_turn_leads_back(
    one_host: pipeline.World, server: str, volume: str, call: str
) -> None:
    """The guest keeps the old disk, the volume is in-use, and Cinder ends its move."""
    before = one_host.device(server, volume)
    one_host.hosts["a"].faults.fail(call, REFUSAL)
    one_host.migrate(volume)
    one_host.wait(one_host.is_quiet, "the end of it")
    one_host.hosts["a"].faults.clear()
    after = one_host.device(server, volume)
    assert (after.attachment_id, after.connection_info) == (
        before.attachment_id,
        before.connection_info,
    )
    now = shown(one_host, volume)
    assert (now["status"], now["migration_status"]) == ("in-use", "error")
    one_host.check([volume])


def test_a_lost_answer_of_the_copy_is_no_failure(
    one_host: pipeline.World, server: str, volume: str
) -> None:
    """What counts is where the guest's disk is."""
    one_host.hosts["a"].faults.fail("volumes.swap", REFUSAL, times=1, after=True)
    one_host.migrate(volume)
    one_host.wait(one_host.is_quiet, "the swap")
    assert shown(one_host, volume)["migration_status"] == "success"
    one_host.check([volume])


def test_a_failure_after_the_turn_is_said_and_the_server_can_be_deleted(
    one_host: pipeline.World, server: str, volume: str
) -> None:
    """There is no way back: what the guest uses is what is recorded."""
    refusal = exceptions.InvalidVolume(reason="it has another status")
    one_host.hosts["a"].faults.fail("cinder.complete_migration", refusal)
    one_host.migrate(volume)
    one_host.wait(one_host.is_quiet, "the end of it")
    one_host.hosts["a"].faults.clear()
    entry = one_host.journal()[-1]
    assert (entry[0], entry[1]) == ("swap_volume", "error")
    one_host.delete(server)
    one_host.wait(one_host.is_quiet, "the delete")
    assert one_host.nova("GET", "/servers/detail")["servers"] == []
    attachments = one_host.cinder("GET", "/attachments/detail?all_tenants=1")["attachments"]
    assert attachments == []
    assert one_host.hosts["a"].driver.world.connected == {}


AFTER_THE_TURN = ["complete_attachment", "delete_attachment", "complete_migration"]


def strand(world: pipeline.World, volume: str, call: str) -> None:
    """Have Cinder go away at ``call``, for longer than a host waits for it."""
    faults = world.hosts["a"].faults
    faults.calls.clear()
    faults.fail(f"cinder.{call}", FAILURE)
    world.migrate(volume)
    world.wait(lambda: f"cinder.{call}" in faults.calls, "the turn")
    world.wait(lambda: not world.active()["a"], "the host to leave it")
    faults.clear()


@pytest.mark.parametrize("call", AFTER_THE_TURN)
def test_cinder_hears_of_the_turn_however_long_it_was_away(
    one_host: pipeline.World, server: str, volume: str, call: str
) -> None:
    """Regression: the host gave up after 3 seconds, and what the guest wrote from then on
    was on a volume that nobody knew."""
    strand(one_host, volume, call)
    refused = one_host.request(
        "DELETE", f"{one_host.api_url}/v2.1/servers/{server}/os-volume_attachments/{volume}"
    )
    assert refused.status_code == 409, refused.text
    one_host.recover()
    assert shown(one_host, volume)["migration_status"] == "success"
    one_host.check([volume])


@pytest.mark.parametrize("call", AFTER_THE_TURN)
def test_a_delete_ends_what_cinder_has_not_heard_of(
    one_host: pipeline.World, server: str, volume: str, call: str
) -> None:
    strand(one_host, volume, call)
    one_host.delete(server)
    one_host.recover()
    assert shown(one_host, volume)["migration_status"] == "success"
    one_host.check([volume])


def test_the_new_volume_is_not_given_back_while_it_is_copied_to(
    one_host: pipeline.World, server: str, volume: str
) -> None:
    """Regression: the hypervisor could not be asked to end the copy, and Cinder was
    given the volume that it went to."""
    faults = one_host.hosts["a"].faults
    faults.fail("volumes.swap", REFUSAL, times=1)
    faults.fail("volumes.abandon_swap", REFUSAL)
    one_host.migrate(volume)
    one_host.wait(lambda: "volumes.abandon_swap" in faults.calls, "the undo")
    one_host.wait(lambda: not one_host.active()["a"], "the host to leave it")
    assert "cinder.delete_attachment" not in faults.calls
    assert shown(one_host, volume)["migration_status"] not in ("success", "error")
    faults.clear()
    one_host.recover()
    assert shown(one_host, volume)["migration_status"] == "error"
    one_host.check([volume])


NOT_THIS = exceptions.RemoteConflict(service="Cinder", reason="the attachment is in use")


@pytest.mark.parametrize("swap", [None, REFUSAL], ids=["after", "before"])
def test_what_cinder_refuses_for_good_ends_the_swap(
    one_host: pipeline.World, server: str, volume: str, swap: Exception | None
) -> None:
    """After the turn or before it: the volume can be detached, and nothing is left."""
    faults = one_host.hosts["a"].faults
    if swap is not None:
        faults.fail("volumes.swap", swap)
    faults.fail("cinder.delete_attachment", NOT_THIS)
    one_host.migrate(volume)
    one_host.recover()
    (entry,) = [line for line in one_host.journal() if line[0] == "swap_volume"]
    assert entry[1] == "error"
    faults.clear()
    one_host.delete(server)
    one_host.recover()
    attachments = one_host.cinder("GET", "/attachments/detail?all_tenants=1")["attachments"]
    assert attachments == []


def test_a_delete_does_not_wait_for_the_copy(
    one_host: pipeline.World, server: str, volume: str
) -> None:
    """I7: a copy may take hours; it is given up when the server goes."""
    host = one_host.hosts["a"]

    def delete_first(*_args: object, is_wanted: typing.Any, **_kwargs: object) -> None:
        one_host.nova("DELETE", f"/servers/{server}")
        one_host.wait(lambda: not is_wanted(), "the copy to be unwanted")

    host.faults.on_call("volumes.swap", delete_first, times=1)
    one_host.migrate(volume)
    one_host.wait(lambda: one_host.server(server) is None, "the delete")
    one_host.recover()
    one_host.check([volume])


def test_a_swap_that_no_host_takes_is_taken_back(
    one_host: pipeline.World, server: str, volume: str
) -> None:
    host = one_host.hosts["a"]
    host.bury()
    one_host.migrate(volume)
    one_host.declare_down("a")
    one_host.time_passes()
    entry = one_host.journal()[-1]
    assert (entry[0], entry[1]) == ("swap_volume", "error")
    host.start()
    one_host.declare_up("a")
    one_host.check([volume])


@pytest.mark.parametrize("undo_fails", [False, True])
def test_a_reservation_without_an_answer_is_found_and_released(
    one_host: pipeline.World, server: str, volume: str, undo_fails: bool
) -> None:
    """If Cinder is away for longer, by the reaper."""
    one_host.cinder_fault("attachments.create", "die_after_doing")
    if undo_fails:
        one_host.cinder_fault("attachments.detail", "fail")
    one_host.migrate(volume)
    if undo_fails:
        one_host.wait(lambda: _has_target(one_host), "the reservation")
        one_host.recover()
    one_host.wait(one_host.is_quiet, "the end of it")
    now = shown(one_host, volume)
    assert (now["status"], now["migration_status"]) == ("in-use", "error")
    one_host.check([volume])


def _has_target(world: pipeline.World) -> bool:
    found = world.cinder("GET", "/attachments?all_tenants=1")["attachments"]
    return any(attachment["status"] == "reserved" for attachment in found)


def test_a_detach_during_a_swap_is_refused_and_one_after_it_works(
    one_host: pipeline.World, server: str, volume: str
) -> None:
    """While Cinder migrates, its begin_detaching keeps nobody away: we do."""
    host = one_host.hosts["a"]
    release = host.faults.hang("volumes.swap", times=1)
    one_host.migrate(volume)
    one_host.wait(lambda: "volumes.swap" in host.faults.calls, "the copy")
    path = f"/servers/{server}/os-volume_attachments/{volume}"
    answer = one_host.request("DELETE", f"{one_host.api_url}/v2.1{path}")
    assert answer.status_code == 409
    release()
    one_host.wait(one_host.is_quiet, "the swap")
    one_host.detach(server, volume)
    one_host.wait(lambda: one_host.volume_status(volume) == "available", "the detach")
    one_host.check([volume])
