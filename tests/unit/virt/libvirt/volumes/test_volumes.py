from unittest import mock

import pytest

from nova_lite import conf as conf_module
from nova_lite import exceptions
from nova_lite.virt.libvirt import connection
from nova_lite.virt.libvirt import ownership
from nova_lite.virt.libvirt.volumes import registry
from nova_lite.virt.libvirt.volumes import transports
from nova_lite.virt.libvirt.volumes import volumes
from nova_lite.volume import connector

SERVER = "11111111-1111-4111-8111-111111111111"
UNKNOWN = {"driver_volume_type": "fibre_channel", "serial": "the-volume", "data": {}}


@pytest.fixture
def host(tmp_path):
    """The volumes of a host, with a libvirt that does nothing."""
    conf = conf_module.new(files=[], default__state_path=str(tmp_path))
    libvirt = mock.create_autospec(connection.Connection, instance=True)
    connectors = mock.create_autospec(connector.HostConnectors, instance=True)
    known = registry.Transports(transports.Tools(conf, libvirt, connectors))
    own = mock.create_autospec(ownership.OwnGuests, instance=True)
    return volumes.LibvirtVolumes(conf, own, known, connectors)


def test_a_volume_that_never_could_be_connected_can_be_let_go(host):
    """S207: a transport that this host lacks fails the attach before anything is done, and
    undoing nothing succeeds: else the volume would stay ``attaching`` for ever."""
    with pytest.raises(exceptions.InvalidVolume, match="fibre_channel"):
        host.connect(UNKNOWN, SERVER)
    assert host.users("the-volume") == frozenset()
    host.disconnect(UNKNOWN, SERVER)


def test_a_connection_of_a_transport_that_is_gone_is_not_forgotten(host):
    """The record says that this host is connected: nobody here can end that."""
    with host._users.joining("the-volume", SERVER):
        pass
    with pytest.raises(exceptions.InvalidVolume):
        host.disconnect(UNKNOWN, SERVER)
    assert host.users("the-volume") == frozenset({SERVER})
