"""What is on a libvirt host: :class:`nova_lite.virt.interface.InventoryOps`."""

import collections.abc
import pathlib

from oslo_config import cfg

from nova_lite import concurrency
from nova_lite import durable
from nova_lite import exceptions
from nova_lite import objects
from nova_lite.virt import interface
from nova_lite.virt import volume_users
from nova_lite.virt.libvirt import guest
from nova_lite.virt.libvirt import ownership
from nova_lite.virt.libvirt import rbd_inventory
from nova_lite.virt.libvirt import xml
from nova_lite.virt.libvirt.disks import directory


class LibvirtInventory(interface.InventoryOps):
    """Reads domains, folders and this host's own records."""

    def __init__(self, conf: cfg.ConfigOpts, own: ownership.OwnGuests) -> None:
        self._conf = conf
        self._own = own
        self._users = volume_users.VolumeUsers(conf.state_path)
        self._rbd = rbd_inventory.RbdInventory(conf)

    def guests(self, instance_uuid: str | None = None) -> list[objects.InventoryGuest]:
        """Our domains, in any state; one that vanishes meanwhile is left out."""
        found = []
        for each in self._listed(instance_uuid):
            try:
                found.append(_counted(each))
            except exceptions.GuestNotFound:
                continue
        return found

    def folders(self, instance_uuid: str | None = None) -> list[objects.InventoryFolder]:
        """The servers' directories."""
        listed = directory.list_instances(self._conf)
        return [
            _folder(directory.InstanceDirectory(self._conf, uuid), uuid)
            for uuid in listed
            if instance_uuid in (None, uuid)
        ]

    def connections(self, instance_uuid: str | None = None) -> list[objects.InventoryConnection]:
        """By this host's record."""
        return [
            objects.InventoryConnection(volume_id=volume_id, instance_uuid=user)
            for volume_id, users in self._users.all().items()
            for user in sorted(users)
            if instance_uuid in (None, user)
        ]

    def images(self, instance_uuid: str | None = None) -> list[objects.InventoryImage]:
        """Of one server those that its guest has, be they disks or volumes; else the
        disks of all servers."""
        if instance_uuid is None:
            return self._rbd.of_servers()
        sources = {
            disk.source
            for each in self._listed(instance_uuid)
            for disk in each.persistent().disks
            if disk.network is not None and disk.network.protocol == "rbd"
        }
        return self._rbd.of_guest(sources)

    def _listed(self, instance_uuid: str | None) -> list[guest.Guest]:
        if instance_uuid is None:
            return self._own.list()
        try:
            return [self._own.get(instance_uuid)]
        except exceptions.GuestNotFound:
            return []


def _counted(found: guest.Guest) -> objects.InventoryGuest:
    live = found.live()
    return objects.InventoryGuest(
        instance_uuid=found.uuid,
        name=found.name,
        power_state=int(found.power_state()),
        live=None if live is None else _disks(live.disks),
        defined=_disks(found.persistent().disks),
    )


def _disks(disks: collections.abc.Iterable[xml.Disk]) -> list[objects.InventoryDisk]:
    return [
        objects.InventoryDisk(
            device=disk.target,
            serial=disk.serial,
            source=disk.source,
            source_type=disk.source_type,
            is_missing=_is_missing(disk),
        )
        for disk in disks
    ]


def _is_missing(disk: xml.Disk) -> bool:
    if disk.source_type == "network" or not disk.source:
        return False
    # A file on NFS can keep who asks waiting.
    return not concurrency.in_native_thread(pathlib.Path(disk.source).exists)


def _folder(found: directory.InstanceDirectory, instance_uuid: str) -> objects.InventoryFolder:
    try:
        names = sorted(path.name for path in found.path.iterdir())
    except FileNotFoundError:
        # Removed between the list and the look.
        names = []
    return objects.InventoryFolder(
        instance_uuid=instance_uuid,
        files=names,
        leftovers=[name for name in names if name.endswith(durable.TEMPORARY_SUFFIX)],
    )
