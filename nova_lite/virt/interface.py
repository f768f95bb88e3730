"""What nova_lite asks of a hypervisor, in small interfaces.

A driver is a :class:`Driver`: an object with one part an interface. A part a
driver lacks is a capability that is False, never an error at run time. All
calls may block the caller; drivers keep the hub free by themselves
(:func:`nova_lite.concurrency.in_native_thread`).

Idempotence is part of the contract, since recovery repeats calls: destroying
what is gone, unplugging what is not plugged and removing files that do not
exist succeed.
"""

import abc
import collections.abc
import dataclasses
import typing

from nova_lite import objects
from nova_lite import states
from nova_lite.image import aging
from nova_lite.virt import capabilities
from nova_lite.volume import keys

ConnectionInfo = dict[str, typing.Any]
"""Cinder's ``connection_info``: ``driver_volume_type``, ``data``, ``serial``."""

IsWanted: typing.TypeAlias = collections.abc.Callable[[], bool]
"""Whether the end of something long is still wanted."""


def wanted() -> bool:
    """Whatever happens."""
    return True


CONSOLE_BYTES_KEPT = 100 * 1024
"""How much of a console's end :meth:`ConsoleOps.output` gives."""


@dataclasses.dataclass(frozen=True)
class HostResources:
    """What the hypervisor host has, before any server."""

    hypervisor_hostname: str
    hypervisor_type: str
    hypervisor_version: int
    vcpus: int
    memory_mib: int
    disk_gib: int
    architecture: str
    cpu_info: dict[str, typing.Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class GuestInfo:
    """One guest as the hypervisor reports it."""

    instance_uuid: str
    name: str
    power_state: states.PowerState


@dataclasses.dataclass(frozen=True)
class GuestDisk:
    """One disk as the hypervisor reports it."""

    device: str
    """Target name, such as ``vdb``."""
    serial: str | None
    """The volume's UUID for volumes, else None."""
    source: str
    """File, network name or host device behind it."""


class SwapDevice(typing.TypedDict):
    """``block_device_info['swap']``."""

    device_name: str
    swap_size: int
    disk_bus: str


class EphemeralDevice(typing.TypedDict):
    """One of ``block_device_info['ephemerals']``; ``size`` in GiB."""

    device_name: str
    device_type: str | None
    disk_bus: str | None
    guest_format: str | None
    size: int


class VolumeDevice(typing.TypedDict):
    """One of ``block_device_info['block_device_mapping']``."""

    connection_info: ConnectionInfo
    mount_device: str
    attachment_id: str | None
    boot_index: int | None
    delete_on_termination: bool
    device_type: str | None
    disk_bus: str | None
    guest_format: str | None


class BlockDeviceInfo(typing.TypedDict):
    """All block devices of a server, under upstream's names."""

    root_device_name: str | None
    swap: SwapDevice | None
    ephemerals: list[EphemeralDevice]
    block_device_mapping: list[VolumeDevice]


@dataclasses.dataclass(frozen=True)
class Copied:
    """What nova_lite itself moved to get an image ready, in bytes; clones and
    overlays move nothing. Holes and zeros are not counted where none are written."""

    downloaded_bytes: int = 0
    """From Glance to this host."""
    converted_bytes: int = 0
    """Written by qemu-img."""
    imported_bytes: int = 0
    """From this host into Ceph."""

    @property
    def total_bytes(self) -> int:
        """All of them."""
        return self.downloaded_bytes + self.converted_bytes + self.imported_bytes

    def __str__(self) -> str:
        parts = {
            "downloaded": self.downloaded_bytes,
            "converted": self.converted_bytes,
            "imported": self.imported_bytes,
        }
        said = [f"{count} bytes {how}" for how, count in parts.items() if count]
        return ", ".join(said) or "0 bytes copied"


@dataclasses.dataclass(frozen=True)
class RootImage:
    """The image a local root disk is made from, ready on this host's storage.

    ``path`` is a file of the inspected, trusted format ``disk_format``, or an RBD
    snapshot (``pool/image@snapshot``); ``disk_bus`` is the root disk's bus, None for
    what its name implies. ``origin`` says where it was found, for the journal.
    """

    image_id: str
    path: str
    disk_format: str
    virtual_size_bytes: int
    disk_bus: str | None = None
    origin: str = dataclasses.field(default="", compare=False)
    copied: Copied = dataclasses.field(default=Copied(), compare=False)

    @property
    def story(self) -> str:
        """What was done to get it, in a line."""
        return f"{self.origin}, {self.copied}" if self.origin else str(self.copied)


@dataclasses.dataclass(frozen=True)
class DevicePlace:
    """Where the guest's system finds a disk, in the words of Nova's metadata."""

    bus: str = "none"
    """``pci``, ``scsi``, ``ide`` or ``none``: not known."""
    address: str = "none"
    """``0000:01:00.0``, or ``controller:bus:target:unit``."""


class GuestOps(abc.ABC):
    """Life of a guest."""

    @abc.abstractmethod
    def spawn(
        self,
        instance: objects.Instance,
        image_meta: objects.ImageMeta,
        block_device_info: BlockDeviceInfo,
        root_image: RootImage | None,
    ) -> None:
        """Define and start a guest whose local disks exist already.

        Returns when it runs. On an error nothing is left defined.
        """

    @abc.abstractmethod
    def device_places(
        self,
        instance: objects.Instance,
        image_meta: objects.ImageMeta,
        block_device_info: BlockDeviceInfo,
        root_image: RootImage | None,
    ) -> dict[str, DevicePlace]:
        """Where :meth:`spawn` with the same arguments would put each disk, by
        target name (``vda``). The local disks exist already."""

    @abc.abstractmethod
    def destroy(self, instance_uuid: str) -> None:
        """Stop the guest at once and forget its definition. Gone is success."""

    @abc.abstractmethod
    def list_guests(self) -> list[GuestInfo]:
        """Every guest of ours on this host, running or not."""

    @abc.abstractmethod
    def info(self, instance_uuid: str) -> GuestInfo:
        """One guest.

        :raises nova_lite.exceptions.GuestNotFound: the hypervisor has none.
        """

    @abc.abstractmethod
    def on_lifecycle_event(self, callback: collections.abc.Callable[[GuestInfo], None]) -> None:
        """Call back whenever a guest's power state changes by itself."""


class PowerOps(abc.ABC):
    """Power of a guest that exists."""

    @abc.abstractmethod
    def power_on(self, instance_uuid: str) -> None:
        """Start; a running guest is success. Its local disks are found again whatever
        was restarted since it ran; its volumes must be connected.

        :raises nova_lite.exceptions.GuestNotFound: no such guest.
        """

    @abc.abstractmethod
    def power_off(
        self, instance_uuid: str, timeout_s: float, *, is_wanted: IsWanted = wanted
    ) -> None:
        """Ask to shut down, and after ``timeout_s`` (0 = at once) pull the plug.

        :param is_wanted: asked now and then; when it says no, the guest is let alone.
        """


Download: typing.TypeAlias = collections.abc.Callable[[typing.Any, objects.ImageMeta, str], object]
"""``download(ctxt, image_meta, path)`` writes an image's bytes to the file ``path``."""

Locate: typing.TypeAlias = collections.abc.Callable[[str], list[str]]
"""``locate(image_id)`` asks Glance where in Ceph an image is: its URLs."""


class ImageOps(abc.ABC):
    """Images on this host's storage, from which local root disks are made."""

    @abc.abstractmethod
    def start(self) -> None:
        """Remove what a dead process left half-made. Call once, before use."""

    @abc.abstractmethod
    def ensure(
        self,
        ctxt: typing.Any,
        image_meta: objects.ImageMeta,
        download: Download,
        locate: Locate,
        *,
        root_gib: int = 0,
    ) -> RootImage:
        """The image, fetched if it must be; callers that come together share one
        fetch.

        :param ctxt: handed to ``download``.
        :param root_gib: size of the root disk it must fit in; 0 is no limit.
        :raises nova_lite.exceptions.ImageUnacceptable: it must not be used.
        :raises nova_lite.exceptions.FlavorDiskTooSmall: it does not fit.
        """

    @abc.abstractmethod
    def remove_unused(self, in_use: collections.abc.Container[str]) -> aging.Report:
        """Remove images that no disk is based on and nobody booted for a while.

        :param in_use: names of base files that disks are based on, from
            :meth:`DiskOps.remove_unused_bases`.
        """


class DiskOps(abc.ABC):
    """Local disks: root, ephemeral and swap files (or RBD images) of a server."""

    @abc.abstractmethod
    def create(
        self,
        instance: objects.Instance,
        block_device_info: BlockDeviceInfo,
        root_image: RootImage | None,
    ) -> str:
        """Make the server's directory and every local disk.

        ``root_image`` is None for a server that boots from a volume.

        :returns: what was made of what, in a line for the journal.
        """

    @abc.abstractmethod
    def write_config_drive(
        self, instance_uuid: str, files: collections.abc.Mapping[str, bytes]
    ) -> None:
        """Keep a config drive beside the local disks, which exist already;
        one that is there is replaced. The guest gets it as a read-only CD.

        :param files: content by path from the drive's root.
        """

    @abc.abstractmethod
    def remove(self, instance_uuid: str) -> None:
        """Remove the directory and every local disk. Gone is success."""

    @abc.abstractmethod
    def remove_unused_bases(self) -> tuple[set[str], aging.Report]:
        """Remove base files of the driver's own making that no disk is based on
        and nobody used for a while.

        :returns: the names of all base files that disks are based on, images
            among them, and what was done.
        """

    @abc.abstractmethod
    def list_instances(self) -> list[str]:
        """UUIDs of servers that have anything on this host's storage."""


@dataclasses.dataclass(frozen=True)
class SnapshotFile:
    """A copy of a disk that stands alone: it is based on no other file."""

    path: str
    disk_format: str
    """In Glance's words: ``qcow2`` or ``raw``."""


class SnapshotOps(abc.ABC):
    """Copies of a server's local root disk as it is at one moment.

    A snapshot goes by an id of the caller's. The order is :meth:`take`, then
    :meth:`publish` or, if that has no way, :meth:`extract`; and :meth:`discard` in the
    end, whatever happened.
    """

    @abc.abstractmethod
    def take(self, instance_uuid: str, snapshot_id: str) -> None:
        """Fix what the disk holds now. A running guest goes on and may write.

        The caller keeps a guest that is off from being started, and any guest
        from being removed, until :meth:`discard`.

        :raises nova_lite.exceptions.GuestNotFound: no such guest.
        """

    @abc.abstractmethod
    def publish(self, instance_uuid: str, snapshot_id: str) -> str | None:
        """Make the snapshot an image where the disk is stored, without copying it
        through this host.

        :returns: the location for Glance, or None if the storage has no such way.
        """

    @abc.abstractmethod
    def make_independent(self, instance_uuid: str, snapshot_id: str) -> None:
        """Give what :meth:`publish` made a copy of all that it shares with the disk,
        so that it can be read by who may not read the disk. Takes as long as the copy.
        """

    @abc.abstractmethod
    def unpublish(self, instance_uuid: str, snapshot_id: str) -> None:
        """Undo :meth:`publish`. Gone is success."""

    @abc.abstractmethod
    def extract(
        self,
        instance_uuid: str,
        snapshot_id: str,
        on_progress: collections.abc.Callable[[], object],
    ) -> SnapshotFile:
        """Wait until the snapshot is a file on this host that holds all of it.

        :param on_progress: called now and then; what it raises ends the wait.
        :raises nova_lite.exceptions.HypervisorError: the copy failed; with the
            guest's end, for example.
        """

    @abc.abstractmethod
    def discard(self, instance_uuid: str, snapshot_id: str) -> None:
        """Stop copying, and remove all that is left of the snapshot, except what was
        published. Gone is success."""

    @abc.abstractmethod
    def list_snapshots(self) -> list[str]:
        """Ids of the snapshots that have anything on this host's storage."""


class VolumeOps(abc.ABC):
    """Volumes: the host's side of an attachment, and the guest's disk."""

    @abc.abstractmethod
    def connector(self) -> dict[str, typing.Any]:
        """This host's connector for Cinder (``host``, ``ip``, ``initiator``, ...)."""

    @abc.abstractmethod
    def connect(
        self,
        connection_info: ConnectionInfo,
        instance_uuid: str,
        encryption: keys.Encryption | None = None,
    ) -> None:
        """Prepare the host (log in, map, check the file) for a server, which is
        recorded as a user of the connection. Connected is success.

        What the host finds out (``device_path``, ``multipath_id``) is added to
        ``connection_info['data']``; the caller keeps it for the later calls.

        :param encryption: of an encrypted volume. Without it a volume whose
            ``data.encrypted`` is true is refused: no guest ever gets ciphertext.
        :raises nova_lite.exceptions.InvalidVolume: no host of this kind can use it.
        """

    @abc.abstractmethod
    def disconnect(self, connection_info: ConnectionInfo, instance_uuid: str) -> None:
        """Undo :meth:`connect`: the server is no user any more, and with the last
        one the host is disconnected. Not connected is success."""

    @abc.abstractmethod
    def users(self, volume_id: str) -> frozenset[str]:
        """UUIDs of the servers this host is connected to the volume for."""

    @abc.abstractmethod
    def plug(self, instance_uuid: str, device: VolumeDevice) -> None:
        """Give a guest the connected volume: live and persistent if it runs,
        persistent only if it does not. A guest that has it already (by serial)
        is success; if it does not run, its disk is what the volume is now.

        :raises nova_lite.exceptions.GuestNotFound: no such guest.
        """

    @abc.abstractmethod
    def unplug(self, instance_uuid: str, volume_id: str) -> None:
        """Take the volume with that serial out of the guest, and return when
        the guest has let go. A guest without it is success.

        :raises nova_lite.exceptions.DeviceDetachRefused: the guest kept it.
        """

    @abc.abstractmethod
    def extend(self, instance_uuid: str, connection_info: ConnectionInfo, size_bytes: int) -> None:
        """The connected volume has grown to ``size_bytes``: have the host see it, and
        the guest, if one runs and has it. Seen already is success.

        :raises nova_lite.exceptions.HypervisorError: the guest's disk stays small.
        """

    @abc.abstractmethod
    def swap(
        self,
        instance_uuid: str,
        old: ConnectionInfo,
        new: VolumeDevice,
        *,
        is_wanted: IsWanted,
    ) -> None:
        """Move the running guest's disk from a volume to another one of the same size
        or larger, both connected: its data are copied while the guest works, and the
        guest goes on with the new one. Its disk keeps its name and its serial. A guest
        that is on the new one already is success.

        :param is_wanted: asked now and then; when it says no, the copy is given up.
        :raises nova_lite.exceptions.VolumeCopyStopped: it was given up, and the guest
            is on the old volume.
        :raises nova_lite.exceptions.GuestNotFound: no such guest, or it does not run.
        :raises nova_lite.exceptions.HypervisorError: the copy failed, likewise.
        """

    @abc.abstractmethod
    def abandon_swap(self, instance_uuid: str, connection_info: ConnectionInfo) -> None:
        """Give up a copy of :meth:`swap` that a dead process left under way for the
        guest's disk of that (old) volume. None is success."""

    @abc.abstractmethod
    def is_backed_by(
        self, instance_uuid: str, volume_id: str, connection_info: ConnectionInfo
    ) -> bool:
        """Whether the guest's disk with the serial ``volume_id`` has its data in the
        volume of ``connection_info`` (after a :meth:`swap` that is another one).

        :raises nova_lite.exceptions.GuestNotFound: no such guest.
        """

    @abc.abstractmethod
    def list_disks(self, instance_uuid: str) -> list[GuestDisk]:
        """The disks the guest has now.

        :raises nova_lite.exceptions.GuestNotFound: no such guest.
        """


class ConsoleOps(abc.ABC):
    """The serial console."""

    @abc.abstractmethod
    def output(self, instance_uuid: str) -> bytes:
        """All console text that is kept (at most the last 100 KiB)."""


class HostOps(abc.ABC):
    """The hypervisor host itself."""

    @abc.abstractmethod
    def start(self) -> None:
        """Connect to the hypervisor. Called once, before anything else.

        :raises nova_lite.exceptions.HypervisorUnavailable: it is not there.
        """

    @abc.abstractmethod
    def resources(self) -> HostResources:
        """What the host has."""

    @abc.abstractmethod
    def node_uuid(self) -> str:
        """The stored identity of this compute node (survives a host rename)."""


class InventoryOps(abc.ABC):
    """What is here, whoever thinks otherwise: for audits. Nothing is changed, and
    no connection information is told.

    :raises nova_lite.exceptions.NovaLiteError: of every method: that part cannot
        be read now.
    """

    @abc.abstractmethod
    def guests(self, instance_uuid: str | None = None) -> list[objects.InventoryGuest]:
        """The guests of this node, or one of them, with their disks both as they
        run and as they are defined."""

    @abc.abstractmethod
    def folders(self, instance_uuid: str | None = None) -> list[objects.InventoryFolder]:
        """What servers have in this host's own storage."""

    @abc.abstractmethod
    def connections(self, instance_uuid: str | None = None) -> list[objects.InventoryConnection]:
        """The volumes this host is connected to, and for whom."""

    @abc.abstractmethod
    def images(self, instance_uuid: str | None = None) -> list[objects.InventoryImage]:
        """Disks of servers in Ceph; of one server also its volumes, and who has
        them open."""


class Driver(typing.Protocol):
    """A whole driver: its parts and what they can do."""

    @property
    def capabilities(self) -> capabilities.Capabilities:
        """What callers consult before they act."""

    @property
    def guests(self) -> GuestOps:
        """Life of guests."""

    @property
    def power(self) -> PowerOps:
        """Power of guests."""

    @property
    def images(self) -> ImageOps:
        """Images for local root disks."""

    @property
    def disks(self) -> DiskOps:
        """Local disks."""

    @property
    def snapshots(self) -> SnapshotOps:
        """Copies of local root disks."""

    @property
    def volumes(self) -> VolumeOps:
        """Volumes on the host and in guests."""

    @property
    def consoles(self) -> ConsoleOps:
        """Serial consoles."""

    @property
    def host(self) -> HostOps:
        """The host itself."""

    @property
    def inventory(self) -> InventoryOps:
        """What is on the host."""
