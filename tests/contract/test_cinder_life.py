"""What we rely on in Cinder. The same scenarios run against a real one when
``NOVA_LITE_TEST_REALCLOUD`` names the work directory of a cloud that is up."""

import os
import typing
import uuid

import pytest
import requests

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite.volume import creation
from nova_lite.volume import snapshots
from tests.fixtures import embedded
from tests.fixtures import neighbours

CONNECTOR = {"host": "h1", "ip": "127.0.0.1", "multipath": False, "do_local_attach": True}
TIMEOUT_S = 120
"""A real Cinder on a busy machine takes its time."""
PATIENCE = creation.Patience(timeout_s=TIMEOUT_S, timeout_per_gib_s=5)


@pytest.fixture(scope="module", name="service", params=neighbours.KINDS)
def fixture_service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> typing.Iterator[embedded.Services]:
    with neighbours.neighbours(request.param, str(tmp_path_factory.mktemp("cinder"))) as service:
        yield service


def volume_of(service: embedded.Services, size_gib: int = 1, **fields: typing.Any) -> str:
    volume = service.cinder.create_volume(
        service.ctxt, size_gib, name="contract", description="", **fields
    )
    creation.wait_until_available(service.ctxt, service.cinder, volume, patience=PATIENCE)
    return volume.id


def status_of(service: embedded.Services, volume_id: str) -> str:
    return service.cinder.get_volume(service.ctxt, volume_id).status


def gone(service: embedded.Services, volume_id: str) -> bool:
    try:
        service.cinder.get_volume(service.ctxt, volume_id)
    except exceptions.VolumeNotFound:
        return True
    return False


def test_a_blank_volume_lives_and_dies(service: embedded.Services) -> None:
    volume_id = volume_of(service)
    volume = service.cinder.get_volume(service.ctxt, volume_id)
    assert volume.size_gib == 1
    assert volume.name == "contract"
    assert not volume.bootable
    assert not volume.encrypted
    assert volume.attachments == ()
    assert volume.availability_zone
    service.cinder.delete_volume(service.ctxt, volume_id)
    assert concurrency.wait_until(lambda: gone(service, volume_id), TIMEOUT_S)


def test_what_is_not_there_is_named(service: embedded.Services) -> None:
    missing = str(uuid.uuid4())
    cinder, ctxt = service.cinder, service.ctxt
    with pytest.raises(exceptions.VolumeNotFound, match=missing):
        cinder.get_volume(ctxt, missing)
    with pytest.raises(exceptions.SnapshotNotFound, match=missing):
        cinder.get_snapshot(ctxt, missing)
    with pytest.raises(exceptions.AttachmentNotFound, match=missing):
        cinder.get_attachment(ctxt, missing)
    with pytest.raises(exceptions.AttachmentNotFound, match=missing):
        cinder.complete_attachment(ctxt, missing)
    with pytest.raises(exceptions.VolumeNotFound, match=missing):
        cinder.create_attachment(ctxt, missing, str(uuid.uuid4()))
    cinder.delete_attachment(ctxt, missing)


def test_an_attachment_lives_and_dies(service: embedded.Services) -> None:
    """B6: reserved, attaching, in-use, available."""
    cinder, ctxt, server = service.cinder, service.ctxt, str(uuid.uuid4())
    volume_id = volume_of(service)
    attachment = cinder.create_attachment(ctxt, volume_id, server)
    assert attachment.connection_info is None
    assert status_of(service, volume_id) == "reserved"
    with pytest.raises(exceptions.InvalidVolume):
        cinder.create_attachment(ctxt, volume_id, str(uuid.uuid4()))

    updated = cinder.update_attachment(ctxt, attachment.id, CONNECTOR, "/dev/vdb")
    assert updated.connection_info is not None
    assert updated.connection_info["driver_volume_type"]
    assert updated.connection_info["data"]["access_mode"] == "rw"
    assert status_of(service, volume_id) == "attaching"

    cinder.complete_attachment(ctxt, attachment.id)
    volume = cinder.get_volume(ctxt, volume_id)
    assert volume.status == "in-use"
    assert [use.server_uuid for use in volume.attachments] == [server]
    assert [use.attachment_id for use in volume.attachments] == [attachment.id]
    assert volume.attachments[0].device == "/dev/vdb"
    assert [a.id for a in cinder.list_attachments(ctxt, server)] == [attachment.id]
    with pytest.raises(exceptions.InvalidVolume):
        cinder.delete_volume(ctxt, volume_id)

    cinder.begin_detaching(ctxt, volume_id)
    assert status_of(service, volume_id) == "detaching"
    cinder.roll_detaching(ctxt, volume_id)
    assert status_of(service, volume_id) == "in-use"
    cinder.delete_attachment(ctxt, attachment.id)
    cinder.delete_attachment(ctxt, attachment.id)
    assert status_of(service, volume_id) == "available"


def test_the_same_server_may_hold_a_volume_twice_for_a_move(service: embedded.Services) -> None:
    """B7, migration: the new reservation is made before the old one is given up (D14)."""
    cinder, ctxt, server = service.cinder, service.ctxt, str(uuid.uuid4())
    volume_id = volume_of(service)
    old = cinder.create_attachment(ctxt, volume_id, server)
    cinder.update_attachment(ctxt, old.id, CONNECTOR, "/dev/vdb")
    cinder.complete_attachment(ctxt, old.id)
    new = cinder.create_attachment(ctxt, volume_id, server)
    # 409 in newer releases, 500 in older ones; the reason is the same.
    with pytest.raises(exceptions.RemoteServiceError, match="duplicate connectors"):
        cinder.update_attachment(ctxt, new.id, CONNECTOR | {"host": "h2"}, "/dev/vdb")
    cinder.delete_attachment(ctxt, old.id)
    assert status_of(service, volume_id) == "reserved"
    cinder.delete_attachment(ctxt, new.id)
    assert status_of(service, volume_id) == "available"


def test_a_user_cannot_take_a_connected_volume_from_a_guest(service: embedded.Services) -> None:
    """CVE-2023-2088: the attachment of a guest goes with a service token only."""
    volume_id = volume_of(service)
    with service.guest_with(volume_id) as attachment_id:
        answer = service.ask(
            *("volume", "DELETE", f"/attachments/{attachment_id}"),
            headers={"OpenStack-API-Version": "volume 3.44"},
        )
        assert answer.status_code == 409
        for body in (
            {"os-detach": {"attachment_id": attachment_id}},
            {"os-terminate_connection": {"connector": CONNECTOR}},
        ):
            answer = service.ask("volume", "POST", f"/volumes/{volume_id}/action", json=body)
            assert answer.status_code == 409
        assert status_of(service, volume_id) == "in-use"
    assert status_of(service, volume_id) == "available"


def test_a_user_may_give_up_a_reservation(service: embedded.Services) -> None:
    """CVE-2023-2088: nobody is connected, so nobody is hurt."""
    volume_id = volume_of(service)
    attachment = service.cinder.create_attachment(service.ctxt, volume_id, str(uuid.uuid4()))
    answer = service.ask(
        *("volume", "DELETE", f"/attachments/{attachment.id}"),
        headers={"OpenStack-API-Version": "volume 3.44"},
    )
    assert answer.status_code == 200
    assert status_of(service, volume_id) == "available"


@pytest.mark.parametrize(("microversion", "status"), [("3.26", 404), ("3.27", 200), ("3.44", 200)])
def test_attachments_came_with_a_microversion(
    service: embedded.Services, microversion: str, status: int
) -> None:
    """S191: what nova_lite looks for before it uses them."""
    answer = service.ask(
        *("volume", "GET", "/attachments"),
        headers={"OpenStack-API-Version": f"volume {microversion}"},
    )
    assert answer.status_code == status


def test_shared_targets_came_with_a_microversion(service: embedded.Services) -> None:
    """S191: 3.48 tells whether targets are shared, and of which service."""
    path = f"/volumes/{volume_of(service)}"
    for microversion, known in (("3.47", False), ("3.48", True), ("3.69", True)):
        headers = {"OpenStack-API-Version": f"volume {microversion}"}
        volume = service.ask("volume", "GET", path, headers=headers).json()["volume"]
        assert ("shared_targets" in volume) == known
        assert ("service_uuid" in volume) == known


def test_a_microversion_that_there_is_not_is_refused(service: embedded.Services) -> None:
    headers = {"OpenStack-API-Version": "volume 3.9999"}
    assert service.ask("volume", "GET", "/volumes", headers=headers).status_code == 406


def test_the_version_document_wants_to_know_who_asks(service: embedded.Services) -> None:
    """The client has to send a token even there."""
    root = service.volume_url.removesuffix("/v3")
    assert requests.get(f"{root}/v3/", timeout=20).status_code == 401
    answer = service.ask("volume", "GET", "/")
    assert answer.status_code == 200
    assert answer.json()["versions"][0]["id"] == "v3.0"


def test_the_legacy_calls(service: embedded.Services) -> None:
    cinder, ctxt, server = service.cinder, service.ctxt, str(uuid.uuid4())
    volume_id = volume_of(service)
    cinder.reserve_volume(ctxt, volume_id)
    assert status_of(service, volume_id) == "attaching"
    with pytest.raises(exceptions.InvalidVolume):
        cinder.reserve_volume(ctxt, volume_id)
    cinder.unreserve_volume(ctxt, volume_id)
    assert status_of(service, volume_id) == "available"

    cinder.reserve_volume(ctxt, volume_id)
    info = cinder.initialize_connection(ctxt, volume_id, CONNECTOR)
    assert info["driver_volume_type"]
    assert info["data"]
    cinder.attach_volume(ctxt, volume_id, server, "/dev/vdb", "rw")
    volume = cinder.get_volume(ctxt, volume_id)
    assert volume.status == "in-use"
    cinder.begin_detaching(ctxt, volume_id)
    cinder.terminate_connection(ctxt, volume_id, CONNECTOR)
    cinder.detach_volume(ctxt, volume_id, volume.attachments[0].attachment_id)
    assert status_of(service, volume_id) == "available"


def test_a_snapshot_and_a_volume_from_it(service: embedded.Services) -> None:
    """S64, S185: the new volume has the size and the type of the source."""
    source_id = volume_of(service)
    source = service.cinder.get_volume(service.ctxt, source_id)
    snapshot_id = service.snapshot(source_id)
    snapshot = service.cinder.get_snapshot(service.ctxt, snapshot_id)
    assert (snapshot.volume_id, snapshot.size_gib) == (source_id, 1)
    order = creation.Order(
        str(uuid.uuid4()), 1, volume_type=source.volume_type, snapshot_id=snapshot_id
    )
    volume = creation.wait_until_available(
        service.ctxt,
        service.cinder,
        creation.create(service.ctxt, service.cinder, order),
        patience=PATIENCE,
    )
    assert volume.status == "available"
    assert volume.size_gib == 1
    assert volume.volume_type == source.volume_type
    assert volume.snapshot_id == snapshot_id
    with pytest.raises(exceptions.InvalidVolume):
        service.cinder.delete_volume(service.ctxt, source_id)


def test_a_new_volume_is_found_by_its_device(service: embedded.Services) -> None:
    """What finds it again if Cinder's answer is lost."""
    device, other = str(uuid.uuid4()), str(uuid.uuid4())
    volume = creation.create(service.ctxt, service.cinder, creation.Order(device, 1))
    creation.create(service.ctxt, service.cinder, creation.Order(other, 1))
    found = creation.find(service.ctxt, service.cinder, device)
    assert found is not None
    assert found.id == volume.id
    assert creation.find(service.ctxt, service.cinder, str(uuid.uuid4())) is None


def test_a_volume_from_an_image_is_bootable(service: embedded.Services) -> None:
    """S65, S186: Cinder reads the image; its properties come with the volume."""
    image_id = service.upload(os.urandom(70_000), hw_disk_bus="scsi", min_ram=64)
    volume_id = volume_of(service, image_id=image_id)
    volume = service.cinder.get_volume(service.ctxt, volume_id)
    assert volume.bootable
    assert volume.image_metadata["image_id"] == image_id
    assert volume.image_metadata["hw_disk_bus"] == "scsi"
    assert volume.image_metadata["min_ram"] == "64"


def test_refusals_are_told_apart(service: embedded.Services) -> None:
    cinder, ctxt = service.cinder, service.ctxt
    with pytest.raises(exceptions.InvalidVolume):
        cinder.create_volume(ctxt, 0, name="", description="")
    with pytest.raises(exceptions.InvalidVolume, match="zone"):
        cinder.create_volume(ctxt, 1, name="", description="", availability_zone="nowhere")
    with pytest.raises(exceptions.SnapshotNotFound):
        cinder.create_volume(ctxt, 1, name="", description="", snapshot_id=str(uuid.uuid4()))
    volume_id = volume_of(service)
    with pytest.raises(exceptions.InvalidVolume, match="attached"):
        cinder.begin_detaching(ctxt, volume_id)


def test_another_project_sees_nothing(service: embedded.Services) -> None:
    volume_id = volume_of(service)
    stranger = service.stranger()
    with pytest.raises(exceptions.VolumeNotFound):
        service.cinder.get_volume(stranger, volume_id)
    with pytest.raises(exceptions.VolumeNotFound):
        service.cinder.create_attachment(stranger, volume_id, str(uuid.uuid4()))


def test_snapshots_of_a_volume_in_use(service: embedded.Services) -> None:
    """S28: forced, found again by their metadata, and deleted; quota says how many."""
    cinder, ctxt = service.cinder, service.ctxt
    volume_id, image_id = volume_of(service), str(uuid.uuid4())
    attachment = cinder.create_attachment(ctxt, volume_id, str(uuid.uuid4()))
    cinder.update_attachment(ctxt, attachment.id, CONNECTOR, "/dev/vdb")
    cinder.complete_attachment(ctxt, attachment.id)
    used = cinder.snapshot_quota(ctxt).used
    made = snapshots.order(ctxt, cinder, volume_id, image_id=image_id, image_name="contract")
    snapshots.wait_until_available(
        ctxt, cinder, made, timeout_s=TIMEOUT_S, on_progress=lambda: None
    )
    (found,) = cinder.find_snapshots(ctxt, {snapshots.IMAGE_KEY: image_id})
    assert (found.id, found.volume_id, found.name) == (
        made.id, volume_id, "snapshot for contract",
    )  # fmt: skip
    assert cinder.find_snapshots(ctxt, {snapshots.IMAGE_KEY: str(uuid.uuid4())}) == []
    assert cinder.snapshot_quota(ctxt).used == used + 1
    for _ in range(2):
        snapshots.remove_all(ctxt, cinder, image_id)
    assert concurrency.wait_until(
        lambda: not cinder.find_snapshots(ctxt, {snapshots.IMAGE_KEY: image_id}), TIMEOUT_S
    )
    cinder.delete_snapshot(ctxt, made.id)
    cinder.delete_attachment(ctxt, attachment.id)
    cinder.delete_volume(ctxt, volume_id)
    with pytest.raises(exceptions.VolumeNotFound):
        cinder.create_snapshot(ctxt, str(uuid.uuid4()), name="x", metadata={})


def test_a_snapshot_that_is_still_being_made_goes_too(service: embedded.Services) -> None:
    cinder, ctxt = service.cinder, service.ctxt
    volume_id, image_id = volume_of(service), str(uuid.uuid4())
    snapshots.order(ctxt, cinder, volume_id, image_id=image_id, image_name="contract")
    snapshots.remove_all(ctxt, cinder, image_id)
    assert concurrency.wait_until(
        lambda: not cinder.find_snapshots(ctxt, {snapshots.IMAGE_KEY: image_id}), TIMEOUT_S
    )
    cinder.delete_volume(ctxt, volume_id)
