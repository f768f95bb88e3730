"""Attach and detach, as the API does them."""

import dataclasses
import typing

import pytest

from nova_lite import exceptions
from nova_lite.db.models import cell
from nova_lite.db.queries import block_devices
from nova_lite.db.queries import operations
from nova_lite.volume import records
from tests.functional.api import conftest

LOST = exceptions.RemoteServiceError(service="Cinder", reason="timed out", status=504)


def attach(
    api: conftest.Api, server: str, volume: str, version: str = "2.100", **more: object
) -> typing.Any:
    body = {"volumeAttachment": {"volumeId": volume, "device": None} | more}
    path = f"/servers/{server}/os-volume_attachments"
    return api.call("POST", path, body, version=version)


def complete(api: conftest.Api, server: str, volume: str) -> None:
    """The host has attached it."""
    with api.database.cell.write() as tx:
        device = block_devices.get_by_volume(tx, server, volume)
        assert device is not None
        device.phase = "complete"
        block_devices.save(tx, [device])


@pytest.fixture
def server(api: conftest.Api) -> str:
    api.host()
    return api.server()


def test_attach(api: conftest.Api, server: str) -> None:
    """PAINS D1, D2: recorded and reserved, named without asking the host, handed over."""
    volume = api.volume()
    result = attach(api, server, volume)
    assert result.status_code == 200, result.text
    attachment = result.json["volumeAttachment"]
    assert attachment["device"] == "/dev/vdb"
    assert set(attachment) == {
        "id", "serverId", "volumeId", "device", "tag", "delete_on_termination",
    }  # fmt: skip
    (_, host, _, operation, device) = api.compute.attach_volume.call_args.args
    assert (host, operation.owner, operation.step) == ("host1", "host1", operations.STEP_CAST)
    assert operation.arguments == {"volume_id": volume}
    assert api.attachments[device.attachment_id] == volume
    assert attach(api, server, api.volume()).json["volumeAttachment"]["device"] == "/dev/vdc"


def test_views_by_version(api: conftest.Api, server: str) -> None:
    volume = api.volume()
    attach(api, server, volume, tag="t")
    path = f"/servers/{server}/os-volume_attachments"
    base = {"id", "serverId", "volumeId", "device"}
    for version, keys in (
        ("2.1", base),
        ("2.70", base | {"tag"}),
        ("2.79", base | {"tag", "delete_on_termination"}),
        (
            "2.89",
            base - {"id"} | {"tag", "delete_on_termination", "attachment_id", "bdm_uuid"},
        ),
    ):
        (item,) = api.get(path, version=version)["volumeAttachments"]
        one = api.get(f"{path}/{volume}", version=version)["volumeAttachment"]
        assert set(item) == set(one) == keys


@pytest.mark.parametrize("device", ["vdb", "/dev/nvme0n1", "/dev/v db"])
def test_bad_device_names(api: conftest.Api, server: str, device: str) -> None:
    """RULES B5."""
    assert attach(api, server, api.volume(), device=device).status_code == 400


def test_same_volume_twice(api: conftest.Api, server: str) -> None:
    """PAINS D3, D20."""
    volume = api.volume()
    assert attach(api, server, volume).status_code == 200
    again = attach(api, server, volume)
    assert (again.status_code, "already attached" in again.text) == (400, True)
    elsewhere = attach(api, api.server(), volume)
    assert (elsewhere.status_code, "already attached" in elsewhere.text) == (400, True)
    assert api.compute.attach_volume.call_count == 1


def test_failed_reservation_leaves_nothing(api: conftest.Api, server: str) -> None:
    result = attach(api, server, api.volume(status="error"))
    assert result.status_code == 400
    assert api.get(f"/servers/{server}/os-volume_attachments")["volumeAttachments"] == []
    api.compute.attach_volume.assert_not_called()
    (entry,) = api.get(f"/servers/{server}/os-instance-actions")["instanceActions"]
    assert "error" in entry["message"]


def test_refusals(api: conftest.Api, server: str) -> None:
    assert attach(api, server, conftest.new_uuid()).status_code == 404
    multi = api.volume(multiattach=True)
    assert attach(api, server, multi, version="2.59").status_code == 400
    building = api.asked_for()
    assert attach(api, building, api.volume()).status_code == 409
    api.silence("host1")
    assert attach(api, server, api.volume()).status_code == 409


def test_deleted_meanwhile(api: conftest.Api, server: str) -> None:
    """A delete during the reservation wins, and the volume is released."""
    volume = api.volume()
    real = api.cinder.create_attachment.side_effect

    def delete_first(*args: typing.Any) -> typing.Any:
        api.call("DELETE", f"/servers/{server}")
        return real(*args)

    api.cinder.create_attachment.side_effect = delete_first
    assert attach(api, server, volume).status_code == 409
    assert api.volumes[volume].status == "available"
    api.compute.attach_volume.assert_not_called()


def test_row_without_attachment_is_hidden_from_2_89(api: conftest.Api, server: str) -> None:
    """B14-5."""
    volume = api.volume()
    path = f"/servers/{server}/os-volume_attachments"
    seen: list[tuple[int, int]] = []
    real = api.cinder.create_attachment.side_effect

    def look(*args: typing.Any) -> typing.Any:
        rows = api.get(path, version="2.89")["volumeAttachments"]
        seen.append((len(rows), api.call("GET", f"{path}/{volume}").status_code))
        return real(*args)

    api.cinder.create_attachment.side_effect = look
    attach(api, server, volume)
    assert seen == [(0, 404)]


def test_detach(api: conftest.Api, server: str) -> None:
    volume = api.volume()
    attach(api, server, volume)
    path = f"/servers/{server}/os-volume_attachments/{volume}"
    assert api.call("DELETE", path).status_code == 409  # still being attached
    complete(api, server, volume)
    assert api.call("DELETE", path).status_code == 202
    api.cinder.begin_detaching.assert_called_once()
    (_, host, _, operation, device) = api.compute.detach_volume.call_args.args
    assert (host, operation.action, device.volume_id) == ("host1", "detach_volume", volume)
    # terraform repeats the DELETE until the volume is gone.
    assert api.call("DELETE", path).status_code == 202
    api.compute.detach_volume.assert_called_once()
    assert api.call("DELETE", f"{path[:-36]}{conftest.new_uuid()}").status_code == 404


class Detach:
    """A server's volume, and Cinder's own rule of who may begin to detach it."""

    def __init__(self, api: conftest.Api, server: str) -> None:
        self.api, self.server = api, server
        self.volume = api.volume()
        attach(api, server, self.volume)
        complete(api, server, self.volume)
        self._change("in-use")
        self.path = f"/servers/{server}/os-volume_attachments/{self.volume}"
        api.cinder.begin_detaching.side_effect = self.begin
        api.cinder.roll_detaching.side_effect = self.roll

    @property
    def status(self) -> str:
        return self.api.volumes[self.volume].status

    def begin(self, *_args: object) -> None:
        if self.status != "in-use":
            raise exceptions.InvalidVolume(reason="Volume status must be 'in-use'")
        self._change("detaching")

    def roll(self, *_args: object) -> None:
        if self.status == "detaching":
            self._change("in-use")

    def delete(self) -> int:
        return self.api.call("DELETE", self.path).status_code

    def journal(self) -> list[typing.Any]:
        """The entries of detaches, newest first."""
        with self.api.database.cell.read() as tx:
            found = operations.list_for_instance(tx, self.server)
        return [operation for operation in found if operation.action == "detach_volume"]

    def _change(self, status: str) -> None:
        volume = self.api.volumes[self.volume]
        self.api.volumes[self.volume] = dataclasses.replace(volume, status=status)


@pytest.fixture
def detach(api: conftest.Api, server: str) -> Detach:
    return Detach(api, server)


def test_two_detaches_at_once(api: conftest.Api, detach: Detach) -> None:
    """Of which Cinder accepts one: the one that is later is a repeat, and harmless."""
    answers: list[int] = []

    def other_meanwhile(*_args: object) -> None:
        detach.begin()
        answers.append(detach.delete())

    api.cinder.begin_detaching.side_effect = other_meanwhile
    assert (detach.delete(), answers) == (202, [202])
    api.compute.detach_volume.assert_called_once()
    api.cinder.roll_detaching.assert_not_called()


def test_two_detaches_that_both_saw_none(
    api: conftest.Api, detach: Detach, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that is recorded first does it."""
    real = operations.at_volume
    answers: list[int] = []

    def too_early(*args: typing.Any) -> set[str]:
        monkeypatch.setattr(operations, "at_volume", real)
        found = real(*args)
        answers.append(detach.delete())
        return found

    monkeypatch.setattr(operations, "at_volume", too_early)
    assert (detach.delete(), answers) == (202, [202])
    api.compute.detach_volume.assert_called_once()
    api.cinder.begin_detaching.assert_called_once()


def test_a_detach_is_recorded_before_cinder_is_asked(api: conftest.Api, detach: Detach) -> None:
    """Law 2: if the API dies there, the reaper knows what to take back."""
    recorded: list[tuple[str, str]] = []

    def look(*_args: object) -> None:
        recorded.extend((entry.owner, entry.step) for entry in detach.journal())

    api.cinder.begin_detaching.side_effect = look
    assert detach.delete() == 202
    assert recorded == [("api", operations.STEP_RESERVE)]
    (entry,) = detach.journal()
    assert (entry.owner, entry.step) == ("host1", operations.STEP_CAST)


def test_a_detach_that_begins_without_an_answer_is_taken_back(
    api: conftest.Api, detach: Detach
) -> None:
    """Else the volume would be detaching for ever."""

    def lose_the_answer(*_args: object) -> None:
        detach.begin()
        raise LOST

    api.cinder.begin_detaching.side_effect = lose_the_answer
    assert detach.delete() == 503
    assert detach.status == "in-use"
    (entry,) = detach.journal()
    assert (entry.status, entry.message) == ("error", LOST.message)
    api.cinder.begin_detaching.side_effect = detach.begin
    assert detach.delete() == 202
    api.compute.detach_volume.assert_called_once()


def test_a_detach_that_cannot_be_taken_back_is_the_reapers(
    api: conftest.Api, detach: Detach
) -> None:
    api.cinder.begin_detaching.side_effect = api.cinder.roll_detaching.side_effect = LOST
    assert detach.delete() == 503
    (entry,) = detach.journal()
    assert (entry.status, entry.owner) == ("running", "api")


def test_a_server_that_is_deleted_while_a_detach_begins(api: conftest.Api, detach: Detach) -> None:
    def delete_meanwhile(*_args: object) -> None:
        detach.begin()
        api.call("DELETE", f"/servers/{detach.server}")

    api.cinder.begin_detaching.side_effect = delete_meanwhile
    assert detach.delete() == 409
    assert detach.status == "in-use"
    api.compute.detach_volume.assert_not_called()


GONE = [
    exceptions.VolumeNotFound(volume_id="it"),
    exceptions.InvalidVolume(reason="Volume status must be 'in-use'"),
]


@pytest.mark.parametrize("refusal", GONE)
def test_a_detach_of_what_cinder_does_not_have(
    api: conftest.Api, detach: Detach, refusal: exceptions.NovaLiteError
) -> None:
    """The user asks to clean up: the host takes the disk out of the guest."""
    api.cinder.begin_detaching.side_effect = refusal
    if isinstance(refusal, exceptions.VolumeNotFound):
        del api.volumes[detach.volume]
    else:
        api.attachments.clear()
    assert detach.delete() == 202
    api.compute.detach_volume.assert_called_once()


@pytest.mark.parametrize("refusal", GONE)
def test_a_detach_of_what_cinder_only_hides_or_keeps(
    api: conftest.Api, detach: Detach, refusal: exceptions.NovaLiteError
) -> None:
    """Such as a volume that its user does not see, or that somebody else detaches."""
    api.cinder.begin_detaching.side_effect = refusal
    assert detach.delete() == refusal.http_status
    for error in (LOST, exceptions.Forbidden("no")):
        api.cinder.get_attachment.side_effect = error
        assert detach.delete() == refusal.http_status
    api.compute.detach_volume.assert_not_called()
    api.cinder.roll_detaching.assert_not_called()


def test_a_detach_without_attachments_of_what_cinder_does_not_have(
    api: conftest.Api, detach: Detach
) -> None:
    """The legacy way: the volume names the servers that have it."""
    with api.database.cell.write() as tx:
        tx.execute(cell.block_device_mapping.update().values(attachment_id=None))
    api.cinder.begin_detaching.side_effect = GONE[1]
    volume = api.volumes[detach.volume]
    use = records.VolumeUse("a", detach.server, "/dev/vdb")
    api.volumes[volume.id] = dataclasses.replace(volume, attachments=(use,))
    assert detach.delete() == 400
    api.volumes[volume.id] = volume
    assert detach.delete() == 202


def test_detach_refusals(api: conftest.Api) -> None:
    api.host()
    volume = api.volume()
    row = {"uuid": volume, "source_type": "volume", "destination_type": "volume"}
    result = api.create(imageRef="", block_device_mapping_v2=[row | {"boot_index": 0}])
    server = result.json["server"]["id"]
    api.build(server)
    root = api.call("DELETE", f"/servers/{server}/os-volume_attachments/{volume}")
    assert (root.status_code, "root" in root.text) == (400, True)
    data = api.volume()
    attach(api, server, data)
    complete(api, server, data)
    path = f"/servers/{server}/os-volume_attachments/{data}"
    api.cinder.begin_detaching.side_effect = exceptions.InvalidVolume(reason="migrating")
    assert api.call("DELETE", path).status_code == 400
    api.compute.detach_volume.assert_not_called()
    api.cinder.roll_detaching.assert_not_called()
    entry = api.get(f"/servers/{server}/os-instance-actions")["instanceActions"][0]
    assert (entry["action"], "migrating" in entry["message"]) == ("detach_volume", True)
    api.silence("host1")
    assert api.call("DELETE", path).status_code == 409


def test_update(api: conftest.Api, server: str) -> None:
    volume = api.volume()
    attach(api, server, volume)
    path = f"/servers/{server}/os-volume_attachments/{volume}"
    body = {"volumeAttachment": {"volumeId": volume, "delete_on_termination": True}}
    assert api.call("PUT", path, body, version="2.84").status_code == 400
    assert api.call("PUT", path, body).status_code == 202
    assert api.get(path)["volumeAttachment"]["delete_on_termination"] is True
    body["volumeAttachment"]["device"] = "/dev/vdz"
    assert api.call("PUT", path, body).status_code == 400
    swap = {"volumeAttachment": {"volumeId": api.volume()}}
    assert api.call("PUT", path, swap, version="2.1").status_code == 409


def test_limit_of_disks(make_api: typing.Any) -> None:
    api = make_api(api__max_disk_devices_to_attach=1)
    api.host()
    server = api.server()
    assert attach(api, server, api.volume()).status_code == 403
    assert api.count(cell.block_device_mapping) == 1


class Swap:
    """A server's volume that Cinder is moving to another."""

    def __init__(self, api: conftest.Api, server: str) -> None:
        self.api, self.server = api, server
        self.old = api.volume()
        attach(api, server, self.old)
        complete(api, server, self.old)
        with api.database.cell.write() as tx:
            tx.execute(cell.instance_actions.update().values(status="success"))
        use = records.VolumeUse("a", server, "/dev/vdb")
        self.change(self.old, status="in-use", attachments=(use,), migration_status="migrating")
        self.new = api.volume(migration_status=f"target:{self.old}")

    def change(self, volume: str, **fields: object) -> None:
        self.api.volumes[volume] = dataclasses.replace(self.api.volumes[volume], **fields)

    def put(self, version: str = "2.1", **headers: str) -> typing.Any:
        path = f"/servers/{self.server}/os-volume_attachments/{self.old}"
        body = {"volumeAttachment": {"volumeId": self.new}}
        return self.api.call("PUT", path, body, version=version, headers=headers)

    def assert_nothing_done(self) -> None:
        self.api.compute.swap_volume.assert_not_called()
        assert self.api.volumes[self.new].status == "available"


@pytest.fixture
def swap(api: conftest.Api, server: str) -> Swap:
    return Swap(api, server)


@pytest.mark.parametrize("version", ["2.1", "2.85", "2.100"])
def test_swap(api: conftest.Api, swap: Swap, version: str) -> None:
    """Cinder's call while it migrates a volume: recorded, reserved, handed over."""
    assert swap.put(version).status_code == 202
    (_, host, _, operation, device) = api.compute.swap_volume.call_args.args
    assert (host, operation.action, device.volume_id) == ("host1", "swap_volume", swap.old)
    assert operation.arguments["new_volume_id"] == swap.new
    assert api.attachments[operation.arguments["new_attachment_id"]] == swap.new
    api.cinder.begin_detaching.assert_called_once()
    assert swap.put().status_code == 409  # one is under way
    detach = f"/servers/{swap.server}/os-volume_attachments/{swap.old}"
    assert api.call("DELETE", detach).status_code == 409


@pytest.mark.parametrize(
    ("which", "fields", "status"),
    [
        ("old", {"migration_status": None}, 409),
        ("old", {"migration_status": "success"}, 409),
        ("old", {"migration_status": "error"}, 409),
        ("new", {"migration_status": None}, 409),
        ("new", {"migration_status": f"target:{conftest.new_uuid()}"}, 409),
        ("new", {"size_gib": 1}, 400),
        ("new", {"attachments": (records.VolumeUse("b", conftest.new_uuid(), "/dev/vdb"),)}, 400),
        ("old", {"attachments": (records.VolumeUse("b", conftest.new_uuid(), "/dev/vdb"),)}, 400),
    ],
)
def test_swaps_that_are_refused(
    swap: Swap, which: str, fields: dict[str, object], status: int
) -> None:
    """LP 2112187: only Cinder, only while it migrates, only to the volume it migrates to."""
    swap.change(getattr(swap, which), **fields)
    assert swap.put().status_code == status
    swap.assert_nothing_done()
    swap.api.cinder.begin_detaching.assert_not_called()


def test_a_volume_with_two_writers_is_not_swapped(swap: Swap) -> None:
    uses = tuple(records.VolumeUse(n, s, None) for n, s in (("a", swap.server), ("b", "other")))
    swap.change(swap.old, multiattach=True, attachments=uses)
    modes = {"a": "rw", "b": "rw"}
    swap.api.cinder.get_attachment.side_effect = lambda _ctxt, key: records.Attachment(
        key, swap.old, None, "attached", None, modes[key]
    )
    assert swap.put().status_code == 400
    swap.assert_nothing_done()
    modes["b"] = "ro"
    assert swap.put().status_code == 202


def test_a_swap_that_cinder_refuses_leaves_nothing(api: conftest.Api, swap: Swap) -> None:
    swap.change(swap.new, status="error")
    assert swap.put().status_code == 400
    api.cinder.roll_detaching.assert_called_once()
    api.compute.swap_volume.assert_not_called()
    journal = api.get(f"/servers/{swap.server}/os-instance-actions")["instanceActions"]
    entry = next(entry for entry in journal if entry["action"] == "swap_volume")
    assert "error" in entry["message"]


def test_a_swap_whose_undo_fails_is_the_reapers(
    api: conftest.Api, swap: Swap, server: str
) -> None:
    """An entry that is closed is nobody's any more."""
    api.cinder.create_attachment.side_effect = LOST
    api.cinder.list_attachments.side_effect = LOST
    assert swap.put().status_code == 503
    api.cinder.roll_detaching.assert_called_once()
    with api.database.cell.read() as tx:
        (entry,) = operations.list_running(tx, server)
    assert (entry.action, entry.owner) == ("swap_volume", "api")


def test_a_swap_that_begins_without_an_answer_is_taken_back(api: conftest.Api, swap: Swap) -> None:
    api.cinder.begin_detaching.side_effect = LOST
    assert swap.put().status_code == 503
    api.cinder.roll_detaching.assert_called_once()
    swap.assert_nothing_done()
    api.cinder.begin_detaching.side_effect = None
    assert swap.put().status_code == 202


def test_swap_needs_a_host_a_state_and_a_role(api: conftest.Api, swap: Swap) -> None:
    assert swap.put(**{"X-Roles": "member,reader"}).status_code == 403
    stranger = {"X-Roles": "service", "X-Project-Id": "service"}
    api.silence("host1")
    assert swap.put(**stranger).status_code == 409
    api.host()
    with api.database.cell.write() as tx:
        tx.execute(cell.instances.update().values(vm_state="stopped"))
    assert swap.put(**stranger).status_code == 409
    with api.database.cell.write() as tx:
        tx.execute(cell.instances.update().values(vm_state="paused"))
    assert swap.put(**stranger).status_code == 202


def test_swap_to_a_volume_that_is_not_there(swap: Swap) -> None:
    """400: it is named in the body."""
    del swap.api.volumes[swap.new]
    assert swap.put().status_code == 400


def test_zones(make_api: typing.Any) -> None:
    """S192: with cross_az_attach off a volume of another zone is refused."""
    api = make_api(cinder__cross_az_attach=False)
    api.host()
    server = api.server()
    result = attach(api, server, api.volume(availability_zone="elsewhere"))
    assert (result.status_code, "availability zone" in result.text) == (400, True)
    assert attach(api, server, api.volume()).status_code == 200
