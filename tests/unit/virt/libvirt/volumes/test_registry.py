from unittest import mock

import pytest

from nova_lite import conf as conf_module
from nova_lite import exceptions
from nova_lite.virt.libvirt import connection
from nova_lite.virt.libvirt.volumes import registry
from nova_lite.virt.libvirt.volumes import transports
from nova_lite.volume import connector
from tests.conformance import factories


@pytest.fixture
def conf(tmp_path):
    return conf_module.new(files=[], default__state_path=str(tmp_path))


def transports_of(conf, host=None):
    """With a libvirt and a host that do nothing."""
    libvirt = mock.create_autospec(connection.Connection, instance=True)
    host = host or mock.create_autospec(connector.HostConnectors, instance=True)
    return registry.Transports(transports.Tools(conf, libvirt, host))


def disk_of(conf, device, **kwargs):
    return transports_of(conf).disk_of(device, **kwargs)


def test_serial_and_alias_are_the_volume(conf):
    """S198, D7."""
    disk = disk_of(conf, factories.volume_device("vdb", volume_id="the-volume"))
    assert (disk.serial, disk.alias, disk.target) == ("the-volume", "ua-the-volume", "vdb")


@pytest.mark.parametrize(
    ("data", "expected"),
    [({}, "raw"), ({"format": "raw"}, "raw"), ({"format": "qcow2"}, "qcow2")],
)
def test_format_is_what_cinder_says(conf, data, expected):
    assert disk_of(conf, factories.volume_device("vdb", **data)).driver_format == expected


@pytest.mark.parametrize(("mode", "readonly"), [("ro", True), ("rw", False), (None, False)])
def test_access_mode(conf, mode, readonly):
    """S204."""
    device = factories.volume_device("vdb", access_mode=mode)
    assert disk_of(conf, device).readonly is readonly


@pytest.mark.parametrize(
    ("name", "asked", "default", "bus"),
    [
        ("vdb", None, None, "virtio"),
        ("vdb", None, "scsi", "scsi"),
        ("vdb", "sata", "scsi", "sata"),
        ("sdb", None, None, "scsi"),
    ],
)
def test_bus(conf, name, asked, default, bus):
    device = {**factories.volume_device(name), "disk_bus": asked}
    assert disk_of(conf, device, default_bus=default).bus == bus


@pytest.mark.parametrize(("boot_index", "order"), [(0, 1), (2, 3), (-1, None), (None, None)])
def test_boot_order(conf, boot_index, order):
    device = factories.volume_device("vda", boot_index=boot_index)
    assert disk_of(conf, device).boot_order == order


@pytest.mark.parametrize("kind", registry.KNOWN)
def test_cinders_word_alone_decides(conf, kind):
    """S21, S208: ``driver_volume_type``, not what the data look like."""
    device = factories.volume_device("vdb")
    device["connection_info"]["driver_volume_type"] = kind
    found = transports_of(conf).of(device["connection_info"])
    assert type(found) is registry.KNOWN[kind]


def test_an_unknown_transport_is_named(conf):
    """S21, S208."""
    device = factories.volume_device("vdb")
    device["connection_info"]["driver_volume_type"] = "floppynet"
    with pytest.raises(exceptions.InvalidVolume, match="floppynet"):
        disk_of(conf, device)


@pytest.mark.parametrize(
    "data", [{"device_path": "relative"}, {"device_path": ""}, {"format": "vmdk"}]
)
def test_a_local_volume_that_makes_no_sense(conf, data):
    device = factories.volume_device("vdb")
    device["connection_info"]["data"].update(data)
    with pytest.raises(exceptions.InvalidVolume):
        disk_of(conf, device)


def test_connecting_a_file_that_is_not_there(conf, tmp_path):
    device = factories.volume_device("vdb", path=tmp_path / "missing")
    transport = transports_of(conf).of(device["connection_info"])
    with pytest.raises(exceptions.InvalidVolume, match="not a file"):
        transport.connect(device["connection_info"])
    transport.disconnect(device["connection_info"])
