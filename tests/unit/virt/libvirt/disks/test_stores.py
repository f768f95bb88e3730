"""S17, S18: ``[libvirt] images_type`` chooses where images and disks are."""

from unittest import mock

import pytest

from nova_lite import conf as conf_module
from nova_lite.image import cache
from nova_lite.virt.libvirt import connection
from nova_lite.virt.libvirt.disks import local
from nova_lite.virt.libvirt.disks import rbd
from nova_lite.virt.libvirt.disks import rbd_images
from nova_lite.virt.libvirt.disks import stores


def stores_of(images_type):
    conf = conf_module.new(files=[], libvirt__images_type=images_type)
    connected = mock.create_autospec(connection.Connection, instance=True)
    images, disks = stores.of(conf, connected, "4b1c4d8c-54d3-4b1c-9a3f-3b6d2a1f7a11")
    return type(images), type(disks)


@pytest.mark.parametrize(
    ("images_type", "kinds"),
    [
        ("qcow2", (cache.ImageCache, local.LocalDisks)),
        ("raw", (cache.ImageCache, local.LocalDisks)),
        ("flat", (cache.ImageCache, local.LocalDisks)),
        ("rbd", (rbd_images.RbdImages, rbd.RbdDisks)),
    ],
)
def test_every_type(images_type, kinds):
    assert stores_of(images_type) == kinds


def test_an_unknown_type_names_those_that_are_known():
    with pytest.raises(ValueError, match=r"raw, qcow2, flat, rbd.*'ploop'"):
        stores_of("ploop")
