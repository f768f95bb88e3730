"""Copies of root disks in Ceph: :class:`nova_lite.virt.interface.SnapshotOps`.

A snapshot is one of RBD, whether the guest runs or not. Where Glance keeps its
images in the same cluster it becomes a clone in Glance's pool, and not a byte moves;
the RBD snapshot stays until nothing is cloned from it: then the next snapshot of
the server, or the server's end, removes it. Else its content goes through a file.
"""

import collections.abc
import logging
import pathlib

from oslo_config import cfg

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite.image import convert
from nova_lite.image import locations
from nova_lite.virt import ceph
from nova_lite.virt import interface
from nova_lite.virt import snapshot_folder
from nova_lite.virt.libvirt import ownership

LOG = logging.getLogger(__name__)

PREFIX = "nova-lite."
"""Of the names of our RBD snapshots: all others on a disk are somebody else's."""

SOURCE_KEY = "nova_lite_snapshot_of"
"""Metadata of an image in Glance's pool that was cloned from a snapshot of ours, and
may be no clone any more."""

GLANCE_SNAPSHOT = "snap"
"""The name that Glance's RBD store gives the snapshot of every image."""


class RbdSnapshots(interface.SnapshotOps):
    """Snapshots of disks in ``[libvirt] images_rbd_pool``."""

    def __init__(
        self, conf: cfg.ConfigOpts, cluster: ceph.Cluster, own: ownership.OwnGuests
    ) -> None:
        self._conf = conf
        self._cluster = cluster
        self._own = own
        self._qemu_img = convert.QemuImg(conf)
        self._pool: str = conf.libvirt.images_rbd_pool

    def take(self, instance_uuid: str, snapshot_id: str) -> None:
        """Make the RBD snapshot.

        :raises nova_lite.exceptions.RbdImageNotFound: there is no local root disk.
        """
        self._own.get(instance_uuid)
        disk = _disk_of(instance_uuid)
        with self._cluster.pool(self._pool) as pool:
            self._remove_unused(pool, disk, kept=PREFIX + snapshot_id)
            pool.create_snapshot(disk, PREFIX + snapshot_id, protect=True)

    def publish(self, instance_uuid: str, snapshot_id: str) -> str | None:
        """Clone it into the pool of Glance, under the image's id.

        None if this host may not write there, or there is no such pool.
        """
        source = self._source(instance_uuid, snapshot_id)
        target = self._pool_of_glance(source)
        if target is None:
            return None
        try:
            with self._cluster.pool(target) as pool:
                pool.clone(source, snapshot_id, frees_its_parent=True)
                pool.create_snapshot(snapshot_id, GLANCE_SNAPSHOT, protect=True)
        except exceptions.CephUnavailable:
            raise
        except exceptions.CephError as error:
            LOG.warning("%s is uploaded, for it cannot be cloned: %s", source, error.message)
            self.unpublish(instance_uuid, snapshot_id)
            return None
        location = locations.RbdLocation(
            self._cluster.fsid(), target, snapshot_id, GLANCE_SNAPSHOT
        )
        return locations.url_of(location)

    def make_independent(self, instance_uuid: str, snapshot_id: str) -> None:
        """Flatten the clone, with its snapshot."""
        source = self._source(instance_uuid, snapshot_id)
        for clone in self._clones_of(source, snapshot_id):
            with self._cluster.pool(clone.pool) as pool:
                pool.set_metadata(clone.image, SOURCE_KEY, str(source))
                pool.flatten(clone.image)

    def unpublish(self, instance_uuid: str, snapshot_id: str) -> None:
        """Remove what was cloned: only ever what was made of this snapshot."""
        source = self._source(instance_uuid, snapshot_id)
        for clone in self._clones_of(source, snapshot_id):
            with self._cluster.pool(clone.pool) as pool:
                pool.remove(clone.image)
        for name in self._conf.libvirt.images_rbd_glance_pools:
            self._remove_independent(name, snapshot_id, source)

    def _clones_of(self, source: ceph.Snapshot, snapshot_id: str) -> list[ceph.Clone]:
        """What :meth:`publish` made, while it is a clone."""
        with self._cluster.pool(self._pool) as pool:
            try:
                clones = pool.clones(source.image, source.name)
            except exceptions.RbdImageNotFound:
                return []
        return [clone for clone in clones if clone.image == snapshot_id]

    def _remove_independent(self, pool_name: str, snapshot_id: str, source: ceph.Snapshot) -> None:
        try:
            with self._cluster.pool(pool_name) as pool:
                made_of = pool.metadata(snapshot_id, SOURCE_KEY)
        except exceptions.CephUnavailable:
            raise
        except exceptions.CephError as error:
            # No such image, or this host may not look: then it made none either.
            LOG.debug("Nothing of %s in pool %s: %s", source, pool_name, error.message)
            return
        if made_of == str(source):
            with self._cluster.pool(pool_name) as pool:
                pool.remove(snapshot_id)

    def extract(
        self,
        instance_uuid: str,
        snapshot_id: str,
        on_progress: collections.abc.Callable[[], object],
    ) -> interface.SnapshotFile:
        """Write the snapshot's content to a file.

        :raises nova_lite.exceptions.DiskToolFailed: it cannot be converted.
        """
        folder = snapshot_folder.path_of(self._conf, snapshot_id)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "disk"
        with self._cluster.pool(self._pool) as pool:
            _export(pool, self._source(instance_uuid, snapshot_id), path, on_progress)
        disk_format = self._conf.libvirt.snapshot_image_format or "raw"
        if disk_format != "raw":
            converted = folder / f"disk.{disk_format}"
            self._qemu_img.convert(path, "raw", converted, disk_format)
            path = converted
        return interface.SnapshotFile(str(path), disk_format)

    def discard(self, instance_uuid: str, snapshot_id: str) -> None:
        """Remove the file, and the RBD snapshot unless something is cloned from it."""
        snapshot_folder.remove(self._conf, snapshot_id)
        with self._cluster.pool(self._pool) as pool:
            try:
                self._remove_unused(pool, _disk_of(instance_uuid))
            except exceptions.RbdImageNotFound:
                LOG.debug("The disk of %s is gone, and its snapshots with it", instance_uuid)

    def list_snapshots(self) -> list[str]:
        """Those that have a file. RBD's own are known by their disks."""
        return snapshot_folder.list_all(self._conf)

    def _source(self, instance_uuid: str, snapshot_id: str) -> ceph.Snapshot:
        return ceph.Snapshot(self._pool, _disk_of(instance_uuid), PREFIX + snapshot_id)

    def _pool_of_glance(self, source: ceph.Snapshot) -> str | None:
        """The pool the server's own image is in, or else the first of Glance's."""
        pools: list[str] = self._conf.libvirt.images_rbd_glance_pools
        with self._cluster.pool(self._pool) as pool:
            parent = pool.parent(source.image)
        if parent is not None and parent.pool in pools:
            return parent.pool
        return pools[0] if pools else None

    def _remove_unused(self, pool: ceph.Pool, disk: str, kept: str | None = None) -> None:
        """Remove the snapshots of ours that nothing is cloned from (any more)."""
        for snapshot in pool.snapshots(disk):
            is_ours = snapshot.name.startswith(PREFIX) and not snapshot.is_in_trash
            if not is_ours or snapshot.name == kept:
                continue
            try:
                pool.remove_snapshot(disk, snapshot.name)
            except exceptions.RbdImageHasClones as error:
                LOG.debug("%s", error.message)


def _disk_of(instance_uuid: str) -> str:
    return f"{instance_uuid}_disk"


def _export(
    pool: ceph.Pool,
    source: ceph.Snapshot,
    path: pathlib.Path,
    on_progress: collections.abc.Callable[[], object],
) -> None:
    """The snapshot's content as a raw file; what is unwritten stays a hole."""
    on_progress()
    with path.open("wb") as file:
        file.truncate(pool.size_bytes(source.image, source.name))
        for offset, data in pool.content(source.image, source.name):
            on_progress()
            file.seek(offset)
            concurrency.in_native_thread(file.write, data)
