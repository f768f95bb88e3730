"""Orders of new volumes, and the wait for them."""

import typing
from unittest import mock

import pytest

from nova_lite import conf as nova_lite_conf
from nova_lite import context
from nova_lite import exceptions
from nova_lite.volume import cinder
from nova_lite.volume import creation
from nova_lite.volume import records

QUICK = creation.Patience(timeout_s=0.2, timeout_per_gib_s=0)
CTXT = context.RequestContext(overwrite=False)


def volume_of(status: str = "available", **fields: typing.Any) -> records.Volume:
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
    return records.Volume(**values)


@pytest.fixture(name="client")
def fixture_client() -> mock.NonCallableMagicMock:
    client = mock.create_autospec(cinder.CinderClient, instance=True)
    client.get_volume.return_value = volume_of()
    return client


@pytest.fixture(autouse=True)
def fast_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creation, "FIRST_POLL_S", 0.001)
    monkeypatch.setattr(creation, "LAST_POLL_S", 0.01)


def wait(client: typing.Any, volume: records.Volume, **options: typing.Any) -> records.Volume:
    return creation.wait_until_available(CTXT, client, volume, **{"patience": QUICK} | options)


def test_progress_is_reported_while_cinder_works(client: mock.NonCallableMagicMock) -> None:
    client.get_volume.side_effect = [volume_of("creating"), volume_of("downloading"), volume_of()]
    seen: list[str] = []
    wait(
        client,
        volume_of("creating"),
        on_progress=lambda volume, waited_s: seen.append(volume.status),
    )
    assert seen == ["creating", "downloading", "available"]


@pytest.mark.parametrize("status", ["error", "deleting", "error_extending"])
def test_a_failed_volume_is_told(client: mock.NonCallableMagicMock, status: str) -> None:
    client.get_volume.return_value = volume_of(status)
    with pytest.raises(exceptions.VolumeNotCreated, match=status):
        wait(client, volume_of("creating"))
    client.delete_volume.assert_not_called()


def test_the_wait_ends(client: mock.NonCallableMagicMock) -> None:
    client.get_volume.return_value = volume_of("creating")
    with pytest.raises(exceptions.VolumeNotCreated, match="creating"):
        wait(client, volume_of("creating"))


def test_a_volume_deleted_meanwhile_is_told(client: mock.NonCallableMagicMock) -> None:
    client.get_volume.side_effect = exceptions.VolumeNotFound(volume_id="v1")
    with pytest.raises(exceptions.VolumeNotCreated, match="deleted"):
        wait(client, volume_of("creating"))


def test_a_cinder_that_is_away_for_a_moment_is_waited_for(
    client: mock.NonCallableMagicMock,
) -> None:
    away = exceptions.RemoteServiceError(service="Cinder", reason="restarting")
    client.get_volume.side_effect = [away, away, volume_of()]
    assert wait(client, volume_of("creating")).status == "available"


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


@pytest.mark.parametrize("size_gib", [None, 0])
def test_a_volume_without_a_size_is_refused(
    client: mock.NonCallableMagicMock, size_gib: int | None
) -> None:
    with pytest.raises(exceptions.InvalidBlockDevice):
        creation.create(CTXT, client, creation.Order("d1", size_gib))
    client.create_volume.assert_not_called()


def test_a_lost_answer_loses_no_volume(client: mock.NonCallableMagicMock) -> None:
    """Cinder made it, but nobody heard of it: it is found by its device."""
    client.create_volume.side_effect = exceptions.RemoteServiceError(service="Cinder", reason="x")
    client.find_volumes.return_value = [volume_of("creating")]
    order = creation.Order("d1", 2)
    assert creation.create(CTXT, client, order).id == "v1"
    client.find_volumes.assert_called_once_with(CTXT, {"nova_lite_device": "d1"})
    client.find_volumes.return_value = []
    with pytest.raises(exceptions.RemoteServiceError):
        creation.create(CTXT, client, order)
