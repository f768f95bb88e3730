"""The secret with which QEMU opens volumes in Ceph."""

import base64
from unittest import mock

import pytest

from nova_lite import conf as conf_module
from nova_lite import exceptions
from nova_lite.virt import ceph
from nova_lite.virt.libvirt import connection
from nova_lite.virt.libvirt.volumes import rbd
from nova_lite.virt.libvirt.volumes import transports
from nova_lite.volume import connector

NAMED = "7d3ab2a2-98a5-4a5f-9c0f-2f1b0f5f9c11"
FAILED = exceptions.CephError(reason="no key")


class Host:
    """Its libvirt's secrets, and the key in its keyring."""

    def __init__(self, monkeypatch):
        self.kept = {}
        self.libvirt = mock.create_autospec(connection.Connection, instance=True)
        self.libvirt.has_secret.side_effect = lambda secret_uuid: secret_uuid in self.kept
        self.libvirt.keep_secret.side_effect = self._keep
        self.cluster = mock.create_autospec(ceph.Cluster, instance=True)
        self.has_key(b"old")
        monkeypatch.setattr(ceph, "Cluster", lambda _access: self.cluster)

    def _keep(self, secret, value):
        self.kept[secret.uuid] = value

    def has_key(self, key):
        self.cluster.key.side_effect = lambda: base64.b64encode(key).decode()

    def started(self):
        """As after a start of the compute process."""
        tools = transports.Tools(
            conf_module.new(files=[]),
            self.libvirt,
            mock.create_autospec(connector.HostConnectors, instance=True),
        )
        return rbd.RbdTransport(tools)


def volume(secret_uuid=None):
    data = {
        "name": "volumes/volume-1", "auth_enabled": True, "auth_username": "cinder",
        "secret_uuid": secret_uuid, "hosts": ["127.0.0.1"], "ports": ["6789"],
    }  # fmt: skip
    return {"driver_volume_type": "rbd", "data": data}


@pytest.fixture
def host(monkeypatch):
    return Host(monkeypatch)


def test_a_secret_of_our_own_gets_the_key_once_a_run(host):
    """The user's key may have been changed since."""
    host.started().connect(volume())
    host.has_key(b"new")
    again = host.started()
    again.connect(volume())
    again.connect(volume())
    assert list(host.kept.values()) == [b"new"]
    assert host.cluster.key.call_count == 2


def test_without_a_keyring_it_stays_as_it_is(host, caplog):
    host.started().connect(volume())
    host.cluster.key.side_effect = FAILED
    host.started().connect(volume())
    assert list(host.kept.values()) == [b"old"]
    assert "client.cinder" in caplog.text


def test_a_secret_that_somebody_named_is_taken_as_it_is(host):
    host.kept[NAMED] = b"theirs"
    host.started().connect(volume(NAMED))
    assert host.kept == {NAMED: b"theirs"}


def test_one_that_libvirt_has_not_gets_the_key(host):
    host.started().connect(volume(NAMED))
    assert host.kept == {NAMED: b"old"}
    host.kept.clear()
    host.cluster.key.side_effect = FAILED
    with pytest.raises(exceptions.VolumeNotConnected, match=r"client\.cinder"):
        host.started().connect(volume(NAMED))
