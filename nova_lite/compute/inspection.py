"""What this host has, for whoever compares it with what it should have, and the
few things it may then be asked to put right."""

import collections.abc
import json
import logging
import typing

from nova_lite import exceptions
from nova_lite import locks
from nova_lite import objects
from nova_lite.compute import task
from nova_lite.compute import writeahead
from nova_lite.virt import interface
from nova_lite.volume import host_side

LOG = logging.getLogger(__name__)

MAX_ENTRIES = 20_000
"""Of each part in one answer: more is no inventory but a load on the broker."""


class Inspection:
    """Reads the driver and this host's records."""

    def __init__(
        self,
        host: str,
        driver: interface.Driver,
        tasks: task.Tasks,
        log: writeahead.WriteAheadLog,
        instance_locks: locks.Locks,
    ) -> None:
        self._host = host
        self._driver = driver
        self._tasks = tasks
        self._log = log
        self._locks = instance_locks

    def inventory(self, instance_uuid: str | None) -> objects.HostInventory:
        """Everything, or all about one server. A part that cannot be read is
        ``unknown``, and does not keep the others."""
        driver = self._driver.inventory
        inventory = objects.HostInventory(
            host=self._host,
            node_uuid=self._driver.host.node_uuid(),
            operations=sorted(self._tasks.active | self._log.ids()),
        )
        part: collections.abc.Callable[[str | None], list[typing.Any]]
        for name, part in (
            ("guests", driver.guests),
            ("folders", driver.folders),
            ("connections", driver.connections),
            ("images", driver.images),
        ):
            try:
                found = part(instance_uuid)
            except (exceptions.NovaLiteError, OSError) as error:
                LOG.warning("No inventory of %s: %s", name, error)
                inventory.unknown[name] = str(error)
                continue
            if len(found) > MAX_ENTRIES:
                inventory.unknown[name] = f"more than {MAX_ENTRIES} of them"
                continue
            setattr(inventory, name, found)
        return inventory

    def plug_again(self, instance_uuid: str, device: objects.BlockDeviceMapping) -> None:
        """Let the guest's definition have what runs, or the other way round.

        :raises nova_lite.exceptions.Conflict: neither has the volume: that is no
            slip of a definition, and nothing to be put right without asking.
        :raises nova_lite.exceptions.GuestNotFound: no such guest.
        """
        with self._locks.hold(instance_uuid, "mend its definition"):
            found = self._driver.inventory.guests(instance_uuid)
            if not found:
                raise exceptions.GuestNotFound(instance_uuid=instance_uuid)
            disks = [*(found[0].live or ()), *found[0].defined]
            serial = host_side.serial_of(device)
            if not device.connection_info or serial not in {d.serial for d in disks}:
                raise exceptions.Conflict(
                    reason=f"The guest of {instance_uuid} has no volume {device.volume_id}."
                )
            self._driver.volumes.plug(
                instance_uuid,
                {
                    "connection_info": json.loads(device.connection_info),
                    "mount_device": device.device_name,
                    "attachment_id": device.attachment_id,
                    "boot_index": device.boot_index,
                    "delete_on_termination": device.delete_on_termination,
                    "device_type": device.device_type,
                    "disk_bus": device.disk_bus,
                    "guest_format": device.guest_format,
                },
            )
