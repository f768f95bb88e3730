"""Volumes of libvirt's guests: :class:`nova_lite.virt.interface.VolumeOps`."""

import collections.abc
import dataclasses
import functools
import logging
import time
import typing

from oslo_config import cfg

from nova_lite import exceptions
from nova_lite.virt import interface
from nova_lite.virt import naming
from nova_lite.virt import sizes
from nova_lite.virt import volume_users
from nova_lite.virt.libvirt import events
from nova_lite.virt.libvirt import guest
from nova_lite.virt.libvirt import ownership
from nova_lite.virt.libvirt import xml
from nova_lite.virt.libvirt.volumes import copying
from nova_lite.virt.libvirt.volumes import registry
from nova_lite.virt.libvirt.volumes import transports
from nova_lite.volume import connector
from nova_lite.volume import keys

LOG = logging.getLogger(__name__)

LUKS_PROVIDERS = ("luks", "nova.volume.encryptors.luks.LuksEncryptor")
"""Cinder's names of LUKS version 1, which QEMU opens by itself."""

_LOOK_INTERVAL_S = 1.0
"""Events can be lost with the connection: look for the device this often."""


class LibvirtVolumes(interface.VolumeOps):
    """Connects volumes to the host and plugs them into domains."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        own: ownership.OwnGuests,
        known: registry.Transports,
        connectors: connector.HostConnectors,
    ) -> None:
        self._conf = conf
        self._own = own
        self._transports = known
        self._connectors = connectors
        self._users = volume_users.VolumeUsers(conf.state_path)

    def connector(self) -> dict[str, typing.Any]:
        """This host, for Cinder."""
        return self._connectors.properties()

    def connect(
        self,
        connection_info: interface.ConnectionInfo,
        instance_uuid: str,
        encryption: keys.Encryption | None = None,
    ) -> None:
        """By the volume's transport; libvirt keeps what opens an encrypted one."""
        connection_id = naming.connection_id_of(connection_info)
        transport = self._transports.of(connection_info)
        _check_encryption(connection_info, encryption)
        with self._users.joining(connection_id, instance_uuid):
            transport.connect(connection_info)
            if encryption is not None:
                secret = _luks_secret(connection_id)
                self._own.connection.keep_secret(secret, encryption.passphrase)

    def disconnect(self, connection_info: interface.ConnectionInfo, instance_uuid: str) -> None:
        """By the volume's transport, when the last user goes."""
        connection_id = naming.connection_id_of(connection_info)
        if not self._transports.know(connection_info) and not self.users(connection_id):
            # The attempt to connect was refused before it did anything; were this an
            # error, the volume could never be released again.
            return
        with self._users.leaving(connection_id, instance_uuid) as is_last:
            if is_last:
                if connection_info.get("data", {}).get("encrypted"):
                    self._own.connection.remove_secret(_luks_secret(connection_id).uuid)
                self._transports.of(connection_info).disconnect(connection_info)

    def users(self, volume_id: str) -> frozenset[str]:
        """By this host's record."""
        return self._users.of(volume_id)

    def plug(self, instance_uuid: str, device: interface.VolumeDevice) -> None:
        """Give the disk to the running guest, to its definition, or to both:
        to whichever lacks it. The next free letter is taken if another disk
        of either has the one asked for (D8)."""
        found = self._own.get(instance_uuid)
        volume_id = naming.volume_id_of(device["connection_info"])
        live, persistent = found.live(), found.persistent()
        needs_live = live is not None and live.disk_with_serial(volume_id) is None
        kept = persistent.disk_with_serial(volume_id)
        needs_persistent = kept is None
        if live is None and kept is not None:
            self._follow(found, kept, device)
        if not (needs_live or needs_persistent):
            return
        taken = {disk.target for domain in (live, persistent) if domain for disk in domain.disks}
        disk = self._transports.disk_of(device)
        disk = dataclasses.replace(
            disk,
            target=naming.free_target_name(disk.target, taken),
            # The firmware reads the order at the next start, from Nova's view
            # of the devices; a disk plugged in later is never in it.
            boot_order=None,
        )
        found.attach(disk, live=needs_live, persistent=needs_persistent)

    def _follow(self, found: guest.Guest, kept: xml.Disk, device: interface.VolumeDevice) -> None:
        """Have the definition of a stopped guest name the source that the volume has
        now: a device or a monitor may be called otherwise after a restart."""
        wanted = self._transports.disk_of(device)
        if (kept.source, kept.network) == (wanted.source, wanted.network):
            return
        found.redefine(
            dataclasses.replace(
                kept,
                source=wanted.source,
                source_type=wanted.source_type,
                network=wanted.network,
            )
        )

    def unplug(self, instance_uuid: str, volume_id: str) -> None:
        """Take the disk out of the running guest, then out of the definition:
        a guest that refuses keeps both, and so a restart changes nothing."""
        try:
            found = self._own.get(instance_uuid)
        except exceptions.GuestNotFound:
            return
        self._unplug_live(found, volume_id)
        kept = found.persistent().disk_with_serial(volume_id)
        if kept is not None:
            found.forget(_alias_of(kept))

    def extend(
        self, instance_uuid: str, connection_info: interface.ConnectionInfo, size_bytes: int
    ) -> None:
        """By the volume's transport on the host, then in the running guest."""
        self._transports.of(connection_info).extend(connection_info)
        try:
            found = self._own.get(instance_uuid)
        except exceptions.GuestNotFound:
            return
        disk = _live_disk(found, naming.volume_id_of(connection_info))
        if disk is None:
            return
        if disk.luks_secret_uuid is not None:
            # The guest has what LUKS's header leaves, and QEMU adds that by itself. Volumes
            # are of whole GiB, so what is missing to one now is the header.
            size_bytes -= -found.disk_capacity(disk.target) % sizes.GIB
        found.resize_disk(disk.target, size_bytes)

    def swap(
        self,
        instance_uuid: str,
        old: interface.ConnectionInfo,
        new: interface.VolumeDevice,
        *,
        is_wanted: collections.abc.Callable[[], bool],
    ) -> None:
        """Have QEMU copy the disk."""
        found = self._own.get(instance_uuid)
        destination = self._transports.disk_of(new)
        if not found.is_active():
            raise exceptions.GuestNotFound(instance_uuid=instance_uuid)
        disk = _live_disk(found, naming.volume_id_of(old))
        if disk is None:
            raise exceptions.HypervisorError(
                reason=f"guest {instance_uuid} has no volume {naming.volume_id_of(old)}"
            )
        if disk.is_at(destination):
            copying.redefine(found, disk, destination)
        else:
            look_up = functools.partial(self._own.get, instance_uuid)
            copying.move(look_up, disk, destination, is_wanted)

    def abandon_swap(self, instance_uuid: str, connection_info: interface.ConnectionInfo) -> None:
        """End QEMU's job."""
        found = self._own.get(instance_uuid)
        disk = _live_disk(found, naming.volume_id_of(connection_info))
        if disk is not None:
            copying.abandon(found, disk)

    def is_backed_by(
        self, instance_uuid: str, volume_id: str, connection_info: interface.ConnectionInfo
    ) -> bool:
        """By the source of what runs now, or would run."""
        found = self._own.get(instance_uuid)
        domain = found.live() or found.persistent()
        disk = domain.disk_with_serial(volume_id)
        source = self._transports.of(connection_info).source(connection_info)
        return disk is not None and (disk.source_type, disk.source) == (
            source.source_type,
            source.path,
        )

    def list_disks(self, instance_uuid: str) -> list[interface.GuestDisk]:
        """What runs now, or what would run."""
        found = self._own.get(instance_uuid)
        domain = found.live() or found.persistent()
        return [interface.GuestDisk(d.target, d.serial, d.source) for d in domain.disks]

    def _unplug_live(self, found: guest.Guest, volume_id: str) -> None:
        attempts: int = self._conf.libvirt.device_detach_attempts
        disk = None
        for attempt in range(1, attempts + 1):
            disk = _live_disk(found, volume_id)
            if disk is None:
                return
            LOG.debug("Asking %s to release %s, attempt %d", found.uuid, disk.target, attempt)
            if self._request_removal(found, disk, volume_id):
                return
        if disk is not None:
            raise exceptions.DeviceDetachRefused(device=disk.target, attempts=attempts)

    def _request_removal(self, found: guest.Guest, disk: xml.Disk, volume_id: str) -> bool:
        """Ask once and wait for the answer; whether the guest let go."""
        alias = _alias_of(disk)
        with self._own.connection.events.watch_removal(found.uuid, alias) as watch:
            try:
                found.request_detach(alias)
            except exceptions.HypervisorError as error:
                # Gone meanwhile, or an earlier request is still open: look.
                LOG.debug("libvirt about the release of %s: %s", disk.target, error)
            return self._wait_for_removal(found, volume_id, watch)

    def _wait_for_removal(
        self, found: guest.Guest, volume_id: str, watch: events.RemovalWatch
    ) -> bool:
        end = time.monotonic() + self._conf.libvirt.device_detach_timeout_s
        while (remaining_s := end - time.monotonic()) > 0:
            answer = watch.wait(min(remaining_s, _LOOK_INTERVAL_S))
            if _live_disk(found, volume_id) is None:
                return True
            if answer is events.Removal.REFUSED:
                return False
        return False


def _luks_secret(connection_id: str) -> xml.Secret:
    return xml.Secret(
        transports.secret_uuid(connection_id, "volume"),
        "volume",
        f"nova-lite volume {connection_id}",
    )


def _check_encryption(
    connection_info: interface.ConnectionInfo, encryption: keys.Encryption | None
) -> None:
    """What is encrypted is only ever opened as such (CVE-2017-18191)."""
    if encryption is None:
        if connection_info.get("data", {}).get("encrypted"):
            raise exceptions.InvalidVolume(reason="it is encrypted, and nothing opens it")
        return
    if encryption.provider not in LUKS_PROVIDERS:
        raise exceptions.InvalidVolume(
            reason=f"it is encrypted by {encryption.provider!r}, and QEMU opens only luks"
        )


def _alias_of(disk: xml.Disk) -> str:
    """Its name in libvirt: ours, unless somebody else attached the volume."""
    if disk.alias is None:
        raise exceptions.HypervisorError(reason=f"disk {disk.target} has no alias")
    return disk.alias


def _live_disk(found: guest.Guest, volume_id: str) -> xml.Disk | None:
    live = found.live()
    return None if live is None else live.disk_with_serial(volume_id)
