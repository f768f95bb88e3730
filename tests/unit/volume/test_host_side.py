"""The host's side: guarded disconnects, clean-up, refusals."""

import json
import uuid
from unittest import mock

import pytest

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import states
from nova_lite.virt import interface
from nova_lite.volume import cinder
from nova_lite.volume import connector
from nova_lite.volume import host_side
from tests.unit.volume import test_creation

SERVER = "7d3ab2a2-98a5-4a5f-9c0f-2f1b0f5f9c11"
CTXT = context.RequestContext(overwrite=False)


def mapping(transport: str) -> objects.BlockDeviceMapping:
    info = {"driver_volume_type": transport, "data": {"access_mode": "rw"}, "serial": "v1"}
    return objects.BlockDeviceMapping(
        uuid=str(uuid.uuid4()),
        volume_id="v1",
        instance_uuid=SERVER,
        connection_info=json.dumps(info),
        phase=states.DevicePhase.COMPLETE.value,
    )


@pytest.fixture(name="volumes")
def fixture_volumes() -> mock.NonCallableMagicMock:
    return mock.create_autospec(interface.VolumeOps, instance=True)


@pytest.fixture(name="client")
def fixture_client() -> mock.NonCallableMagicMock:
    return mock.create_autospec(cinder.CinderClient, instance=True)


def test_local_and_rbd_ask_cinder_nothing(
    client: mock.NonCallableMagicMock, volumes: mock.NonCallableMagicMock
) -> None:
    for transport in ("local", "rbd", "nfs"):
        bdm = mapping(transport)
        info = host_side.connection_info_of(bdm)
        host_side.disconnect(CTXT, client, volumes, bdm, info)
        volumes.disconnect.assert_called_with(info, SERVER)
        assert bdm.phase == states.DevicePhase.DISCONNECTED
    client.get_volume.assert_not_called()


def test_iscsi_is_disconnected_under_the_guard(
    client: mock.NonCallableMagicMock, volumes: mock.NonCallableMagicMock
) -> None:
    """S215."""
    volume = test_creation.volume_of(service_uuid="s1", shared_targets=True)
    client.get_volume.return_value = volume
    bdm = mapping("iscsi")
    with mock.patch.object(connector, "guard_connection", autospec=True) as guard:
        host_side.disconnect(CTXT, client, volumes, bdm, host_side.connection_info_of(bdm))
    guard.assert_called_once_with(volume)
    volumes.disconnect.assert_called_once()


def test_a_volume_cinder_forgot_is_disconnected_all_the_same(
    client: mock.NonCallableMagicMock, volumes: mock.NonCallableMagicMock
) -> None:
    client.get_volume.side_effect = exceptions.VolumeNotFound(volume_id="v1")
    bdm = mapping("iscsi")
    host_side.disconnect(CTXT, client, volumes, bdm, host_side.connection_info_of(bdm))
    volumes.disconnect.assert_called_once()


def test_a_failing_cleanup_does_not_hide_the_error(
    volumes: mock.NonCallableMagicMock,
) -> None:
    volumes.connect.side_effect = OSError("first")
    volumes.disconnect.side_effect = OSError("second")
    with pytest.raises(OSError, match="first"):
        host_side.connect(volumes, mapping("local"))


def test_an_encrypted_volume_is_refused() -> None:
    """CVE-2017-18191: never the ciphertext."""
    with pytest.raises(exceptions.InvalidVolume, match="encrypted"):
        host_side.refuse_encrypted(test_creation.volume_of(encrypted=True))
