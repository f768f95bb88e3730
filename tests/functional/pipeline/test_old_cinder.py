"""A Cinder that knows no attachments: the legacy flow, from the API to the host (S195)."""

import collections.abc
import pathlib

import pytest

from nova_lite import exceptions
from tests.fixtures import pipeline


@pytest.fixture
def old_world(tmp_path: pathlib.Path) -> collections.abc.Iterator[pipeline.World]:
    """One host, beside a Cinder of microversion 3.43."""
    world = pipeline.World(tmp_path, ["a"], standalone__volume_max_microversion="3.43")
    with world:
        yield world


def in_use(world: pipeline.World, volume_id: str) -> None:
    world.wait(lambda: world.volume_status(volume_id) == "in-use", "the volume to be in-use")
    world.wait(world.is_quiet, "the end of it")


def test_attach_and_detach(old_world: pipeline.World) -> None:
    """S195, S214: reserve, initialize, attach; begin, terminate, detach; the
    server's row says no attachment, and nothing is left."""
    server_id, volume_id = old_world.boot(image=old_world.image()), old_world.volume()
    old_world.attach(server_id, volume_id)
    in_use(old_world, volume_id)
    device = old_world.device(server_id, volume_id)
    assert (device.attachment_id, device.phase) == (None, "complete")
    assert volume_id in old_world.hosts["a"].driver.world.guests[server_id].volumes
    old_world.detach(server_id, volume_id)
    old_world.wait(lambda: old_world.volume_status(volume_id) == "available", "the detach")
    old_world.check([volume_id])


def test_boot_from_a_volume(old_world: pipeline.World) -> None:
    """S30 without attachments; the volume is free again after the delete."""
    volume_id = old_world.volume()
    server_id = old_world.boot(pipeline.bootable(volume_id))
    assert old_world.volume_status(volume_id) == "in-use"
    old_world.delete(server_id)
    old_world.wait(lambda: old_world.volume_status(volume_id) == "available", "the delete")
    old_world.check([volume_id])


@pytest.mark.parametrize("call", ["volumes.connect", "volumes.plug"])
def test_an_attach_that_fails_leaves_the_volume_free(old_world: pipeline.World, call: str) -> None:
    """S202, S205."""
    server_id, volume_id = old_world.boot(image=old_world.image()), old_world.volume()
    failure = exceptions.HypervisorError(reason="planned")
    old_world.hosts["a"].faults.fail(call, failure, times=1)
    old_world.attach(server_id, volume_id)
    old_world.wait(old_world.is_quiet, "the end of it")
    old_world.wait(lambda: old_world.volume_status(volume_id) == "available", "the undo")
    old_world.check([volume_id])


def test_a_volume_in_use_is_refused(old_world: pipeline.World) -> None:
    """And the server's row of it goes, too."""
    first, second = (old_world.boot(image=old_world.image()) for _ in range(2))
    volume_id = old_world.volume()
    old_world.attach(first, volume_id)
    in_use(old_world, volume_id)
    body = {"volumeAttachment": {"volumeId": volume_id}}
    url = f"{old_world.api_url}/v2.1/servers/{second}/os-volume_attachments"
    answer = old_world.request("POST", url, body)
    assert answer.status_code == 400
    assert old_world.device(second, volume_id) is None
    old_world.detach(first, volume_id)
    old_world.wait(lambda: old_world.volume_status(volume_id) == "available", "the detach")
    old_world.check([volume_id])


@pytest.mark.parametrize("action", ["fail", "die_after_doing"])
@pytest.mark.parametrize("call", ["os-reserve", "os-initialize_connection", "os-attach"])
def test_a_call_of_cinder_that_fails_leaves_the_volume_free(
    old_world: pipeline.World, call: str, action: str
) -> None:
    """S205; if only the answer is lost, too."""
    server_id, volume_id = old_world.boot(image=old_world.image()), old_world.volume()
    old_world.cinder_fault(f"volumes.{call}", action)
    url = f"{old_world.api_url}/v2.1/servers/{server_id}/os-volume_attachments"
    answer = old_world.request("POST", url, {"volumeAttachment": {"volumeId": volume_id}})
    assert answer.ok == (call != "os-reserve")
    old_world.wait(old_world.is_quiet, "the end of it")
    old_world.wait(lambda: old_world.volume_status(volume_id) == "available", "the undo")
    old_world.check([volume_id])
