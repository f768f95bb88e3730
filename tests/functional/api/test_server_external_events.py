"""What other services tell us of servers (RULES B7, extend)."""

import typing

import pytest

from nova_lite.db.models import cell
from tests.functional.api import conftest
from tests.functional.api.test_volume_attachments import attach
from tests.functional.api.test_volume_attachments import complete

PATH = "/os-server-external-events"


@pytest.fixture
def server(api: conftest.Api) -> str:
    api.host()
    return api.server()


def send(api: conftest.Api, *events: dict[str, object], version: str = "2.100") -> typing.Any:
    return api.call("POST", PATH, {"events": list(events)}, version=version)


def extended(server: str, volume: str | None) -> dict[str, object]:
    event: dict[str, object] = {"name": "volume-extended", "server_uuid": server}
    return event if volume is None else event | {"tag": volume}


def test_an_extended_volume_becomes_an_operation(api: conftest.Api, server: str) -> None:
    """Recorded before the host is told; the answer repeats the event with its fate."""
    volume = api.volume()
    attach(api, server, volume)
    complete(api, server, volume)
    result = send(api, extended(server, volume), version="2.51")
    assert result.status_code == 200
    (answer,) = result.json["events"]
    assert answer == extended(server, volume) | {"status": "completed", "code": 200}
    (_, host, instance, operation, device) = api.compute.extend_volume.call_args.args
    assert (host, instance.uuid, device.volume_id) == ("host1", server, volume)
    assert operation.arguments == {"volume_id": volume}
    journal = api.get(f"/servers/{server}/os-instance-actions")["instanceActions"]
    assert "extend_volume" in [entry["action"] for entry in journal]


def test_each_event_has_its_own_fate(api: conftest.Api, server: str) -> None:
    """207: 404 unknown server, 422 no host, 400 no tag; the good one is done."""
    volume = api.volume()
    attach(api, server, volume)
    homeless = api.server(host=None)
    result = send(
        api,
        extended(server, volume),
        extended(conftest.new_uuid(), volume),
        extended(homeless, volume),
        extended(server, None),
        {"name": "network-changed", "server_uuid": server, "status": "in-progress"},
    )
    assert result.status_code == 207
    found = [(event["status"], event["code"]) for event in result.json["events"]]
    assert found == [
        ("completed", 200),
        ("failed", 404),
        ("failed", 422),
        ("failed", 400),
        ("in-progress", 200),
    ]
    api.compute.extend_volume.assert_called_once()


def test_all_events_failed_is_no_error_of_the_request(api: conftest.Api) -> None:
    """Bug 1855752: 207, not 404."""
    result = send(api, extended(conftest.new_uuid(), conftest.new_uuid()))
    assert (result.status_code, result.json["events"][0]["code"]) == (207, 404)


def test_a_volume_that_is_not_there_is_taken_note_of(api: conftest.Api, server: str) -> None:
    before = api.count(cell.instance_actions)
    assert send(api, extended(server, conftest.new_uuid())).status_code == 200
    assert api.count(cell.instance_actions) == before
    api.compute.extend_volume.assert_not_called()


@pytest.mark.parametrize("state", ["stopped", "error", "paused"])
def test_the_servers_state_does_not_matter(api: conftest.Api, server: str, state: str) -> None:
    """Cinder has done it already and will not say so again."""
    volume = api.volume()
    attach(api, server, volume)
    with api.database.cell.write() as tx:
        tx.execute(cell.instances.update().values(vm_state=state, task_state="powering-off"))
    assert send(api, extended(server, volume)).status_code == 200
    api.compute.extend_volume.assert_called_once()


@pytest.mark.parametrize(
    ("name", "since"),
    [
        ("network-changed", 1),
        ("network-vif-plugged", 1),
        ("network-vif-unplugged", 1),
        ("network-vif-deleted", 1),
        ("volume-extended", 51),
        ("power-update", 76),
        ("accelerator-request-bound", 82),
        ("volume-reimaged", 93),
    ],
)
def test_names_by_version(api: conftest.Api, server: str, name: str, since: int) -> None:
    event = {"name": name, "server_uuid": server, "tag": "t"}
    assert send(api, event, version=f"2.{since}").status_code == 200
    if since > 1:
        assert send(api, event, version=f"2.{since - 1}").status_code == 400


@pytest.mark.parametrize(
    "event",
    [
        {"name": "network-changed"},
        {"name": "network-changed", "server_uuid": "x"},
        {"name": "network-changed", "server_uuid": conftest.new_uuid(), "status": "done"},
        {"name": "network-changed", "server_uuid": conftest.new_uuid(), "more": 1},
        {"name": "flood", "server_uuid": conftest.new_uuid()},
    ],
)
def test_malformed_events(api: conftest.Api, event: dict[str, object]) -> None:
    assert send(api, event).status_code == 400
    assert api.call("POST", PATH, {"events": []}).status_code == 400


@pytest.mark.parametrize(("roles", "status"), [("member,reader", 403), ("service", 200)])
def test_only_services_and_administrators_may(
    api: conftest.Api, server: str, roles: str, status: int
) -> None:
    headers = {"X-Roles": roles, "X-Project-Id": "service"}
    event = {"name": "network-changed", "server_uuid": server}
    result = api.call("POST", PATH, {"events": [event]}, headers=headers)
    assert result.status_code == status
