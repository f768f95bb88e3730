"""Local disks as files: :class:`nova_lite.virt.interface.DiskOps`."""

import collections.abc
import shutil

from oslo_config import cfg

from nova_lite import concurrency
from nova_lite import durable
from nova_lite import objects
from nova_lite.image import aging
from nova_lite.image import convert
from nova_lite.virt import interface
from nova_lite.virt import naming
from nova_lite.virt.configdrive import iso
from nova_lite.virt.libvirt import guest
from nova_lite.virt.libvirt.disks import backends
from nova_lite.virt.libvirt.disks import bases
from nova_lite.virt.libvirt.disks import directory
from nova_lite.virt.libvirt.disks import plan
from nova_lite.virt.libvirt.disks import storage
from nova_lite.virt.libvirt.volumes import transports


class LocalDisks(storage.Storage):
    """Makes and removes the files of servers."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._bases = bases.BaseFiles(conf)
        self._backend = backends.BACKENDS[conf.libvirt.images_type](convert.QemuImg(conf))

    def create(
        self,
        instance: objects.Instance,
        block_device_info: interface.BlockDeviceInfo,
        root_image: interface.RootImage | None,
    ) -> str:
        """Make what is missing. A disk that is there is complete, and may
        hold a guest's data: it is kept, in the format on record.

        :raises nova_lite.exceptions.FlavorDiskTooSmall: the image does not fit.
        :raises nova_lite.exceptions.DiskToolFailed: a file cannot be made.
        """
        disks = plan.local_disks(instance, block_device_info, root_image, self._conf)
        files = directory.InstanceDirectory(self._conf, instance.uuid)
        files.make()
        durable.remove_leftovers(files.path)
        missing = [disk for disk in disks if not files.path_of(disk.file_name).exists()]
        new_formats = {disk.file_name: self._backend.disk_format for disk in missing}
        # Recorded first: no disk ever exists without its format on record.
        files.record_formats({**files.formats(), **new_formats})
        copied_bytes = sum(self._make(disk, files) for disk in missing)
        return str(interface.Copied(converted_bytes=copied_bytes))

    def write_config_drive(
        self, instance_uuid: str, files: collections.abc.Mapping[str, bytes]
    ) -> None:
        """An ISO image that only QEMU may read: it may hold a password."""
        folder = directory.InstanceDirectory(self._conf, instance_uuid)
        folder.record_formats({**folder.formats(), naming.CONFIG_DRIVE: "raw"})
        path = folder.path_of(naming.CONFIG_DRIVE)
        temporary = durable.temporary_for(path)
        try:
            temporary.touch(mode=0o600)
            temporary.write_bytes(iso.image(files))
            concurrency.in_native_thread(durable.commit, temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def source_of(self, instance_uuid: str, file_name: str) -> transports.Source:
        """The file, in the format on record."""
        files = directory.InstanceDirectory(self._conf, instance_uuid)
        return transports.Source(str(files.path_of(file_name)), files.format_of(file_name), "file")

    def prepare_start(self, found: guest.Guest) -> None:
        """Files need nothing."""

    def capacity_bytes(self) -> int:
        """Of the file system of ``instances_path``."""
        return shutil.disk_usage(self._conf.compute.instances_path).total

    def remove(self, instance_uuid: str) -> None:
        """Remove the server's directory."""
        files = directory.InstanceDirectory(self._conf, instance_uuid)
        concurrency.in_native_thread(files.remove)

    def list_instances(self) -> list[str]:
        """Servers that have a directory."""
        return directory.list_instances(self._conf)

    def remove_unused_bases(self) -> tuple[set[str], aging.Report]:
        """Nothing is removed unless every server's disks could be looked at."""
        in_use: set[str] = set()
        for instance_uuid in self.list_instances():
            in_use |= directory.InstanceDirectory(self._conf, instance_uuid).bases()
        return in_use, self._bases.remove_unused(in_use)

    def _make(self, disk: plan.LocalDisk, files: directory.InstanceDirectory) -> int:
        base, base_format = self._bases.ensure(disk.content)
        path = files.path_of(disk.file_name)
        temporary = durable.temporary_for(path)
        try:
            copied_bytes = self._backend.make(temporary, base, base_format, disk.size_bytes)
            concurrency.in_native_thread(durable.commit, temporary, path)
            return copied_bytes
        finally:
            temporary.unlink(missing_ok=True)
