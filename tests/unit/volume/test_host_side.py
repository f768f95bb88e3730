"""The host's side: guarded disconnects, clean-up, refusals."""

import dataclasses
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
from nova_lite.volume import keys
from nova_lite.volume import records
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
        host_side.connect(volumes, mapping("local"), None)


def test_what_the_host_found_is_kept(volumes: mock.NonCallableMagicMock) -> None:
    """S199: and is told when the host is disconnected."""

    def connect(info: host_side.ConnectionInfo, *_: object) -> None:
        info["data"] |= {"device_path": "/dev/dm-1", "multipath_id": "3600a"}

    volumes.connect.side_effect = connect
    bdm = mapping("iscsi")
    host_side.connect(volumes, bdm, None)
    assert json.loads(bdm.connection_info)["data"] == {
        "access_mode": "rw",
        "device_path": "/dev/dm-1",
        "multipath_id": "3600a",
    }


class TestEncryption:
    """S201, S208, CVE-2017-18191: never the ciphertext."""

    volume = test_creation.volume_of(encrypted=True)
    luks = records.VolumeEncryption(key_id="k1", provider="luks", control_location="front-end")

    def test_of_a_plain_volume_nobody_is_asked(self, client: mock.NonCallableMagicMock) -> None:
        plain = test_creation.volume_of(encrypted=False)
        assert host_side.encryption_of(CTXT, client, None, plain) is None
        client.get_encryption.assert_not_called()

    def test_metadata_and_key_are_fetched(self, client: mock.NonCallableMagicMock) -> None:
        client.get_encryption.return_value = self.luks
        volume_keys = mock.create_autospec(keys.VolumeKeys, instance=True)
        volume_keys.passphrase.return_value = b"canary"
        found = host_side.encryption_of(CTXT, client, volume_keys, self.volume)
        assert found == keys.Encryption("luks", b"canary")
        assert "canary" not in repr(found)
        volume_keys.passphrase.assert_called_once_with(CTXT, "k1")

    @pytest.mark.parametrize(
        "metadata", [None, dataclasses.replace(luks, control_location="back-end")]
    )
    def test_what_no_host_can_open_is_refused(
        self, client: mock.NonCallableMagicMock, metadata: records.VolumeEncryption | None
    ) -> None:
        client.get_encryption.return_value = metadata
        volume_keys = mock.create_autospec(keys.VolumeKeys, instance=True)
        with pytest.raises(exceptions.InvalidVolume, match="encrypted"):
            host_side.encryption_of(CTXT, client, volume_keys, self.volume)


@pytest.mark.parametrize(
    ("flag", "cinder_says", "mode"),
    [("True", "rw", "ro"), ("False", "rw", "rw"), (None, "ro", "ro"), (None, "rw", "rw")],
)
def test_a_readonly_volume_is_readonly_whoever_attaches_it(
    flag: str | None, cinder_says: str, mode: str
) -> None:
    """S204: a real Cinder says "rw" to a user without privileges, whatever the flag is."""
    bdm = mapping("rbd")
    volume = test_creation.volume_of(metadata={"readonly": flag} if flag else {})
    info = {"driver_volume_type": "rbd", "data": {"access_mode": cinder_says}}
    host_side.record(bdm, info, volume)
    kept = host_side.connection_info_of(bdm)
    assert kept is not None
    assert kept["data"]["access_mode"] == mode
