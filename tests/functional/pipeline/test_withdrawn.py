"""Servers that are only asked for, and withdrawn: by their user or by the reaper, while
their volumes are being reserved and after that. No reservation is left (I3, I10)."""

import collections.abc
import datetime
import pathlib
import typing

import pytest
import requests

from nova_lite import exceptions
from nova_lite.conductor import reaper
from nova_lite.volume import cinder
from tests.fixtures import pipeline

Hook = collections.abc.Callable[[int], object]


@pytest.fixture
def world(tmp_path: pathlib.Path) -> collections.abc.Iterator[pipeline.World]:
    """One host, and a Cinder whose patience ends with the first refusal."""
    with pipeline.World(tmp_path, ["a"], cinder__attachment_attempts=1) as world:
        yield world


@pytest.fixture
def old_world(tmp_path: pathlib.Path) -> collections.abc.Iterator[pipeline.World]:
    """One host, beside a Cinder that knows no attachments."""
    with pipeline.World(tmp_path, ["a"], standalone__volume_max_microversion="3.43") as world:
        yield world


def post(world: pipeline.World, *volume_ids: str, **fields: object) -> requests.Response:
    rows = [
        pipeline.bootable(volume_id, boot_index=index, **fields)
        for index, volume_id in enumerate(volume_ids)
    ]
    server = {"name": "s", "flavorRef": "1", "networks": "none", "block_device_mapping_v2": rows}
    return world.request("POST", f"{world.api_url}/v2.1/servers", {"server": server})


def only_asked_for(world: pipeline.World, *volume_ids: str, **fields: object) -> str:
    """A server that no conductor hears of."""
    world.conductor.bury()
    answer = post(world, *volume_ids, **fields)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["server"]["id"])


def at_reservations(monkeypatch: pytest.MonkeyPatch, *, before: Hook, after: Hook) -> None:
    """Call the hooks around each reservation, with its number."""
    real = cinder.CinderClient.create_attachment
    numbers: list[int] = []

    def reserve(*args: typing.Any) -> typing.Any:
        numbers.append(len(numbers) + 1)
        number = numbers[-1]
        before(number)
        made = real(*args)
        after(number)
        return made

    monkeypatch.setattr(cinder.CinderClient, "create_attachment", reserve)


def nothing(_number: int) -> None:
    pass


def delete_the_only_one(world: pipeline.World) -> None:
    (server_id,) = world.nova_ids()
    world.nova("DELETE", f"/servers/{server_id}")


@pytest.mark.parametrize("reserved", [False, True])
def test_a_delete_while_its_volume_is_reserved(
    world: pipeline.World, monkeypatch: pytest.MonkeyPatch, reserved: bool
) -> None:
    volume_id = world.volume()

    def delete(_number: int) -> None:
        delete_the_only_one(world)

    hooks: dict[str, Hook] = {"before": nothing, "after": nothing}
    at_reservations(monkeypatch, **hooks | {"after" if reserved else "before": delete})
    answer = post(world, volume_id)
    assert (answer.status_code, "withdrawn" in answer.text) == (409, True)
    assert world.nova_ids() == set()
    world.check([volume_id])


def test_a_slow_reservation_that_the_reaper_took_for_dead(
    world: pipeline.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes second gives up what it holds."""
    volume_ids = [world.volume() for _ in range(3)]

    def reap(number: int) -> None:
        if number == 2:
            world.time_passes()

    at_reservations(monkeypatch, before=reap, after=nothing)
    assert post(world, *volume_ids).status_code == 409
    assert world.nova_ids() == set()
    world.check(volume_ids)


def test_a_withdrawal_that_cinder_hinders_is_the_reapers(world: pipeline.World) -> None:
    """The server is there until its volumes are free, however often it is deleted."""
    volume_ids = [world.volume(), world.volume()]
    server_id = only_asked_for(world, *volume_ids)
    world.cinder_fault("attachments.delete", "fail")
    for _ in range(2):
        world.nova("DELETE", f"/servers/{server_id}")
    assert [world.volume_status(v) for v in volume_ids] == ["reserved", "available"]
    assert world.nova_ids() == {server_id}
    world.conductor.start()
    world.recover()
    assert world.nova_ids() == set()
    world.check(volume_ids)


def test_a_volume_that_cannot_be_deleted_keeps_no_server(world: pipeline.World) -> None:
    """It is free, and somebody's snapshots may be of it."""
    volume_id = world.volume()
    snapshot = {"snapshot": {"volume_id": volume_id}}
    world.cinder("POST", "/snapshots", snapshot)
    server_id = only_asked_for(world, volume_id, delete_on_termination=True)
    world.nova("DELETE", f"/servers/{server_id}")
    assert world.nova_ids() == set()
    assert world.volume_status(volume_id) == "available"


def test_a_volume_that_goes_with_its_server_goes(world: pipeline.World) -> None:
    volume_id = world.volume()
    server_id = only_asked_for(world, volume_id, delete_on_termination=True)
    world.nova("DELETE", f"/servers/{server_id}")
    assert world.nova_ids() == set()
    assert world.volume_status(volume_id) is None


def test_a_reservation_that_cannot_be_undone_is_the_reapers(world: pipeline.World) -> None:
    """Nobody was promised the server; what it holds is not forgotten with it."""
    volume_id = world.volume()
    world.cinder_fault("attachments.create", "die_after_doing")
    world.cinder_fault("attachments.detail", "fail")
    assert post(world, volume_id, delete_on_termination=True).status_code == 503
    assert world.volume_status(volume_id) == "reserved"
    world.recover()
    assert world.nova_ids() == set()
    world.check([volume_id])


def test_the_reaper_releases_nothing_of_others(
    world: pipeline.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a Cinder lists that passes the filter over."""
    others_id, volume_id = world.volume(), world.volume()
    world.attached(world.boot(image=world.image()), others_id)
    world.cinder_fault("attachments.create", "die_after_doing")
    world.cinder_fault("attachments.detail", "fail")
    assert post(world, volume_id).status_code == 503
    client = world.conductor.service.reaper._cinder
    monkeypatch.setattr(
        client, "list_attachments", lambda ctxt, _uuid: client.list_all_attachments(ctxt)
    )
    world.recover()
    assert world.volume_status(others_id) == "in-use"
    world.check([others_id, volume_id])


@pytest.mark.parametrize("hindered", [False, True])
def test_a_withdrawal_without_attachments(old_world: pipeline.World, hindered: bool) -> None:
    """S195: the phase says that the volume is held."""
    volume_id = old_world.volume()
    server_id = only_asked_for(old_world, volume_id)
    assert old_world.volume_status(volume_id) == "attaching"
    if hindered:
        old_world.cinder_fault("volumes.os-unreserve", "fail")
    old_world.nova("DELETE", f"/servers/{server_id}")
    if hindered:
        old_world.conductor.start()
        old_world.recover()
    assert old_world.volume_status(volume_id) == "available"
    assert old_world.nova_ids() == set()


def test_a_reservation_without_attachments_that_cannot_be_undone(
    old_world: pipeline.World,
) -> None:
    volume_id = old_world.volume()
    old_world.cinder_fault("volumes.os-reserve", "die_after_doing")
    old_world.cinder_fault("volumes.os-unreserve", "fail")
    assert post(old_world, volume_id).status_code == 503
    assert old_world.volume_status(volume_id) == "attaching"
    old_world.recover()
    old_world.check([volume_id])


def test_a_server_that_cinder_does_not_let_go(
    world: pipeline.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried for an hour; then its user is rid of it, and the log says what is left."""
    server_id = only_asked_for(world, world.volume())

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise exceptions.Forbidden("the policy does not allow it")

    monkeypatch.setattr(cinder.CinderClient, "delete_attachment", refuse)
    world.nova("DELETE", f"/servers/{server_id}")
    world.conductor.start()
    world.time_passes()
    assert world.server(server_id) is not None
    monkeypatch.setattr(reaper, "PATIENCE_WITH_WITHDRAWN", datetime.timedelta(0))
    world.time_passes()
    assert world.server(server_id) is None
