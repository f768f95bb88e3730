"""Names, sources, zones and waits of new volumes."""

import typing
import uuid
from unittest import mock

import pytest

from nova_lite import conf as nova_lite_conf
from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite.volume import cinder
from nova_lite.volume import creation

SERVER = str(uuid.UUID(int=1))
QUICK = creation.Patience(timeout_s=0.2, timeout_per_gib_s=0)
CTXT = context.RequestContext(overwrite=False)


def volume_of(status: str = "available", **fields: typing.Any) -> cinder.Volume:
    values: dict[str, typing.Any] = {
        "id": "v1",
        "status": status,
        "size_gib": 2,
        "bootable": False,
        "multiattach": False,
        "availability_zone": "nova",
        "volume_type": "fast",
        "image_metadata": {},
        "attachments": (),
        "service_uuid": None,
        "shared_targets": False,
        "encrypted": False,
        "name": None,
    } | fields
    return cinder.Volume(**values)


def mapping_of(source_type: str, **fields: typing.Any) -> objects.BlockDeviceMapping:
    return objects.BlockDeviceMapping(
        uuid=str(uuid.uuid4()), source_type=source_type, destination_type="volume", **fields
    )


@pytest.fixture(name="client")
def fixture_client() -> mock.NonCallableMagicMock:
    client = mock.create_autospec(cinder.CinderClient, instance=True)
    client.create_volume.return_value = volume_of("creating")
    client.get_volume.return_value = volume_of()
    client.get_snapshot.return_value = cinder.Snapshot("s1", "source", 3, "available", None)
    return client


@pytest.fixture(autouse=True)
def fast_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creation, "FIRST_POLL_S", 0.001)
    monkeypatch.setattr(creation, "LAST_POLL_S", 0.01)


def create(
    client: typing.Any, bdm: objects.BlockDeviceMapping, **options: typing.Any
) -> cinder.Volume:
    options = {"availability_zone": None, "patience": QUICK} | options
    return creation.create_and_wait(CTXT, client, bdm, SERVER, **options)


def test_blank(client: mock.NonCallableMagicMock) -> None:
    """S66, S187: one create without source, named after the server."""
    bdm = mapping_of("blank", volume_size=2, volume_type="slow")
    assert create(client, bdm).status == "available"
    client.create_volume.assert_called_once_with(
        CTXT,
        2,
        name=f"{SERVER}-blank-vol",
        description="",
        image_id=None,
        snapshot_id=None,
        volume_type="slow",
        availability_zone=None,
    )
    assert bdm.volume_id == "v1"


def test_image(client: mock.NonCallableMagicMock) -> None:
    """S65, S186, and S188: the zone is passed on."""
    create(client, mapping_of("image", image_id="i1", volume_size=2), availability_zone="az1")
    client.create_volume.assert_called_once_with(
        CTXT,
        2,
        name="",
        description="",
        image_id="i1",
        snapshot_id=None,
        volume_type=None,
        availability_zone="az1",
    )


def test_snapshot(client: mock.NonCallableMagicMock) -> None:
    """S64, S185: the snapshot's size and its source's type."""
    client.get_volume.side_effect = [volume_of(volume_type="gold"), volume_of()]
    create(client, mapping_of("snapshot", snapshot_id="s1"))
    client.create_volume.assert_called_once_with(
        CTXT,
        3,
        name="",
        description="",
        image_id=None,
        snapshot_id="s1",
        volume_type="gold",
        availability_zone=None,
    )


def test_a_volume_that_exists_is_only_waited_for(client: mock.NonCallableMagicMock) -> None:
    """S189: a repeated build makes no second volume."""
    client.get_volume.side_effect = [volume_of("downloading"), volume_of()]
    create(client, mapping_of("blank", volume_size=2, volume_id="v1"))
    client.create_volume.assert_not_called()


def test_progress_is_reported_while_cinder_works(client: mock.NonCallableMagicMock) -> None:
    client.get_volume.side_effect = [volume_of("creating"), volume_of("downloading"), volume_of()]
    seen: list[str] = []
    create(
        client,
        mapping_of("blank", volume_size=2),
        on_progress=lambda volume, waited_s: seen.append(volume.status),
    )
    assert seen == ["creating", "downloading", "available"]


@pytest.mark.parametrize("status", ["error", "deleting", "error_extending"])
def test_a_failed_volume_is_told(client: mock.NonCallableMagicMock, status: str) -> None:
    client.get_volume.return_value = volume_of(status)
    bdm = mapping_of("blank", volume_size=2)
    with pytest.raises(exceptions.VolumeNotCreated, match=status):
        create(client, bdm)
    assert bdm.volume_id == "v1"
    client.delete_volume.assert_not_called()


def test_the_wait_ends(client: mock.NonCallableMagicMock) -> None:
    client.get_volume.return_value = volume_of("creating")
    with pytest.raises(exceptions.VolumeNotCreated, match="creating"):
        create(client, mapping_of("blank", volume_size=2))


def test_a_volume_deleted_meanwhile_is_told(client: mock.NonCallableMagicMock) -> None:
    client.get_volume.side_effect = exceptions.VolumeNotFound(volume_id="v1")
    with pytest.raises(exceptions.VolumeNotCreated, match="deleted"):
        create(client, mapping_of("blank", volume_size=2))


def test_a_cinder_that_is_away_for_a_moment_is_waited_for(
    client: mock.NonCallableMagicMock,
) -> None:
    away = exceptions.RemoteServiceError(service="Cinder", reason="restarting")
    client.get_volume.side_effect = [away, away, volume_of()]
    assert create(client, mapping_of("blank", volume_size=2)).status == "available"


def test_the_limit_grows_with_the_size() -> None:
    """D10."""
    conf = nova_lite_conf.new(
        files=[],
        compute__block_device_allocate_timeout_s=100,
        compute__block_device_allocate_timeout_per_gib_s=5,
    )
    patience = creation.Patience.of(conf)
    assert patience.limit_s(1) == 100
    assert patience.limit_s(11) == 150


@pytest.mark.parametrize(("source_type", "size"), [("volume", 1), ("image", None), ("blank", 0)])
def test_what_cannot_be_made_is_refused(
    client: mock.NonCallableMagicMock, source_type: str, size: int | None
) -> None:
    with pytest.raises(exceptions.InvalidBlockDevice):
        create(client, mapping_of(source_type, volume_size=size))
