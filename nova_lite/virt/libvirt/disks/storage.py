"""Where a guest's local disks are, for its domain."""

import abc

from nova_lite.virt import interface
from nova_lite.virt.libvirt import guest
from nova_lite.virt.libvirt.volumes import transports


class Storage(interface.DiskOps):
    """Local disks of servers on one kind of storage."""

    @abc.abstractmethod
    def capacity_bytes(self) -> int:
        """What this host has for local disks in all."""

    @abc.abstractmethod
    def source_of(self, instance_uuid: str, file_name: str) -> transports.Source:
        """What QEMU opens for a disk that was made.

        :param file_name: ``disk``, ``disk.config`` or another of the plan's names.
        :raises nova_lite.exceptions.HypervisorError: nothing is on record of it.
        """

    @abc.abstractmethod
    def prepare_start(self, found: guest.Guest) -> None:
        """Have what a guest that was stopped needs to open its disks: since it was
        defined, the host or what the disks are on may have been restarted.

        :raises nova_lite.exceptions.NovaLiteError: its disks cannot be opened now.
        """
