"""Transports that connect the host by os-brick, or QEMU by a secret of libvirt."""

import tempfile
from unittest import mock

import pytest

from nova_lite import conf as conf_module
from nova_lite import exceptions
from nova_lite.virt.libvirt import connection
from nova_lite.virt.libvirt import xml
from nova_lite.virt.libvirt.volumes import registry
from nova_lite.virt.libvirt.volumes import transports
from nova_lite.volume import connector
from tests.conformance import factories

CANARY = "canary-2d41"
ISCSI = {
    "target_iqn": "iqn.x:1",
    "target_portal": "[fd00::1]:3261",
    "target_lun": 2,
    "auth_method": "CHAP",
    "auth_username": "me",
    "auth_password": CANARY,
}
RBD = {
    "name": "volumes/volume-1",
    "hosts": ["[fd00::1]", "10.0.0.2"],
    "ports": ["6789", "6789"],
    "auth_enabled": True,
    "auth_username": "cinder",
    "secret_uuid": "3f7ab7b2-9c8d-4d5e-8a10-08a7bd0df7ad",
    "keyring": CANARY,
}
NFS = {"export": "10.0.0.1:/share", "name": "volume-1", "format": "qcow2", "options": "-o ro"}


class Lab:
    """All transports over a libvirt and a host that are autospecced."""

    def __init__(self, tmp_path, **options):
        self.conf = conf_module.new(files=[], default__state_path=str(tmp_path), **options)
        self.libvirt = mock.create_autospec(connection.Connection, instance=True)
        self.host = mock.create_autospec(connector.HostConnectors, instance=True)
        self.host.has_iscsi_initiator = True
        self.host.properties.return_value = {"initiator": "iqn.me"}
        self.host.connect.return_value = {"type": "block", "path": "/dev/x"}
        self.registry = registry.Transports(transports.Tools(self.conf, self.libvirt, self.host))

    def device(self, transport, data):
        device = factories.volume_device("vdb", volume_id="the-volume")
        device["connection_info"] |= {"driver_volume_type": transport, "data": dict(data)}
        return device

    def connect(self, device):
        self.registry.of(device["connection_info"]).connect(device["connection_info"])
        return self.registry.disk_of(device)

    def disconnect(self, device):
        self.registry.of(device["connection_info"]).disconnect(device["connection_info"])


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path)


@pytest.mark.parametrize(
    ("transport", "protocol", "data"),
    [("iscsi", "ISCSI", ISCSI), ("nvmeof", "NVMEOF", {"target_nqn": "nqn.x"})],
)
def test_a_block_device_of_the_host(lab, transport, protocol, data):
    """S207: and what connected it is told when it is disconnected."""
    device = lab.device(transport, {**data, "encrypted": True})
    disk = lab.connect(device)
    lab.host.connect.assert_called_once_with(protocol, data)
    assert (disk.source, disk.source_type, disk.driver_format) == ("/dev/x", "block", "raw")
    assert disk.luks_secret_uuid == transports.secret_uuid("the-volume", "volume")
    assert CANARY not in disk.to_xml()
    lab.disconnect(device)
    lab.host.disconnect.assert_called_once_with(protocol, {**data, "device_path": "/dev/x"})


def test_a_multipath_id_is_kept(lab):
    """S199."""
    lab.host.connect.return_value = {"path": "/dev/dm-0", "multipath_id": "3600a"}
    device = lab.device("iscsi", ISCSI)
    lab.connect(device)
    assert device["connection_info"]["data"]["multipath_id"] == "3600a"


def test_a_device_nobody_connected_is_no_disk(lab):
    with pytest.raises(exceptions.InvalidVolume, match="device_path"):
        lab.registry.disk_of(lab.device("nvmeof", {}))


class TestIscsiByQemu:
    """S184: for hosts without an initiator."""

    @pytest.fixture(autouse=True)
    def no_initiator(self, lab):
        lab.host.has_iscsi_initiator = False

    def test_disk(self, lab):
        device = lab.device("iscsi", ISCSI)
        disk = lab.connect(device)
        secret_uuid = transports.secret_uuid("the-volume", "iscsi")
        assert (disk.source, disk.source_type) == ("iqn.x:1/2", "network")
        assert disk.network == xml.NetworkAccess(
            protocol="iscsi",
            hosts=(xml.StorageHost("fd00::1", 3261),),
            username="me",
            secret_type="iscsi",
            secret_uuid=secret_uuid,
            initiator_iqn="iqn.me",
        )
        assert CANARY not in disk.to_xml()
        (secret, value), _ = lab.libvirt.keep_secret.call_args
        assert (secret.uuid, secret.usage_type, value) == (secret_uuid, "iscsi", CANARY.encode())
        assert CANARY not in secret.to_xml()
        lab.host.connect.assert_not_called()
        lab.disconnect(device)
        lab.libvirt.remove_secret.assert_called_once_with(secret_uuid)

    def test_without_a_password_there_is_no_secret(self, lab):
        device = lab.device("iscsi", {k: v for k, v in ISCSI.items() if "auth" not in k})
        assert lab.connect(device).network.username is None
        lab.disconnect(device)
        lab.libvirt.keep_secret.assert_not_called()
        lab.libvirt.remove_secret.assert_not_called()

    def test_a_host_that_logged_in_logs_out(self, lab):
        """Although the option says otherwise by now."""
        device = lab.device("iscsi", {**ISCSI, "device_path": "/dev/x"})
        assert lab.registry.disk_of(device).source == "/dev/x"
        lab.disconnect(device)
        lab.host.disconnect.assert_called_once()

    @pytest.mark.parametrize(
        "broken",
        [
            {"target_portal": "nowhere"},
            {"target_portal": "host:port"},
            {"target_iqn": ""},
            {"target_lun": None},
            {"auth_password": None},
        ],
    )
    def test_what_makes_no_sense_is_refused(self, lab, broken):
        with pytest.raises(exceptions.InvalidVolume):
            lab.connect(lab.device("iscsi", ISCSI | broken))
        lab.libvirt.keep_secret.assert_not_called()


class TestRbd:
    """S197, S220."""

    def test_cinders_user_goes_before_ours(self, tmp_path):
        lab = Lab(tmp_path, libvirt__rbd_user="nova", libvirt__rbd_secret_uuid="other")
        lab.libvirt.has_secret.return_value = True
        device = lab.device("rbd", RBD)
        disk = lab.connect(device)
        assert (disk.source, disk.source_type) == ("volumes/volume-1", "network")
        assert disk.network == xml.NetworkAccess(
            protocol="rbd",
            hosts=(xml.StorageHost("fd00::1", 6789), xml.StorageHost("10.0.0.2", 6789)),
            username="cinder",
            secret_type="ceph",
            secret_uuid=RBD["secret_uuid"],
        )
        lab.libvirt.keep_secret.assert_not_called()
        lab.disconnect(device)
        lab.libvirt.remove_secret.assert_not_called()

    def test_a_keyring_is_dropped_unread(self, lab):
        """OSSN-0085."""
        device = lab.device("rbd", RBD)
        assert CANARY not in lab.connect(device).to_xml()
        assert CANARY not in str(device["connection_info"])

    def test_ours_where_cinder_names_none(self, tmp_path):
        lab = Lab(tmp_path, libvirt__rbd_user="nova", libvirt__rbd_secret_uuid="ours")
        network = lab.connect(lab.device("rbd", RBD | {"auth_enabled": False})).network
        assert (network.username, network.secret_uuid) == ("nova", "ours")

    def test_no_authentication_at_all(self, lab):
        network = lab.connect(lab.device("rbd", RBD | {"auth_enabled": False})).network
        assert (network.username, network.secret_uuid) == (None, None)
        lab.libvirt.has_secret.assert_not_called()

    def test_without_os_brick_there_is_no_file_of_its(self, lab, tmp_path, monkeypatch):
        """S210: QEMU is told where the image is; os-brick would write ``brickrbd_*``."""
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        lab.libvirt.has_secret.return_value = True
        device = lab.device("rbd", RBD)
        lab.connect(device)
        lab.disconnect(device)
        lab.host.connect.assert_not_called()
        lab.host.disconnect.assert_not_called()
        assert list(tmp_path.glob("brickrbd_*")) == []

    def test_an_image_it_does_not_name(self, lab):
        """S210: and nothing is begun."""
        with pytest.raises(exceptions.InvalidVolume, match="name"):
            lab.connect(lab.device("rbd", RBD | {"name": ""}))
        lab.libvirt.keep_secret.assert_not_called()

    @pytest.mark.parametrize("said_by", ["option", "cinder"])
    def test_mapped_by_the_kernel(self, tmp_path, said_by):
        """S221: for a QEMU without librbd."""
        options = {"libvirt__rbd_local_attach": True} if said_by == "option" else {}
        lab = Lab(tmp_path, **options)
        device = lab.device("rbd", RBD | {"do_local_attach": said_by == "cinder"})
        lab.host.connect.return_value = {"type": "block", "path": "/dev/rbd/volumes/volume-1"}
        disk = lab.connect(device)
        assert (disk.source, disk.source_type) == ("/dev/rbd/volumes/volume-1", "block")
        lab.conf.set_override("rbd_local_attach", False, "libvirt")
        lab.disconnect(device)
        (protocol, data), _ = lab.host.disconnect.call_args
        assert (protocol, data["do_local_attach"]) == ("RBD", True)
        assert "keyring" not in data


class TestNfs:
    """S184, S221: a share is mounted once, for all its volumes."""

    def test_a_file_below_the_mount(self, lab, tmp_path):
        path = tmp_path / "mnt" / "volume-1"
        path.parent.mkdir()
        path.touch()
        lab.host.connect.return_value = {"path": str(path)}
        first, second = lab.device("nfs", NFS), lab.device("nfs", NFS | {"name": "volume-2"})
        disk = lab.connect(first)
        assert (disk.source, disk.source_type, disk.driver_format) == (str(path), "file", "qcow2")
        lab.connect(second)
        lab.disconnect(first)
        lab.host.unmount.assert_not_called()
        lab.disconnect(second)
        lab.host.unmount.assert_called_once_with(NFS["export"])

    def test_a_share_it_does_not_name(self, lab):
        with pytest.raises(exceptions.InvalidVolume, match="export"):
            lab.connect(lab.device("nfs", {"name": "v"}))
        lab.host.connect.assert_not_called()


@pytest.mark.parametrize(("said", "disk"), [(True, "unmap"), (False, None), (None, None)])
def test_discard_is_what_cinder_says(lab, said, disk):
    """S197."""
    lab.libvirt.has_secret.return_value = True
    assert lab.connect(lab.device("rbd", RBD | {"discard": said})).discard == disk


def test_a_shared_volume_is_shareable_and_not_cached(tmp_path):
    """D19."""
    lab = Lab(tmp_path, libvirt__disk_cachemode="writeback")
    lab.libvirt.has_secret.return_value = True
    device = lab.device("rbd", RBD)
    assert (lab.connect(device).shareable, lab.connect(device).cache) == (False, "writeback")
    device["connection_info"]["multiattach"] = True
    assert (lab.connect(device).shareable, lab.connect(device).cache) == (True, "none")
