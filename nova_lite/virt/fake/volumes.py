"""Volumes of the fake hypervisor."""

import collections.abc
import typing

from oslo_config import cfg

from nova_lite import exceptions
from nova_lite.virt import faults
from nova_lite.virt import interface
from nova_lite.virt import naming
from nova_lite.virt.fake import world as fake_world
from nova_lite.volume import keys


class FakeVolumes(fake_world.Part, interface.VolumeOps):
    """Volumes as ids in sets."""

    part = "volumes"

    def __init__(
        self, conf: cfg.ConfigOpts, world: fake_world.World, injected: faults.Faults
    ) -> None:
        super().__init__(world, injected)
        self._conf = conf

    @faults.injectable
    def connector(self) -> dict[str, typing.Any]:
        """A connector of this host."""
        return naming.host_connector(self._conf)

    @faults.injectable
    def connect(
        self,
        connection_info: interface.ConnectionInfo,
        instance_uuid: str,
        encryption: keys.Encryption | None = None,
    ) -> None:
        """Remember the volume's id and its user.

        :raises nova_lite.exceptions.InvalidVolume: it is encrypted, and nothing
            was given that opens it.
        """
        if connection_info.get("data", {}).get("encrypted") and encryption is None:
            raise exceptions.InvalidVolume(reason="it is encrypted, and nothing opens it")
        users = self.world.connected.setdefault(naming.connection_id_of(connection_info), [])
        if instance_uuid not in users:
            users.append(instance_uuid)
        self.world.save()

    @faults.injectable
    def disconnect(self, connection_info: interface.ConnectionInfo, instance_uuid: str) -> None:
        """Forget the user, and with the last one the volume.

        :raises nova_lite.exceptions.HypervisorError: a guest that is to be
            disconnected still has it.
        """
        volume_id = naming.connection_id_of(connection_info)
        others = self.users(volume_id) - {instance_uuid}
        for uuid, guest in self.world.guests.items():
            if volume_id in guest.backed_by.values() and uuid not in others:
                raise exceptions.HypervisorError(reason=f"guest {uuid} uses volume {volume_id}")
        if others:
            self.world.connected[volume_id] = sorted(others)
        else:
            self.world.connected.pop(volume_id, None)
        self.world.save()

    def users(self, volume_id: str) -> frozenset[str]:
        """As remembered."""
        return frozenset(self.world.connected.get(volume_id, ()))

    @faults.injectable
    def plug(self, instance_uuid: str, device: interface.VolumeDevice) -> None:
        """Give it to the guest.

        :raises nova_lite.exceptions.HypervisorError: it is not connected.
        """
        guest = self.world.guest(instance_uuid)
        volume_id = naming.volume_id_of(device["connection_info"])
        if volume_id in guest.volumes:
            if volume_id in guest.undefined:
                guest.undefined.remove(volume_id)
                self.world.save()
            return
        guest.backed_by[volume_id] = fake_world.connected(self.world, device, instance_uuid)
        taken = {*guest.local_disks, *guest.volumes.values()}
        target = naming.target_name(device["mount_device"])
        guest.volumes[volume_id] = naming.free_target_name(target, taken)
        self.world.save()

    @faults.injectable
    def unplug(self, instance_uuid: str, volume_id: str) -> None:
        """Take it from the guest."""
        guest = self.world.guests.get(instance_uuid)
        if guest is not None and guest.volumes.pop(volume_id, None) is not None:
            guest.backed_by.pop(volume_id)
            guest.sizes_bytes.pop(volume_id, None)
            self.world.save()

    @faults.injectable
    def extend(
        self, instance_uuid: str, connection_info: interface.ConnectionInfo, size_bytes: int
    ) -> None:
        """Remember the size."""
        guest = self.world.guests.get(instance_uuid)
        volume_id = naming.volume_id_of(connection_info)
        if guest is not None and guest.is_running and volume_id in guest.volumes:
            guest.sizes_bytes[volume_id] = size_bytes
            self.world.save()

    @faults.injectable
    def swap(
        self,
        instance_uuid: str,
        old: interface.ConnectionInfo,
        new: interface.VolumeDevice,
        *,
        is_wanted: collections.abc.Callable[[], bool],
    ) -> None:
        """Remember on which volume the disk is; copying takes no time.

        :raises nova_lite.exceptions.HypervisorError: it has no such disk, or the
            new volume is not connected.
        """
        guest = self.world.guest(instance_uuid)
        if not guest.is_running:
            raise exceptions.GuestNotFound(instance_uuid=instance_uuid)
        old_id = naming.volume_id_of(old)
        if old_id not in guest.volumes:
            raise exceptions.HypervisorError(reason=f"guest {instance_uuid} has no {old_id}")
        destination = fake_world.connected(self.world, new, instance_uuid)
        if guest.backed_by[old_id] != destination and not is_wanted():
            raise exceptions.VolumeCopyStopped(device=guest.volumes[old_id], copied_percent=0)
        guest.backed_by[old_id] = destination
        self.world.save()

    @faults.injectable
    def abandon_swap(self, instance_uuid: str, connection_info: interface.ConnectionInfo) -> None:
        """None is ever under way."""

    @faults.injectable
    def is_backed_by(
        self, instance_uuid: str, volume_id: str, connection_info: interface.ConnectionInfo
    ) -> bool:
        """By the ids."""
        guest = self.world.guest(instance_uuid)
        return guest.backed_by.get(volume_id) == naming.connection_id_of(connection_info)

    @faults.injectable
    def list_disks(self, instance_uuid: str) -> list[interface.GuestDisk]:
        """Local disks, then volumes."""
        guest = self.world.guest(instance_uuid)
        local = [
            interface.GuestDisk(target, None, f"{instance_uuid}/{file_name}")
            for target, file_name in guest.local_disks.items()
        ]
        volumes = [
            interface.GuestDisk(target, volume_id, f"volume-{volume_id}")
            for volume_id, target in guest.volumes.items()
        ]
        return local + volumes
