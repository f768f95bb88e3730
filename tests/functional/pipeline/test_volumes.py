"""Attach and detach when Cinder or the host fails for longer than a moment."""

import pytest

from nova_lite import exceptions
from tests.fixtures import pipeline

FAILURE = exceptions.RemoteServiceError(service="Cinder", reason="it is away")


def attached(world: pipeline.World, server_id: str, volume_id: str) -> None:
    world.attach(server_id, volume_id)
    world.wait(lambda: world.volume_status(volume_id) == "in-use", "the volume to be in-use")
    world.wait(world.is_quiet, "the end of it")


def test_a_detached_volume_is_never_deleted(one_host: pipeline.World) -> None:
    """delete_on_termination is about the server's end, not the attachment's."""
    server_id, volume_id = one_host.boot(image=one_host.image()), one_host.volume()
    body = {"volumeAttachment": {"volumeId": volume_id, "delete_on_termination": True}}
    one_host.nova("POST", f"/servers/{server_id}/os-volume_attachments", body)
    one_host.wait(lambda: one_host.volume_status(volume_id) == "in-use", "the attach")
    one_host.wait(one_host.is_quiet, "the end of it")
    one_host.detach(server_id, volume_id)
    one_host.wait(lambda: one_host.volume_status(volume_id) == "available", "the detach")
    one_host.check([volume_id])


def test_a_detach_that_cinder_does_not_let_end_can_be_repeated(one_host: pipeline.World) -> None:
    server_id, volume_id = one_host.boot(image=one_host.image()), one_host.volume()
    attached(one_host, server_id, volume_id)
    faults = one_host.hosts["a"].faults
    faults.fail("cinder.delete_attachment", FAILURE)
    one_host.detach(server_id, volume_id)
    one_host.wait(
        lambda: faults.calls.count("cinder.delete_attachment") == 3 and one_host.is_quiet(),
        "three tries",
    )
    assert one_host.volume_status(volume_id) == "detaching"
    faults.clear()
    one_host.detach(server_id, volume_id)
    one_host.wait(lambda: one_host.volume_status(volume_id) == "available", "the detach")
    one_host.check([volume_id])


@pytest.mark.parametrize("undo_fails", [False, True])
def test_a_detach_that_begins_without_an_answer_can_be_repeated(
    one_host: pipeline.World, undo_fails: bool
) -> None:
    """The volume is in-use again: at once, or when the reaper has seen to it."""
    server_id, volume_id = one_host.boot(image=one_host.image()), one_host.volume()
    attached(one_host, server_id, volume_id)
    one_host.cinder_fault("volumes.os-begin_detaching", "die_after_doing")
    if undo_fails:
        one_host.cinder_fault("volumes.os-roll_detaching", "fail")
    path = f"/servers/{server_id}/os-volume_attachments/{volume_id}"
    answer = one_host.request("DELETE", f"{one_host.api_url}/v2.1{path}")
    assert answer.status_code == 503
    if undo_fails:
        assert one_host.volume_status(volume_id) == "detaching"
        one_host.recover()
    assert one_host.volume_status(volume_id) == "in-use"
    one_host.check([volume_id])
    one_host.detach(server_id, volume_id)
    one_host.wait(lambda: one_host.volume_status(volume_id) == "available", "the detach")
    one_host.check([volume_id])


def test_a_guest_that_does_not_let_go_keeps_its_disk(one_host: pipeline.World) -> None:
    """D4, S216: the action says so, the volume stays in-use, its row stays, and one
    may try again; the row goes with the volume."""
    server_id, volume_id = one_host.boot(image=one_host.image()), one_host.volume()
    attached(one_host, server_id, volume_id)
    refusal = exceptions.DeviceDetachRefused(device="vdb", attempts=8)
    one_host.hosts["a"].faults.fail("volumes.unplug", refusal, times=1)
    one_host.detach(server_id, volume_id)
    one_host.wait(lambda: one_host.volume_status(volume_id) == "in-use", "the volume to stay")
    one_host.wait(one_host.is_quiet, "the end of it")
    one_host.check([volume_id])
    assert "did not release vdb" in str(one_host.journal())
    assert one_host.device(server_id, volume_id).phase == "complete"
    one_host.detach(server_id, volume_id)
    one_host.wait(lambda: one_host.volume_status(volume_id) == "available", "the detach")
    one_host.check([volume_id])


def fail_attach(world: pipeline.World, refusal: Exception) -> tuple[str, str]:
    """An attach that fails, and whose undo meets with ``refusal``; server and volume."""
    server_id, volume_id = world.boot(image=world.image()), world.volume()
    faults = world.hosts["a"].faults
    faults.fail("volumes.plug", exceptions.HypervisorError(reason="no"))
    faults.fail("cinder.delete_attachment", refusal)
    world.attach(server_id, volume_id)
    world.wait(lambda: "cinder.delete_attachment" in faults.calls, "the undo")
    world.wait(lambda: not any(world.active().values()), "the end of it")
    path = f"/servers/{server_id}/os-volume_attachments"
    assert len(world.nova("GET", path)["volumeAttachments"]) == 1
    faults.clear()
    return server_id, volume_id


def test_an_attach_that_cinder_does_not_undo_stays_visible(one_host: pipeline.World) -> None:
    """D1: and its user can detach the volume."""
    refusal = exceptions.RemoteConflict(service="Cinder", reason="a test wants it")
    server_id, volume_id = fail_attach(one_host, refusal)
    one_host.wait(one_host.is_quiet, "the end of it")
    one_host.detach(server_id, volume_id)
    one_host.wait(lambda: one_host.volume_status(volume_id) == "available", "the detach")
    one_host.check([volume_id])


def test_an_attach_that_cannot_be_undone_now_is_undone_later(one_host: pipeline.World) -> None:
    """Its user need not do anything when Cinder is back."""
    server_id, volume_id = fail_attach(one_host, FAILURE)
    one_host.recover()
    assert one_host.device(server_id, volume_id) is None
    assert one_host.volume_status(volume_id) == "available"
    one_host.check([volume_id])


def test_a_server_is_deleted_during_an_attach(one_host: pipeline.World) -> None:
    """S158: the delete waits for the host's lock; the attach ends, and all goes."""
    server_id, volume_id = one_host.boot(image=one_host.image()), one_host.volume()
    one_host.hosts["a"].faults.on_call(
        "volumes.plug",
        lambda *_a, **_k: one_host.nova("DELETE", f"/servers/{server_id}"),
        times=1,
    )
    one_host.attach(server_id, volume_id)
    one_host.wait(lambda: one_host.server(server_id) is None, "the delete")
    one_host.recover()
    one_host.check([volume_id])


def test_a_delete_that_cinder_hinders_ends_and_says_what_is_left(
    one_host: pipeline.World,
) -> None:
    """I7, I10: a delete always ends."""
    volume_id = one_host.volume()
    server_id = one_host.boot(pipeline.bootable(volume_id))
    one_host.hosts["a"].faults.fail("cinder.delete_attachment", FAILURE)
    one_host.delete(server_id)
    one_host.wait(one_host.is_quiet, "the end of it")
    assert f"Left behind: volume {volume_id}" in str(one_host.journal())


def test_volumes_of_a_stopped_server(one_host: pipeline.World) -> None:
    """S206: they come and go, and the server starts with what it has then."""
    server_id, kept, gone = one_host.boot(image=one_host.image()), *_two(one_host)
    one_host.stop(server_id)
    for volume_id in (kept, gone):
        attached(one_host, server_id, volume_id)
    one_host.detach(server_id, gone)
    one_host.wait(lambda: one_host.volume_status(gone) == "available", "the detach")
    one_host.act(server_id, "os-start")
    one_host.wait(lambda: one_host.settled(server_id)["status"] == "ACTIVE", "the start")
    one_host.check([kept, gone])


def test_a_start_that_was_asked_for_during_a_detach(one_host: pipeline.World) -> None:
    """The start waits for its turn, and by then the volume is nobody's, or another's."""
    server_id, volume_id = one_host.boot(image=one_host.image()), one_host.volume()
    one_host.stop(server_id)
    attached(one_host, server_id, volume_id)
    one_host.hosts["a"].faults.on_call(
        "conductor.finish_operation",
        lambda *_a, **_k: one_host.act(server_id, "os-start"),
        times=1,
    )
    one_host.detach(server_id, volume_id)
    one_host.wait(lambda: one_host.settled(server_id)["status"] == "ACTIVE", "the start")
    one_host.check([volume_id])


def _two(world: pipeline.World) -> tuple[str, str]:
    return world.volume(), world.volume()
