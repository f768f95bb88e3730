"""The fake hypervisor's host, and what it finds on itself."""

import platform

from oslo_config import cfg

from nova_lite import durable
from nova_lite import objects
from nova_lite import states
from nova_lite.virt import faults
from nova_lite.virt import identity
from nova_lite.virt import interface
from nova_lite.virt import naming
from nova_lite.virt.fake import world as fake_world

HYPERVISOR_VERSION = 1_000_000


class FakeHost(fake_world.Part, interface.HostOps):
    """A host of configured size."""

    part = "host"

    def __init__(
        self, conf: cfg.ConfigOpts, world: fake_world.World, injected: faults.Faults
    ) -> None:
        super().__init__(world, injected)
        self._conf = conf

    @faults.injectable
    def start(self) -> None:
        """Read back what an earlier process kept."""
        self.world.load()

    @faults.injectable
    def resources(self) -> interface.HostResources:
        """The sizes of ``[fake]``."""
        return interface.HostResources(
            hypervisor_hostname=self._conf.host,
            hypervisor_type="fake",
            hypervisor_version=HYPERVISOR_VERSION,
            vcpus=self._conf.fake.vcpus,
            memory_mib=self._conf.fake.memory_mib,
            disk_gib=self._conf.fake.disk_gib,
            architecture=platform.machine(),
        )

    @faults.injectable
    def node_uuid(self) -> str:
        """From ``$state_path/compute_id``."""
        return identity.node_uuid(self._conf.state_path)


class FakeInventory(fake_world.Part, interface.InventoryOps):
    """The world, as it is."""

    part = "inventory"

    @faults.injectable
    def guests(self, instance_uuid: str | None = None) -> list[objects.InventoryGuest]:
        """All guests, or one."""
        return [
            _counted(self.world, uuid, guest)
            for uuid, guest in self.world.guests.items()
            if instance_uuid in (None, uuid)
        ]

    @faults.injectable
    def folders(self, instance_uuid: str | None = None) -> list[objects.InventoryFolder]:
        """The names of the files."""
        return [
            objects.InventoryFolder(
                instance_uuid=uuid,
                files=sorted(disks.values()),
                leftovers=sorted(
                    name for name in disks.values() if name.endswith(durable.TEMPORARY_SUFFIX)
                ),
            )
            for uuid, disks in self.world.local_disks.items()
            if instance_uuid in (None, uuid)
        ]

    @faults.injectable
    def connections(self, instance_uuid: str | None = None) -> list[objects.InventoryConnection]:
        """As remembered."""
        return [
            objects.InventoryConnection(volume_id=volume_id, instance_uuid=user)
            for volume_id, users in self.world.connected.items()
            for user in users
            if instance_uuid in (None, user)
        ]

    @faults.injectable
    def images(self, instance_uuid: str | None = None) -> list[objects.InventoryImage]:
        """There is no Ceph."""
        return []


def _counted(
    world: fake_world.World, instance_uuid: str, guest: fake_world.FakeGuest
) -> objects.InventoryGuest:
    kept = [*world.local_disks.get(instance_uuid, {}).values()]
    if instance_uuid in world.local_disks:
        # Config drives are not written down, so whether there was one is not known.
        kept.append(naming.CONFIG_DRIVE)
    local = [
        objects.InventoryDisk(
            device=target,
            source=f"{instance_uuid}/{file_name}",
            is_missing=file_name not in kept,
        )
        for target, file_name in guest.local_disks.items()
    ]
    volumes = [
        objects.InventoryDisk(device=target, serial=volume_id, source=f"volume-{volume_id}")
        for volume_id, target in guest.volumes.items()
    ]
    runs = guest.power_state in (states.PowerState.RUNNING, states.PowerState.PAUSED)
    return objects.InventoryGuest(
        instance_uuid=instance_uuid,
        name=guest.name,
        power_state=int(guest.power_state),
        live=local + volumes if runs else None,
        defined=local + [disk for disk in volumes if disk.serial not in guest.undefined],
    )
