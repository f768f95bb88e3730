"""Power of libvirt's guests: :class:`nova_lite.virt.interface.PowerOps`."""

from nova_lite import concurrency
from nova_lite.virt import interface
from nova_lite.virt.libvirt import ownership
from nova_lite.virt.libvirt.disks import storage

SHUTDOWN_POLL_S = 0.5


class LibvirtPower(interface.PowerOps):
    """Starts and stops domains."""

    def __init__(self, own: ownership.OwnGuests, disks: storage.Storage) -> None:
        self._own = own
        self._disks = disks

    def power_on(self, instance_uuid: str) -> None:
        """Start the domain, when its disks can be opened, unless it runs."""
        found = self._own.get(instance_uuid)
        if not found.is_active():
            self._disks.prepare_start(found)
            found.start()

    def power_off(
        self,
        instance_uuid: str,
        timeout_s: float,
        *,
        is_wanted: interface.IsWanted = interface.wanted,
    ) -> None:
        """Press the power button, wait, and pull the plug if it still runs."""
        found = self._own.get(instance_uuid)
        if timeout_s > 0 and found.is_active():
            found.ask_to_shut_down()
            concurrency.wait_until(
                lambda: not (found.is_active() and is_wanted()), timeout_s, SHUTDOWN_POLL_S
            )
        if is_wanted():
            found.stop()
