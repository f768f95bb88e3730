"""Which driver serves this host."""

import importlib
import typing

from oslo_config import cfg

from nova_lite.virt import interface

DRIVERS: typing.Final = {
    "libvirt": ("nova_lite.virt.libvirt.driver", "LibvirtDriver"),
    "fake": ("nova_lite.virt.fake", "FakeDriver"),
}
"""Name in ``[compute] driver``: its module, imported when needed, and class."""


def load(conf: cfg.ConfigOpts) -> interface.Driver:
    """The driver that ``[compute] driver`` names, not yet started.

    Call ``driver.host.start()`` before anything else.
    """
    module, name = DRIVERS[conf.compute.driver]
    driver: interface.Driver = getattr(importlib.import_module(module), name)(conf)
    return driver
