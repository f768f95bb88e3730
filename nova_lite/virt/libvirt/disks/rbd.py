"""Local disks as images in a Ceph pool: :class:`nova_lite.virt.interface.DiskOps`.

A disk is ``<server's UUID>_disk``, ``_disk.eph0``, ``_disk.local``, ``_disk.swap`` or
``_disk.config`` (S20). It is a clone, made under a temporary name of this host and
complete when it has its own. Hosts share the pool, and an instance may have been
built on another one since: each disk notes the compute node whose it is, and no
other node removes it.
"""

import collections.abc
import contextlib
import dataclasses
import pathlib

from oslo_config import cfg

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.image import aging
from nova_lite.virt import ceph
from nova_lite.virt import interface
from nova_lite.virt import naming
from nova_lite.virt.configdrive import iso
from nova_lite.virt.libvirt import cephauth
from nova_lite.virt.libvirt import guest
from nova_lite.virt.libvirt.disks import bases
from nova_lite.virt.libvirt.disks import directory
from nova_lite.virt.libvirt.disks import parents
from nova_lite.virt.libvirt.disks import plan
from nova_lite.virt.libvirt.disks import storage
from nova_lite.virt.libvirt.volumes import transports

OWNER_KEY = "nova_lite_node"
"""Metadata of a disk: the UUID of the compute node it belongs to."""

PART = ".part"


class RbdDisks(storage.Storage):
    """Makes and removes the RBD images of servers; ``console.log`` and
    ``disk.info`` stay files in the server's directory (S95)."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        cluster: ceph.Cluster,
        auth: cephauth.CephAuth,
        known_parents: parents.Parents,
        node_uuid: str,
    ) -> None:
        self._conf = conf
        self._cluster = cluster
        self._auth = auth
        self._parents = known_parents
        self._bases = bases.BaseFiles(conf)
        self._node_uuid = node_uuid
        self._pool: str = conf.libvirt.images_rbd_pool

    def create(
        self,
        instance: objects.Instance,
        block_device_info: interface.BlockDeviceInfo,
        root_image: interface.RootImage | None,
    ) -> str:
        """Clone what is missing. A disk that is there is complete, and may hold a
        guest's data: it is kept, and belongs to this host from now on.

        :raises nova_lite.exceptions.FlavorDiskTooSmall: the image does not fit.
        :raises nova_lite.exceptions.RbdImageBusy: a guest on another host still
            has one of them.
        """
        disks = plan.local_disks(instance, block_device_info, root_image, self._conf)
        files = directory.InstanceDirectory(self._conf, instance.uuid)
        files.make()
        files.record_formats({**files.formats(), **{disk.file_name: "raw" for disk in disks}})
        lines = []
        with self._cluster.pool(self._pool) as pool:
            for disk in disks:
                image = _image_of(instance.uuid, disk.file_name)
                if pool.exists(image):
                    self._take_over(pool, image)
                    lines.append(f"{disk.file_name} kept")
                else:
                    lines.append(self._make(pool, image, disk))
        return "; ".join(lines)

    def write_config_drive(
        self, instance_uuid: str, files: collections.abc.Mapping[str, bytes]
    ) -> None:
        """An ISO image, as another disk of the server."""
        folder = directory.InstanceDirectory(self._conf, instance_uuid)
        folder.record_formats({**folder.formats(), naming.CONFIG_DRIVE: "raw"})
        image, content = _image_of(instance_uuid, naming.CONFIG_DRIVE), iso.image(files)
        with self._cluster.pool(self._pool) as pool, self._new(pool, image) as part:
            pool.create(part, len(content))
            pool.write(part, content)
            pool.remove(image)

    def remove(self, instance_uuid: str) -> None:
        """Remove this host's disks of the server, then its directory.

        What was cloned from a disk (a snapshot in Glance) is made independent first.

        :raises nova_lite.exceptions.RbdImageBusy: a client has one open, and keeps it.
        """
        files = directory.InstanceDirectory(self._conf, instance_uuid)
        with self._cluster.pool(self._pool) as pool:
            for image in pool.list_images(_image_of(instance_uuid, "disk")):
                if self._is_ours(pool, image):
                    self._remove(pool, image)
        files.remove()

    def list_instances(self) -> list[str]:
        """Servers that have a directory: it is made before, and removed after,
        anything in the pool."""
        return directory.list_instances(self._conf)

    def remove_unused_bases(self) -> tuple[set[str], aging.Report]:
        """Parents in the pool, and the files that empty ones were imported from."""
        in_use, report = self._parents.remove_unused()
        return in_use, report + self._bases.remove_unused(())

    def source_of(self, instance_uuid: str, file_name: str) -> transports.Source:
        """The image, for QEMU's own client of Ceph (S220)."""
        files = directory.InstanceDirectory(self._conf, instance_uuid)
        return transports.Source(
            f"{self._pool}/{_image_of(instance_uuid, file_name)}",
            files.format_of(file_name),
            "network",
            self._auth.network_access(),
        )

    def prepare_start(self, found: guest.Guest) -> None:
        """Have libvirt know the key, which it keeps in memory only, and the definition
        name the monitors of now.

        :raises nova_lite.exceptions.CephError: the cluster, or the key, is not there.
        """
        prefix = _image_of(found.uuid, "disk")
        disks = [
            disk
            for disk in found.persistent().disks
            if disk.network is not None and disk.source.partition("/")[2].startswith(prefix)
        ]
        if not disks:
            # Of a server that has volumes only; they are seen to when they are connected.
            return
        access = self._auth.network_access()
        for disk in disks:
            if disk.network != access:
                found.redefine(dataclasses.replace(disk, network=access))

    def capacity_bytes(self) -> int:
        """The pool's; every host that shares it sees the same room."""
        return self._cluster.capacity_bytes(self._pool)

    def _make(self, pool: ceph.Pool, image: str, disk: plan.LocalDisk) -> str:
        parent, imported_bytes = self._parent_of(disk.content)
        with self._new(pool, image) as part:
            pool.clone(parent, part)
            if disk.size_bytes > pool.size_bytes(part):
                pool.resize(part, disk.size_bytes)
        copied = interface.Copied(imported_bytes=imported_bytes)
        return f"{disk.file_name} cloned from {parent}, {copied}"

    @contextlib.contextmanager
    def _new(self, pool: ceph.Pool, image: str) -> collections.abc.Iterator[str]:
        """The temporary name under which the body makes ``image``."""
        part = f"{image}.{self._node_uuid}{PART}"
        # What an earlier run of this host left; nobody else makes that name.
        pool.remove(part)
        try:
            yield part
            pool.set_metadata(part, OWNER_KEY, self._node_uuid)
            pool.rename(part, image)
        except BaseException as error:
            pool.discard(part, error)
            raise

    def _parent_of(self, content: plan.Content) -> tuple[ceph.Snapshot, int]:
        """What a disk is cloned from, and the bytes imported to have it."""
        if isinstance(content, plan.ImageContent):
            return ceph.Snapshot.parse(content.path), 0
        what = content.base_name

        @contextlib.contextmanager
        def fill() -> collections.abc.Iterator[pathlib.Path]:
            path, _raw = self._bases.ensure(content)
            yield path

        return self._parents.snapshot_of(what), self._parents.ensure(what, fill)

    def _take_over(self, pool: ceph.Pool, image: str) -> None:
        owner = pool.metadata(image, OWNER_KEY)
        if owner == self._node_uuid:
            return
        watchers = pool.use(image).watchers
        if watchers:
            # Two guests on one file system would destroy it.
            raise exceptions.RbdImageBusy(
                image=f"{self._pool}/{image}",
                reason=f"it belongs to compute node {owner} and is open at {', '.join(watchers)}",
            )
        pool.set_metadata(image, OWNER_KEY, self._node_uuid)

    def _is_ours(self, pool: ceph.Pool, image: str) -> bool:
        if image.endswith(PART):
            return image.endswith(f".{self._node_uuid}{PART}")
        try:
            return pool.metadata(image, OWNER_KEY) in (None, self._node_uuid)
        except exceptions.RbdImageNotFound:
            # Its header is gone: a removal that was cut short.
            return True

    def _remove(self, pool: ceph.Pool, image: str) -> None:
        options = self._conf.libvirt
        for clone in pool.all_clones(image):
            self._cluster.cut_off(clone)
        pool.remove(
            image,
            attempts=options.rbd_destroy_volume_retries,
            interval_s=options.rbd_destroy_volume_retry_interval_s,
        )


def _image_of(instance_uuid: str, file_name: str) -> str:
    return f"{instance_uuid}_{file_name}"
