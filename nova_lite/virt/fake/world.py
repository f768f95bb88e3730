"""What there is on the fake hypervisor: guests, disks, connections."""

import dataclasses
import json
import pathlib
import typing

from nova_lite import durable
from nova_lite import exceptions
from nova_lite import states
from nova_lite.virt import faults
from nova_lite.virt import interface
from nova_lite.virt import naming


@dataclasses.dataclass
class FakeGuest:
    """One guest. ``volumes`` is the volume's id -> target name (``vdb``)."""

    name: str
    power_state: states.PowerState
    local_disks: dict[str, str] = dataclasses.field(default_factory=dict)
    volumes: dict[str, str] = dataclasses.field(default_factory=dict)
    boot_order: list[str] = dataclasses.field(default_factory=list)
    """Names of the disks its firmware tries, the first one first."""
    sizes_bytes: dict[str, int] = dataclasses.field(default_factory=dict)
    """What it has been told of its volumes' sizes, by id."""
    backed_by: dict[str, str] = dataclasses.field(default_factory=dict)
    """A volume's id -> id of the connection that its data are behind: another one
    when they were moved."""
    undefined: list[str] = dataclasses.field(default_factory=list)
    """Ids of the volumes that it has and will not have after its next start."""

    @property
    def is_running(self) -> bool:
        """Whether it has its disks open."""
        return self.power_state in (states.PowerState.RUNNING, states.PowerState.PAUSED)


@dataclasses.dataclass
class World:
    """Everything the fake host has; outlives the driver if a path is given.

    No connection_info is kept, only volume ids: it holds secrets.
    """

    path: pathlib.Path | None = None
    guests: dict[str, FakeGuest] = dataclasses.field(default_factory=dict)
    local_disks: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    """Instance -> target name -> file name."""
    config_drives: dict[str, dict[str, bytes]] = dataclasses.field(default_factory=dict)
    """Instance -> path -> content; not written down, it may hold a password."""
    connected: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    """Ids of the volumes this host is connected to -> UUIDs of the servers it is for."""
    snapshots: dict[str, str] = dataclasses.field(default_factory=dict)
    """Snapshot -> its instance."""

    def guest(self, instance_uuid: str) -> FakeGuest:
        """The guest, or :exc:`~nova_lite.exceptions.GuestNotFound`."""
        try:
            return self.guests[instance_uuid]
        except KeyError:
            raise exceptions.GuestNotFound(instance_uuid=instance_uuid) from None

    def save(self) -> None:
        """Write it down, if it is to outlive the process."""
        if self.path is None:
            return
        content = {
            "guests": {uuid: dataclasses.asdict(guest) for uuid, guest in self.guests.items()},
            "local_disks": self.local_disks,
            "connected": self.connected,
            "snapshots": self.snapshots,
        }
        durable.write_text(self.path, json.dumps(content))

    def load(self) -> None:
        """Read what an earlier process wrote down."""
        if self.path is None or not self.path.exists():
            return
        content = json.loads(self.path.read_text())
        self.guests = {
            uuid: FakeGuest(**{**guest, "power_state": states.PowerState(guest["power_state"])})
            for uuid, guest in content["guests"].items()
        }
        self.local_disks = content["local_disks"]
        self.connected = content["connected"]
        self.snapshots = content.get("snapshots", {})


class Part:
    """What the parts share: the world and the planned faults."""

    part: typing.ClassVar[str]

    def __init__(self, world: World, injected: faults.Faults) -> None:
        self.world = world
        self.faults = injected


def connected(world: World, device: interface.VolumeDevice, instance_uuid: str) -> str:
    """The id of a volume's connection, which must be there for the server."""
    connection_id = naming.connection_id_of(device["connection_info"])
    if instance_uuid not in world.connected.get(connection_id, ()):
        raise exceptions.HypervisorError(
            reason=f"volume {connection_id} is not connected for {instance_uuid}"
        )
    return connection_id
