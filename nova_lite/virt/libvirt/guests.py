"""Guests of libvirt: :class:`nova_lite.virt.interface.GuestOps`."""

import collections.abc
import logging

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.virt import interface
from nova_lite.virt.libvirt import guest
from nova_lite.virt.libvirt import guestbuild
from nova_lite.virt.libvirt import ownership
from nova_lite.virt.libvirt import places

LOG = logging.getLogger(__name__)


class LibvirtGuests(interface.GuestOps):
    """Defines, starts, finds and removes domains."""

    def __init__(self, own: ownership.OwnGuests, builder: guestbuild.GuestBuilder) -> None:
        self._own = own
        self._builder = builder

    def spawn(
        self,
        instance: objects.Instance,
        image_meta: objects.ImageMeta,
        block_device_info: interface.BlockDeviceInfo,
        root_image: interface.RootImage | None,
    ) -> None:
        """Define and start the domain; undefine it if it does not start.

        :raises nova_lite.exceptions.HypervisorError: it exists already, or
            libvirt will not have it.
        """
        if self._exists(instance.uuid):
            raise exceptions.HypervisorError(reason=f"guest {instance.uuid} exists already")
        domain = self._builder.build(instance, image_meta, block_device_info, root_image)
        LOG.debug("Defining guest %s:\n%s", instance.uuid, domain.to_xml())
        defined = self._own.connection.define(domain)
        try:
            defined.start()
        except exceptions.NovaLiteError:
            self._undo_define(defined)
            raise

    def device_places(
        self,
        instance: objects.Instance,
        image_meta: objects.ImageMeta,
        block_device_info: interface.BlockDeviceInfo,
        root_image: interface.RootImage | None,
    ) -> dict[str, interface.DevicePlace]:
        """As the domain that would be defined says."""
        domain = self._builder.build(instance, image_meta, block_device_info, root_image)
        return {disk.target: places.of(disk) for disk in domain.disks}

    def destroy(self, instance_uuid: str) -> None:
        """Stop and undefine the domain."""
        try:
            found = self._own.get(instance_uuid)
            found.stop()
            found.undefine()
        except exceptions.GuestNotFound:
            return

    def list_guests(self) -> list[interface.GuestInfo]:
        """Our domains, in any state."""
        return [_info(each) for each in self._own.list()]

    def info(self, instance_uuid: str) -> interface.GuestInfo:
        """One of our domains."""
        return _info(self._own.get(instance_uuid))

    def on_lifecycle_event(
        self, callback: collections.abc.Callable[[interface.GuestInfo], None]
    ) -> None:
        """Call back with the state that libvirt reports when it is asked
        after the event: events may arrive late."""

        def report(instance_uuid: str) -> None:
            try:
                callback(self.info(instance_uuid))
            except exceptions.GuestNotFound:
                LOG.debug("Guest %s changed and is gone", instance_uuid)

        self._own.connection.events.on_power_changed(report)

    def _exists(self, instance_uuid: str) -> bool:
        try:
            self._own.connection.lookup(instance_uuid)
        except exceptions.GuestNotFound:
            return False
        return True

    def _undo_define(self, defined: guest.Guest) -> None:
        try:
            defined.undefine()
        except exceptions.NovaLiteError:
            LOG.exception("Guest %s did not start and stays defined", defined.uuid)


def _info(found: guest.Guest) -> interface.GuestInfo:
    return interface.GuestInfo(found.uuid, found.name, found.power_state())
