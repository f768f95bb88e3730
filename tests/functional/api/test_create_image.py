"""``createImage``, as far as the API goes."""

import typing

import falcon.testing
import pytest

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.volume import records
from tests.functional.api import conftest
from tests.functional.api import test_policy_matrix


def ask(
    api: conftest.Api, server_id: str, *, version: str = "2.100", **fields: object
) -> falcon.testing.Result:
    headers = typing.cast(typing.Any, fields.pop("headers", None))
    body = {"createImage": {"name": "backup", **fields}}
    return api.call("POST", f"/servers/{server_id}/action", body, version=version, headers=headers)


def made(api: conftest.Api) -> objects.ImageMeta:
    """The image that Glance was asked for."""
    image: objects.ImageMeta = api.glance.create_image.call_args.args[1]
    return image


def from_volume(api: conftest.Api, **fields: object) -> str:
    device = {
        "uuid": api.volume(), "source_type": "volume", "destination_type": "volume",
        "boot_index": 0,
    }  # fmt: skip
    result = api.create(block_device_mapping_v2=[device])
    server_id = str(result.json["server"]["id"])
    api.build(server_id, **fields)
    return server_id


def task_state(api: conftest.Api, server_id: str) -> object:
    return api.get(f"/servers/{server_id}")["server"]["OS-EXT-STS:task_state"]


def test_an_image_of_a_local_disk(api: conftest.Api) -> None:
    """S2, RULES B8: recorded, made in Glance, given to the host."""
    api.host()
    image_ref = api.image(min_ram_mib=64, properties={"hw_disk_bus": "scsi", "bittorrent": "x"})
    server_id = api.asked_for(imageRef=image_ref)
    api.build(server_id)
    result = ask(api, server_id, metadata={"purpose": "test"})
    assert result.status_code == 202
    image = made(api)
    assert result.json == {"image_id": image.id}
    assert (image.name, image.owner, image.min_disk_gib, image.min_ram_mib) == (
        "backup", None, 10, 64,
    )  # fmt: skip
    properties = image.properties
    assert "bittorrent" not in properties
    assert properties | {
        "image_type": "snapshot", "instance_uuid": server_id, "base_image_ref": image_ref,
        "hw_disk_bus": "scsi", "purpose": "test",
    } == properties  # fmt: skip
    (_, host, instance, operation, _devices) = api.compute.create_image.call_args.args
    assert (host, instance.uuid, operation.action) == ("host1", server_id, "create_image")
    assert operation.arguments["image_id"] == image.id
    assert task_state(api, server_id) == "image_snapshot_pending"
    actions = api.get(f"/servers/{server_id}/os-instance-actions")["instanceActions"]
    assert [action["action"] for action in actions] == ["createImage"]


def test_an_image_of_volumes(api: conftest.Api) -> None:
    """S28, RULES B8: no task state, only an action."""
    api.host()
    server_id = from_volume(api)
    assert ask(api, server_id).status_code == 202
    (_, _, _, operation, devices) = api.compute.create_image.call_args.args
    assert operation.action == "snapshot_volumes"
    assert [device.is_root for device in devices] == [True]
    assert task_state(api, server_id) is None
    actions = api.get(f"/servers/{server_id}/os-instance-actions")["instanceActions"]
    assert [action["action"] for action in actions] == ["createImage"]


@pytest.mark.parametrize("version", ["2.1", "2.44"])
def test_older_clients_read_the_address(api: conftest.Api, version: str) -> None:
    """API C2: the body comes with 2.45."""
    api.host()
    result = ask(api, api.server(), version=version)
    assert result.status_code == 202
    assert result.text == ""
    assert result.headers["Location"] == f"http://g/images/{made(api).id}"


def test_a_second_one_waits_its_turn(api: conftest.Api) -> None:
    api.host()
    server_id = api.server()
    assert ask(api, server_id).status_code == 202
    assert ask(api, server_id).status_code == 409
    assert api.glance.create_image.call_count == 1


@pytest.mark.parametrize("state", ["active", "stopped", "paused", "suspended"])
def test_states_that_allow_it(api: conftest.Api, state: str) -> None:
    api.host()
    assert ask(api, api.server(vm_state=state)).status_code == 202


@pytest.mark.parametrize(
    "fields",
    [
        {"vm_state": "error"},
        {"vm_state": "rescued"},
        {"vm_state": "building"},
        {"task_state": "deleting"},
        {"host": None},
    ],
)
def test_states_that_do_not(api: conftest.Api, fields: dict[str, object]) -> None:
    api.host()
    assert ask(api, api.server(**fields)).status_code == 409
    api.glance.create_image.assert_not_called()


def test_a_host_that_is_down(api: conftest.Api) -> None:
    api.host()
    server_id = api.server()
    api.silence("host1")
    assert ask(api, server_id).status_code == 409
    api.glance.create_image.assert_not_called()


def test_who_may(api: conftest.Api) -> None:
    """A lock is no hindrance: the server does not change."""
    api.host()
    server_id = api.server(locked=True)
    assert ask(api, server_id, headers=test_policy_matrix.READER).status_code == 403
    assert ask(api, server_id, headers=test_policy_matrix.STRANGER).status_code == 404
    assert ask(api, server_id, headers=test_policy_matrix.MEMBER).status_code == 202


def test_an_administrator_makes_it_for_the_servers_owner(api: conftest.Api) -> None:
    api.host()
    project = api.get(f"/servers/{(server_id := api.server())}")["server"]["tenant_id"]
    headers = {"X-Project-Id": "ops", "X-User-Id": "root", "X-Roles": "admin,member,reader"}
    assert ask(api, server_id, headers=headers).status_code == 202
    assert made(api).owner == project


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "x" * 256},
        {"name": " "},
        {"metadata": {"a": 1}},
        {"metadata": {"status": "active"}},
        {"metadata": {"os_glance_import": "x"}},
        {"rotation": 1},
    ],
)
def test_bodies_that_are_refused(api: conftest.Api, fields: dict[str, object]) -> None:
    api.host()
    server_id = api.server()
    result = ask(api, server_id, **fields)
    assert result.status_code == 400, result.text
    assert task_state(api, server_id) is None


def test_quotas(api: conftest.Api) -> None:
    """RULES B7: of snapshots, before anything is made; of metadata until 2.38."""
    api.host()
    api.cinder.snapshot_quota.return_value = records.SnapshotQuota(limit=3, used=3)
    server_id = from_volume(api)
    result = ask(api, server_id)
    assert (result.status_code, "snapshots" in result.text) == (403, True)
    many = {f"k{number}": "v" for number in range(129)}
    assert ask(api, api.server(), version="2.38", metadata=many).status_code == 403
    assert ask(api, api.server(), version="2.39", metadata=many).status_code == 202
    assert api.glance.create_image.call_count == 1


@pytest.mark.parametrize(
    ("error", "status", "deletes"),
    [
        (exceptions.QuotaExceeded("too many images"), 403, 0),
        (exceptions.Forbidden("no"), 403, 0),
        (exceptions.InvalidInput("bad"), 400, 0),
        (exceptions.RemoteServiceError(service="Glance", reason="away"), 503, 1),
    ],
)
def test_glance_refuses(api: conftest.Api, error: Exception, status: int, deletes: int) -> None:
    """Nothing is left: the server is at rest, and the action says why."""
    api.host()
    api.glance.create_image.side_effect = error
    server_id = api.server()
    assert ask(api, server_id).status_code == status
    assert api.glance.delete_image.call_count == deletes
    api.compute.create_image.assert_not_called()
    assert task_state(api, server_id) is None
    (action,) = api.get(f"/servers/{server_id}/os-instance-actions")["instanceActions"]
    assert action["message"]


def test_the_server_is_deleted_meanwhile(api: conftest.Api) -> None:
    api.host()
    server_id = api.server()

    def delete(*_args: object) -> None:
        assert api.call("DELETE", f"/servers/{server_id}").status_code == 204

    api.glance.create_image.side_effect = delete
    assert ask(api, server_id).status_code == 409
    assert api.glance.delete_image.call_count == 1
    api.compute.create_image.assert_not_called()


def test_an_image_that_insists_on_frozen_file_systems(api: conftest.Api) -> None:
    api.host()
    image_ref = api.image(properties={"os_require_quiesce": "yes"})
    running, stopped = (api.asked_for(imageRef=image_ref) for _ in range(2))
    api.build(running)
    api.build(stopped, vm_state="stopped")
    result = ask(api, running)
    assert (result.status_code, "stop it first" in result.text) == (409, True)
    assert ask(api, stopped).status_code == 202


def test_glance_refuses_and_the_server_is_deleted(api: conftest.Api) -> None:
    api.host()
    server_id = api.server()

    def delete(*_args: object) -> None:
        assert api.call("DELETE", f"/servers/{server_id}").status_code == 204
        raise exceptions.QuotaExceeded("too many images")

    api.glance.create_image.side_effect = delete
    assert ask(api, server_id).status_code == 403
