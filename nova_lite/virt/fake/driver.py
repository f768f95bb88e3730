"""The fake driver, put together from its parts."""

import pathlib

from oslo_config import cfg

from nova_lite.virt import capabilities
from nova_lite.virt import faults
from nova_lite.virt import interface
from nova_lite.virt.fake import disks
from nova_lite.virt.fake import guests
from nova_lite.virt.fake import host
from nova_lite.virt.fake import volumes
from nova_lite.virt.fake import world as fake_world


class FakeDriver:
    """The whole driver: an :class:`nova_lite.virt.interface.Driver`.

    ``faults`` plans failures; ``world`` is what there is, for tests to look at.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        path = pathlib.Path(conf.state_path) / "fake_driver.json" if conf.fake.persist else None
        self.world = fake_world.World(path)
        self.faults = faults.Faults()
        for text in conf.fake.faults:
            self.faults.plan_from_text(text)
        self.capabilities = capabilities.Capabilities(
            supports_boot_order=conf.fake.supports_boot_order
        )
        self.guests = guests.FakeGuests(self.world, self.faults)
        if not self.capabilities.supports_boot_order:
            self.guests.max_boot_devices = 1
        self.power = guests.FakePower(self.world, self.faults)
        self.images: interface.ImageOps = disks.FakeImages()
        self.disks = disks.FakeDisks(self.world, self.faults)
        self.snapshots = disks.FakeSnapshots(conf, self.world, self.faults)
        self.volumes = volumes.FakeVolumes(conf, self.world, self.faults)
        self.consoles = guests.FakeConsoles(self.world, self.faults)
        self.host = host.FakeHost(conf, self.world, self.faults)
        self.inventory = host.FakeInventory(self.world, self.faults)
