"""Guests of the fake hypervisor, their power and their consoles."""

import collections.abc

from nova_lite import exceptions
from nova_lite import objects
from nova_lite import states
from nova_lite.virt import faults
from nova_lite.virt import interface
from nova_lite.virt import naming
from nova_lite.virt.fake import world as fake_world


class FakeGuests(fake_world.Part, interface.GuestOps):
    """Guests as entries of a dictionary."""

    part = "guests"

    def __init__(self, world: fake_world.World, injected: faults.Faults) -> None:
        super().__init__(world, injected)
        self.max_boot_devices: int | None = None
        """How many devices the firmware tries; None is all of them."""
        self._callbacks: list[collections.abc.Callable[[interface.GuestInfo], None]] = []

    @faults.injectable
    def spawn(
        self,
        instance: objects.Instance,
        image_meta: objects.ImageMeta,
        block_device_info: interface.BlockDeviceInfo,
        root_image: interface.RootImage | None,
    ) -> None:
        """Define a running guest.

        :raises nova_lite.exceptions.HypervisorError: it exists, its disks do
            not, or one of its volumes is not connected.
        """
        if instance.uuid in self.world.guests:
            raise exceptions.HypervisorError(reason=f"guest {instance.uuid} exists already")
        if instance.uuid not in self.world.local_disks:
            raise exceptions.HypervisorError(reason=f"no disks were made for {instance.uuid}")
        volumes, backed_by = {}, {}
        for device in block_device_info["block_device_mapping"]:
            volume_id = naming.volume_id_of(device["connection_info"])
            backed_by[volume_id] = fake_world.connected(self.world, device, instance.uuid)
            volumes[volume_id] = naming.target_name(device["mount_device"])
        local_disks = dict(self.world.local_disks[instance.uuid])
        if instance.uuid in self.world.config_drives:
            taken = {*local_disks, *volumes.values()}
            local_disks[naming.free_target_name("sda", taken)] = naming.CONFIG_DRIVE
        self.world.guests[instance.uuid] = fake_world.FakeGuest(
            name=naming.guest_name(instance.uuid),
            power_state=states.PowerState.RUNNING,
            local_disks=local_disks,
            volumes=volumes,
            backed_by=backed_by,
            boot_order=_boot_order(block_device_info, root_image)[: self.max_boot_devices],
        )
        self.world.save()

    @faults.injectable
    def device_places(
        self,
        instance: objects.Instance,
        image_meta: objects.ImageMeta,
        block_device_info: interface.BlockDeviceInfo,
        root_image: interface.RootImage | None,
    ) -> dict[str, interface.DevicePlace]:
        """A slot each."""
        targets = [
            *self.world.local_disks[instance.uuid],
            *(
                naming.target_name(device["mount_device"])
                for device in block_device_info["block_device_mapping"]
            ),
        ]
        return {
            target: interface.DevicePlace("pci", f"0000:{slot:02x}:00.0")
            for slot, target in enumerate(targets, 1)
        }

    @faults.injectable
    def destroy(self, instance_uuid: str) -> None:
        """Forget the guest."""
        if self.world.guests.pop(instance_uuid, None) is not None:
            self.world.save()

    @faults.injectable
    def list_guests(self) -> list[interface.GuestInfo]:
        """All guests."""
        return [_info(uuid, guest) for uuid, guest in self.world.guests.items()]

    @faults.injectable
    def info(self, instance_uuid: str) -> interface.GuestInfo:
        """One guest."""
        return _info(instance_uuid, self.world.guest(instance_uuid))

    def on_lifecycle_event(
        self, callback: collections.abc.Callable[[interface.GuestInfo], None]
    ) -> None:
        """Call back at :meth:`change_power_state`."""
        self._callbacks.append(callback)

    def change_power_state(self, instance_uuid: str, power_state: states.PowerState) -> None:
        """Do what a guest does by itself: shut down, crash, pause."""
        guest = self.world.guest(instance_uuid)
        guest.power_state = power_state
        self.world.save()
        for callback in self._callbacks:
            callback(_info(instance_uuid, guest))


class FakePower(fake_world.Part, interface.PowerOps):
    """Power as a value."""

    part = "power"

    @faults.injectable
    def power_on(self, instance_uuid: str) -> None:
        """Set it to running."""
        self.world.guest(instance_uuid).power_state = states.PowerState.RUNNING
        self.world.save()

    @faults.injectable
    def power_off(
        self,
        instance_uuid: str,
        timeout_s: float,
        *,
        is_wanted: interface.IsWanted = interface.wanted,
    ) -> None:
        """Set it to shut down; fake guests always obey."""
        self.world.guest(instance_uuid).power_state = states.PowerState.SHUTDOWN
        self.world.save()


class FakeConsoles(fake_world.Part, interface.ConsoleOps):
    """Consoles as text that tests may set."""

    part = "consoles"

    def __init__(self, world: fake_world.World, injected: faults.Faults) -> None:
        super().__init__(world, injected)
        self.texts: dict[str, bytes] = {}

    @faults.injectable
    def output(self, instance_uuid: str) -> bytes:
        """What was set, or a line that says whose console it is."""
        self.world.guest(instance_uuid)
        text = self.texts.get(instance_uuid, f"fake console of {instance_uuid}\n".encode())
        return text[-interface.CONSOLE_BYTES_KEPT :]


def _info(instance_uuid: str, guest: fake_world.FakeGuest) -> interface.GuestInfo:
    return interface.GuestInfo(instance_uuid, guest.name, guest.power_state)


def _boot_order(
    block_device_info: interface.BlockDeviceInfo, root_image: interface.RootImage | None
) -> list[str]:
    indices = {
        naming.target_name(device["mount_device"]): device["boot_index"]
        for device in block_device_info["block_device_mapping"]
        if device["boot_index"] is not None and device["boot_index"] >= 0
    }
    if root_image is not None:
        indices[naming.target_name(block_device_info["root_device_name"] or "vda")] = 0
    return sorted(indices, key=lambda target: indices[target] or 0)
