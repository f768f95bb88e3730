"""A hypervisor that runs no guests but keeps track of everything.

It is complete: it passes the conformance suite that libvirt passes. It is
also strict, to catch callers in the wrong order: a guest cannot have a volume
that was not connected or a disk that was not made, and a volume that a guest
has cannot be disconnected. ``driver.faults`` makes any call fail, hang, be
slow or die.
"""

import collections.abc
import dataclasses
import json
import pathlib
import platform
import typing

from oslo_config import cfg

from nova_lite import durable
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import states
from nova_lite.image import aging
from nova_lite.virt import capabilities
from nova_lite.virt import faults
from nova_lite.virt import identity
from nova_lite.virt import interface
from nova_lite.virt import naming
from nova_lite.virt import sizes
from nova_lite.virt import snapshot_folder
from nova_lite.volume import keys

HYPERVISOR_VERSION = 1_000_000


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


class _Part:
    """What the parts share: the world and the planned faults."""

    part: typing.ClassVar[str]

    def __init__(self, world: World, injected: faults.Faults) -> None:
        self.world = world
        self.faults = injected


class FakeGuests(_Part, interface.GuestOps):
    """Guests as entries of a dictionary."""

    part = "guests"

    def __init__(self, world: World, injected: faults.Faults) -> None:
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
            backed_by[volume_id] = _connected(self.world, device, instance.uuid)
            volumes[volume_id] = naming.target_name(device["mount_device"])
        local_disks = dict(self.world.local_disks[instance.uuid])
        if instance.uuid in self.world.config_drives:
            taken = {*local_disks, *volumes.values()}
            local_disks[naming.free_target_name("sda", taken)] = naming.CONFIG_DRIVE
        self.world.guests[instance.uuid] = FakeGuest(
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


class FakePower(_Part, interface.PowerOps):
    """Power as a value."""

    part = "power"

    @faults.injectable
    def power_on(self, instance_uuid: str) -> None:
        """Set it to running."""
        self.world.guest(instance_uuid).power_state = states.PowerState.RUNNING
        self.world.save()

    @faults.injectable
    def power_off(self, instance_uuid: str, timeout_s: float) -> None:
        """Set it to shut down; fake guests always obey."""
        self.world.guest(instance_uuid).power_state = states.PowerState.SHUTDOWN
        self.world.save()


class FakeImages(interface.ImageOps):
    """Images that are there when they are asked for."""

    def start(self) -> None:
        """Nothing is left half-made."""

    def ensure(
        self,
        ctxt: typing.Any,
        image_meta: objects.ImageMeta,
        download: interface.Download,
        locate: interface.Locate,
        *,
        root_gib: int = 0,
    ) -> interface.RootImage:
        """An image whose data nobody fetched."""
        return interface.RootImage(
            image_meta.id, "", image_meta.disk_format, image_meta.size_bytes
        )

    def remove_unused(self, in_use: collections.abc.Container[str]) -> aging.Report:
        """There are none."""
        return aging.Report()


class FakeDisks(_Part, interface.DiskOps):
    """Local disks as file names."""

    part = "disks"

    @faults.injectable
    def create(
        self,
        instance: objects.Instance,
        block_device_info: interface.BlockDeviceInfo,
        root_image: interface.RootImage | None,
    ) -> str:
        """Remember which files there would be.

        :raises nova_lite.exceptions.FlavorDiskTooSmall: the image does not fit.
        """
        disks = {}
        if root_image is not None:
            sizes.root_size_bytes(instance, root_image)
            root = block_device_info["root_device_name"] or "vda"
            disks[naming.target_name(root)] = "disk"
        for index, ephemeral in enumerate(block_device_info["ephemerals"]):
            disks[naming.target_name(ephemeral["device_name"])] = f"disk.eph{index}"
        swap = block_device_info["swap"]
        if swap is not None:
            disks[naming.target_name(swap["device_name"])] = "disk.swap"
        self.world.local_disks[instance.uuid] = disks
        self.world.save()
        return str(interface.Copied())

    @faults.injectable
    def write_config_drive(
        self, instance_uuid: str, files: collections.abc.Mapping[str, bytes]
    ) -> None:
        """Remember the files.

        :raises nova_lite.exceptions.HypervisorError: no disks were made.
        """
        if instance_uuid not in self.world.local_disks:
            raise exceptions.HypervisorError(reason=f"no disks were made for {instance_uuid}")
        self.world.config_drives[instance_uuid] = dict(files)

    @faults.injectable
    def remove(self, instance_uuid: str) -> None:
        """Forget the files."""
        self.world.config_drives.pop(instance_uuid, None)
        if self.world.local_disks.pop(instance_uuid, None) is not None:
            self.world.save()

    @faults.injectable
    def remove_unused_bases(self) -> tuple[set[str], aging.Report]:
        """There are none."""
        return set(), aging.Report()

    @faults.injectable
    def list_instances(self) -> list[str]:
        """Every server with files."""
        return list(self.world.local_disks)


class FakeSnapshots(_Part, interface.SnapshotOps):
    """Snapshots as ids, and a file of a sector for each that is extracted."""

    part = "snapshots"

    def __init__(self, conf: cfg.ConfigOpts, world: World, injected: faults.Faults) -> None:
        super().__init__(world, injected)
        self._conf = conf

    @faults.injectable
    def take(self, instance_uuid: str, snapshot_id: str) -> None:
        """Remember it.

        :raises nova_lite.exceptions.HypervisorError: there is no local root disk.
        """
        self.world.guest(instance_uuid)
        if "disk" not in self.world.local_disks.get(instance_uuid, {}).values():
            raise exceptions.HypervisorError(reason=f"{instance_uuid} has no local root disk")
        self.world.snapshots[snapshot_id] = instance_uuid
        self.world.save()

    @faults.injectable
    def publish(self, instance_uuid: str, snapshot_id: str) -> str | None:
        """There is no shared storage."""
        return None

    @faults.injectable
    def make_independent(self, instance_uuid: str, snapshot_id: str) -> None:
        """There is nothing published."""

    @faults.injectable
    def unpublish(self, instance_uuid: str, snapshot_id: str) -> None:
        """There is nothing published."""

    @faults.injectable
    def extract(
        self,
        instance_uuid: str,
        snapshot_id: str,
        on_progress: collections.abc.Callable[[], object],
    ) -> interface.SnapshotFile:
        """A raw file that names the server.

        :raises nova_lite.exceptions.HypervisorError: it was not taken.
        """
        if self.world.snapshots.get(snapshot_id) != instance_uuid:
            raise exceptions.HypervisorError(reason=f"there is no snapshot {snapshot_id}")
        on_progress()
        path = snapshot_folder.path_of(self._conf, snapshot_id) / "disk"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"disk of {instance_uuid}".encode().ljust(512, b"\0"))
        return interface.SnapshotFile(str(path), "raw")

    @faults.injectable
    def discard(self, instance_uuid: str, snapshot_id: str) -> None:
        """Forget it and its file."""
        snapshot_folder.remove(self._conf, snapshot_id)
        if self.world.snapshots.pop(snapshot_id, None) is not None:
            self.world.save()

    @faults.injectable
    def list_snapshots(self) -> list[str]:
        """Those that were taken, and those with files."""
        return sorted({*self.world.snapshots, *snapshot_folder.list_all(self._conf)})


class FakeVolumes(_Part, interface.VolumeOps):
    """Volumes as ids in sets."""

    part = "volumes"

    def __init__(self, conf: cfg.ConfigOpts, world: World, injected: faults.Faults) -> None:
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
        guest.backed_by[volume_id] = _connected(self.world, device, instance_uuid)
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
        destination = _connected(self.world, new, instance_uuid)
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


class FakeConsoles(_Part, interface.ConsoleOps):
    """Consoles as text that tests may set."""

    part = "consoles"

    def __init__(self, world: World, injected: faults.Faults) -> None:
        super().__init__(world, injected)
        self.texts: dict[str, bytes] = {}

    @faults.injectable
    def output(self, instance_uuid: str) -> bytes:
        """What was set, or a line that says whose console it is."""
        self.world.guest(instance_uuid)
        text = self.texts.get(instance_uuid, f"fake console of {instance_uuid}\n".encode())
        return text[-interface.CONSOLE_BYTES_KEPT :]


class FakeHost(_Part, interface.HostOps):
    """A host of configured size."""

    part = "host"

    def __init__(self, conf: cfg.ConfigOpts, world: World, injected: faults.Faults) -> None:
        super().__init__(world, injected)
        self._conf = conf

    @faults.injectable
    def start(self) -> None:
        """Read back what an earlier process kept."""
        self.world.load()

    @faults.injectable
    def resources(self) -> interface.HostResources:
        """The sizes of ``[fake]``."""
        return interface.HostResources(
            hypervisor_hostname=self._conf.host,
            hypervisor_type="fake",
            hypervisor_version=HYPERVISOR_VERSION,
            vcpus=self._conf.fake.vcpus,
            memory_mib=self._conf.fake.memory_mib,
            disk_gib=self._conf.fake.disk_gib,
            architecture=platform.machine(),
        )

    @faults.injectable
    def node_uuid(self) -> str:
        """From ``$state_path/compute_id``."""
        return identity.node_uuid(self._conf.state_path)


class FakeInventory(_Part, interface.InventoryOps):
    """The world, as it is."""

    part = "inventory"

    @faults.injectable
    def guests(self, instance_uuid: str | None = None) -> list[objects.InventoryGuest]:
        """All guests, or one."""
        return [
            _counted(self.world, uuid, guest)
            for uuid, guest in self.world.guests.items()
            if instance_uuid in (None, uuid)
        ]

    @faults.injectable
    def folders(self, instance_uuid: str | None = None) -> list[objects.InventoryFolder]:
        """The names of the files."""
        return [
            objects.InventoryFolder(
                instance_uuid=uuid,
                files=sorted(disks.values()),
                leftovers=sorted(
                    name for name in disks.values() if name.endswith(durable.TEMPORARY_SUFFIX)
                ),
            )
            for uuid, disks in self.world.local_disks.items()
            if instance_uuid in (None, uuid)
        ]

    @faults.injectable
    def connections(self, instance_uuid: str | None = None) -> list[objects.InventoryConnection]:
        """As remembered."""
        return [
            objects.InventoryConnection(volume_id=volume_id, instance_uuid=user)
            for volume_id, users in self.world.connected.items()
            for user in users
            if instance_uuid in (None, user)
        ]

    @faults.injectable
    def images(self, instance_uuid: str | None = None) -> list[objects.InventoryImage]:
        """There is no Ceph."""
        return []


class FakeDriver:
    """The whole driver: an :class:`nova_lite.virt.interface.Driver`.

    ``faults`` plans failures; ``world`` is what there is, for tests to look at.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        path = pathlib.Path(conf.state_path) / "fake_driver.json" if conf.fake.persist else None
        self.world = World(path)
        self.faults = faults.Faults()
        for text in conf.fake.faults:
            self.faults.plan_from_text(text)
        self.capabilities = capabilities.Capabilities(
            supports_boot_order=conf.fake.supports_boot_order
        )
        self.guests = FakeGuests(self.world, self.faults)
        if not self.capabilities.supports_boot_order:
            self.guests.max_boot_devices = 1
        self.power = FakePower(self.world, self.faults)
        self.images: interface.ImageOps = FakeImages()
        self.disks = FakeDisks(self.world, self.faults)
        self.snapshots = FakeSnapshots(conf, self.world, self.faults)
        self.volumes = FakeVolumes(conf, self.world, self.faults)
        self.consoles = FakeConsoles(self.world, self.faults)
        self.host = FakeHost(conf, self.world, self.faults)
        self.inventory = FakeInventory(self.world, self.faults)


def _info(instance_uuid: str, guest: FakeGuest) -> interface.GuestInfo:
    return interface.GuestInfo(instance_uuid, guest.name, guest.power_state)


def _counted(world: World, instance_uuid: str, guest: FakeGuest) -> objects.InventoryGuest:
    kept = world.local_disks.get(instance_uuid, {}).values()
    config_drive = [naming.CONFIG_DRIVE] if instance_uuid in world.config_drives else []
    local = [
        objects.InventoryDisk(
            device=target,
            source=f"{instance_uuid}/{file_name}",
            is_missing=file_name not in (*kept, *config_drive),
        )
        for target, file_name in guest.local_disks.items()
    ]
    volumes = [
        objects.InventoryDisk(device=target, serial=volume_id, source=f"volume-{volume_id}")
        for volume_id, target in guest.volumes.items()
    ]
    runs = guest.power_state in (states.PowerState.RUNNING, states.PowerState.PAUSED)
    return objects.InventoryGuest(
        instance_uuid=instance_uuid,
        name=guest.name,
        power_state=int(guest.power_state),
        live=local + volumes if runs else None,
        defined=local + [disk for disk in volumes if disk.serial not in guest.undefined],
    )


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


def _connected(world: World, device: interface.VolumeDevice, instance_uuid: str) -> str:
    """The id of a volume's connection, which must be there for the server."""
    connection_id = naming.connection_id_of(device["connection_info"])
    if instance_uuid not in world.connected.get(connection_id, ()):
        raise exceptions.HypervisorError(
            reason=f"volume {connection_id} is not connected for {instance_uuid}"
        )
    return connection_id
