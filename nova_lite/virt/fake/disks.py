"""Local disks of the fake hypervisor, their images and snapshots."""

import collections.abc
import typing

from oslo_config import cfg

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.image import aging
from nova_lite.virt import faults
from nova_lite.virt import interface
from nova_lite.virt import naming
from nova_lite.virt import sizes
from nova_lite.virt import snapshot_folder
from nova_lite.virt.fake import world as fake_world


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


class FakeDisks(fake_world.Part, interface.DiskOps):
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


class FakeSnapshots(fake_world.Part, interface.SnapshotOps):
    """Snapshots as ids, and a file of a sector for each that is extracted."""

    part = "snapshots"

    def __init__(
        self, conf: cfg.ConfigOpts, world: fake_world.World, injected: faults.Faults
    ) -> None:
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
