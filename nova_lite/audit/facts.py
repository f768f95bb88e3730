"""What every source says, side by side, at one look."""

import collections
import collections.abc
import dataclasses
import datetime
import functools
import typing

from nova_lite import objects
from nova_lite import states
from nova_lite.db.queries import audit as queries
from nova_lite.volume import host_side
from nova_lite.volume import records

Device = objects.BlockDeviceMapping

HAS_GUEST = frozenset(
    {
        states.VmState.ACTIVE,
        states.VmState.PAUSED,
        states.VmState.STOPPED,
        states.VmState.SUSPENDED,
        states.VmState.RESCUED,
        states.VmState.RESIZED,
        states.VmState.SHELVED,
        states.VmState.SOFT_DELETED,
    }
)
"""States in which a server has a guest on its host."""


class Place(typing.NamedTuple):
    """A guest, and the host that has it."""

    host: str
    guest: objects.InventoryGuest

    @property
    def serials(self) -> set[str]:
        """Volumes that it has, or would have after a start."""
        disks = [*(self.guest.live or ()), *self.guest.defined]
        return {disk.serial for disk in disks if disk.serial}


@dataclasses.dataclass(frozen=True)
class Facts:
    """One look. What could not be asked is None: unknown, and never missing."""

    cell: queries.Cell
    api: queries.Api
    volumes: dict[str, records.Volume] | None
    attachments: dict[str, records.Attachment] | None
    """None if Cinder is silent; empty if it is too old to have any."""
    hosts: dict[str, objects.HostInventory | None]
    deleted: frozenset[str] = frozenset()
    """Servers that somebody speaks of and that are known to be deleted."""
    device_owners: dict[str, str] = dataclasses.field(default_factory=dict)
    """Devices that volumes were made for, as far as they exist -> server."""
    moving: frozenset[str] = frozenset()
    """Servers that something is, or was, done with during the look."""
    now: datetime.datetime = datetime.datetime.min
    """Naive UTC."""
    silence_s: float = 600
    reasons: dict[str, str] = dataclasses.field(default_factory=dict)
    """Why who did not answer did not."""

    # Servers

    @functools.cached_property
    def resting(self) -> list[objects.Instance]:
        """The servers that nothing is done with: the only ones to be judged."""
        return [s for s in self.cell.servers.values() if s.uuid not in self.moving]

    @functools.cached_property
    def resting_devices(self) -> list[tuple[objects.Instance, Device]]:
        """Their volumes."""
        servers = {server.uuid: server for server in self.resting}
        return [
            (servers[device.instance_uuid], device)
            for device in self.cell.devices
            if device.instance_uuid in servers and device.is_volume and device.volume_id
        ]

    @functools.cached_property
    def uses(self) -> dict[str, list[Device]]:
        """Each volume's devices, of any server that lives."""
        found: dict[str, list[Device]] = collections.defaultdict(list)
        for device in self.cell.devices:
            if device.volume_id:
                found[device.volume_id].append(device)
        return found

    def serials_of(self, instance_uuid: str) -> set[str]:
        """Serials of the disks that the server's guest should have: the volumes' ids, but
        for those that were swapped while it ran."""
        return {
            host_side.serial_of(device)
            for device in self.cell.devices
            if device.instance_uuid == instance_uuid and device.volume_id
        }

    def is_stranger(self, instance_uuid: str) -> bool:
        """Whether no database has ever heard of the server."""
        return not (
            instance_uuid in self.cell.servers
            or instance_uuid in self.api.asked_for
            or instance_uuid in self.deleted
            or instance_uuid in self.moving
        )

    def is_gone(self, instance_uuid: str) -> bool:
        """Whether the server is known to be deleted, and was so all the time."""
        return instance_uuid in self.deleted and instance_uuid not in self.moving

    # Hosts

    def knows(self, host: str | None, part: str) -> objects.HostInventory | None:
        """The host's inventory, if that part of it could be read."""
        inventory = self.hosts.get(host or "")
        return None if inventory is None or part in inventory.unknown else inventory

    def knowing(self, part: str) -> collections.abc.Iterator[objects.HostInventory]:
        """The hosts that could read that part."""
        for host in sorted(self.hosts):
            inventory = self.knows(host, part)
            if inventory is not None:
                yield inventory

    @functools.cached_property
    def places(self) -> dict[str, list[Place]]:
        """Where each guest is, by server."""
        found: dict[str, list[Place]] = collections.defaultdict(list)
        for inventory in self.knowing("guests"):
            for guest in inventory.guests:
                found[guest.instance_uuid].append(Place(inventory.host, guest))
        return found

    def place_of(self, server: objects.Instance) -> Place | None:
        """The server's guest, if it is on its host and nowhere else."""
        found = self.places.get(server.uuid, [])
        return found[0] if len(found) == 1 and found[0].host == server.host else None

    # Cinder

    @functools.cached_property
    def attachments_of(self) -> dict[str, list[records.Attachment]]:
        """By volume."""
        found: dict[str, list[records.Attachment]] = collections.defaultdict(list)
        for attachment in (self.attachments or {}).values():
            found[attachment.volume_id].append(attachment)
        return found
