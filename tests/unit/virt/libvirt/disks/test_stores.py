"""``[libvirt] images_type`` chooses where images and disks are."""

from unittest import mock

import pytest
from lxml import etree

from nova_lite import conf as conf_module
from nova_lite.image import cache
from nova_lite.virt.libvirt import connection
from nova_lite.virt.libvirt import xml
from nova_lite.virt.libvirt.disks import backends
from nova_lite.virt.libvirt.disks import directory
from nova_lite.virt.libvirt.disks import local
from nova_lite.virt.libvirt.disks import rbd
from nova_lite.virt.libvirt.disks import rbd_images
from nova_lite.virt.libvirt.disks import stores

SERVER = "7d3ab2a2-98a5-4a5f-9c0f-2f1b0f5f9c11"


def stores_of(tmp_path, images_type):
    conf = conf_module.new(
        files=[],
        default__state_path=str(tmp_path),
        libvirt__images_type=images_type,
    )
    connected = mock.create_autospec(connection.Connection, instance=True)
    return conf, *stores.of(conf, connected, "4b1c4d8c-54d3-4b1c-9a3f-3b6d2a1f7a11")


@pytest.mark.parametrize(
    ("images_type", "kinds"),
    [
        ("qcow2", (cache.ImageCache, local.LocalDisks)),
        ("raw", (cache.ImageCache, local.LocalDisks)),
        ("flat", (cache.ImageCache, local.LocalDisks)),
        ("rbd", (rbd_images.RbdImages, rbd.RbdDisks)),
    ],
)
def test_every_type(tmp_path, images_type, kinds):
    """S17."""
    _, images, disks = stores_of(tmp_path, images_type)
    assert (type(images), type(disks)) == kinds


@pytest.mark.parametrize(
    ("images_type", "disk_format"), [("qcow2", "qcow2"), ("raw", "raw"), ("flat", "raw")]
)
def test_what_a_domain_says_of_a_disk(tmp_path, images_type, disk_format):
    """S17; of one in Ceph: tests/conformance/test_rbd_disks.py."""
    conf, _, disks = stores_of(tmp_path, images_type)
    files = directory.InstanceDirectory(conf, SERVER)
    files.make()
    files.record_formats({"disk": backends.BACKENDS[images_type].disk_format})
    source = disks.source_of(SERVER, "disk")
    disk = xml.Disk(
        source=source.path,
        target="vda",
        driver_format=source.disk_format,
        source_type=source.source_type,
    )
    element = etree.fromstring(disk.to_xml())
    assert element.get("type") == "file"
    assert element.find("driver").get("type") == disk_format


def test_an_unknown_type_names_those_that_are_known(tmp_path):
    """S18."""
    with pytest.raises(ValueError, match=r"raw, qcow2, flat, rbd.*'ploop'"):
        stores_of(tmp_path, "ploop")
