"""Images for disks in Ceph: cloned where they are, or brought into the pool once.

An image that Glance keeps raw in the same cluster is cloned, and nothing of it passes
this host but its first megabyte, which is inspected. Any other image is downloaded,
inspected, converted to raw and imported as a parent, once for all hosts; every disk
is a clone of that.
"""

import collections.abc
import contextlib
import dataclasses
import logging
import pathlib
import typing

from oslo_config import cfg

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.image import aging
from nova_lite.image import cache
from nova_lite.image import clonable
from nova_lite.image import inspect
from nova_lite.image import locations
from nova_lite.virt import ceph
from nova_lite.virt import interface
from nova_lite.virt import sizes
from nova_lite.virt.libvirt.disks import parents

LOG = logging.getLogger(__name__)


class RbdImages(interface.ImageOps):
    """Snapshots in Ceph that root disks are cloned from."""

    def __init__(
        self, conf: cfg.ConfigOpts, cluster: ceph.Cluster, known_parents: parents.Parents
    ) -> None:
        self._never_download: bool = conf.libvirt.images_rbd_never_download
        self._glance_pools: list[str] = conf.libvirt.images_rbd_glance_pools
        self._cluster = cluster
        self._parents = known_parents
        self._files = cache.ImageCache(conf, force_raw=True)
        self._inspected: set[ceph.Snapshot] = set()

    def start(self) -> None:
        """Remove files that were half-made; half-made parents age out."""
        self._files.start()

    def ensure(
        self,
        ctxt: typing.Any,
        image_meta: objects.ImageMeta,
        download: interface.Download,
        locate: interface.Locate,
        *,
        root_gib: int = 0,
    ) -> interface.RootImage:
        """The snapshot to clone.

        :raises nova_lite.exceptions.CephError: the cluster fails.
        """
        decision = self._decide(image_meta, locate)
        if decision.location is not None:
            image = self._where_it_is(image_meta, decision.location)
            sizes.require_fits(image.image_id, image.virtual_size_bytes, root_gib)
            return image
        what = f"image.{image_meta.id}"
        size_bytes, copied = self._parents.find(what), interface.Copied()
        if size_bytes is None:
            if self._never_download:
                reason = (
                    f"it cannot be cloned, because {decision.reason}, and this cloud does not "
                    "copy images into its servers' pool; use a raw image that the image "
                    "service keeps in the same Ceph cluster"
                )
                raise exceptions.ImageUnacceptable(image_id=image_meta.id, reason=reason)
            LOG.info("Image %s is copied, because %s", image_meta.id, decision.explained)
            copied = self._bring(what, ctxt, image_meta, download, root_gib)
            size_bytes = self._parents.find(what)
            if size_bytes is None:
                raise exceptions.CephError(reason=f"parent {what} was removed at once")
        sizes.require_fits(image_meta.id, size_bytes, root_gib)
        return interface.RootImage(
            image_meta.id,
            str(self._parents.snapshot_of(what)),
            "raw",
            size_bytes,
            origin=f"parent {self._parents.snapshot_of(what)} ({decision.explained})",
            copied=copied,
        )

    def remove_unused(self, in_use: collections.abc.Container[str]) -> aging.Report:
        """Files only; parents are the driver's other base files."""
        return self._files.remove_unused(())

    def _decide(
        self, image_meta: objects.ImageMeta, locate: interface.Locate
    ) -> clonable.Decision:
        """Whether it can be cloned, and is readable with this host's key."""
        if image_meta.disk_format not in clonable.CLONABLE_FORMATS:
            return self._choose(image_meta, [])
        decision = self._choose(image_meta, image_meta.rbd_urls)
        if decision.location is None and not image_meta.rbd_urls:
            # The user's view may lack what ours has.
            decision = self._choose(image_meta, _located(image_meta.id, locate))
        location = decision.location
        if location is None:
            return decision
        try:
            with self._cluster.pool(location.pool) as pool:
                pool.size_bytes(location.image, location.snapshot)
        except exceptions.CephUnavailable:
            raise
        except exceptions.CephError as error:
            LOG.warning("%s cannot be read: %s", location, error)
            reason = "its location cannot be read with this host's key"
            return clonable.Decision(None, reason, str(location))
        return decision

    def _choose(
        self, image_meta: objects.ImageMeta, urls: collections.abc.Iterable[str]
    ) -> clonable.Decision:
        return clonable.decide(
            image_meta.id,
            image_meta.disk_format,
            locations.rbd_locations(urls),
            self._glance_pools,
            fsid=self._cluster.fsid(),
        )

    def _where_it_is(
        self, image_meta: objects.ImageMeta, location: locations.RbdLocation
    ) -> interface.RootImage:
        """Inspected once a run: a snapshot never changes."""
        snapshot = ceph.Snapshot(location.pool, location.image, location.snapshot)
        with self._cluster.pool(snapshot.pool) as pool:
            size_bytes = pool.size_bytes(snapshot.image, snapshot.name)
            if snapshot not in self._inspected:
                start = pool.read(snapshot.image, 0, inspect.START_BYTES, snapshot.name)
                inspect.inspect_start(image_meta.id, start, size_bytes, image_meta.disk_format)
                self._inspected.add(snapshot)
        return interface.RootImage(
            image_meta.id, str(snapshot), "raw", size_bytes, origin=f"in Ceph as {snapshot}"
        )

    def _bring(
        self,
        what: str,
        ctxt: typing.Any,
        image_meta: objects.ImageMeta,
        download: interface.Download,
        root_gib: int,
    ) -> interface.Copied:
        """Make the parent of an image, by way of a file that is removed again."""
        fetched: list[interface.RootImage] = []

        @contextlib.contextmanager
        def fill() -> collections.abc.Iterator[pathlib.Path]:
            try:
                image = self._files.ensure(ctxt, image_meta, download, root_gib=root_gib)
                fetched.append(image)
                yield pathlib.Path(image.path)
            finally:
                self._files.forget(image_meta.id)

        imported_bytes = self._parents.ensure(what, fill)
        copied = fetched[0].copied if fetched else interface.Copied()
        return dataclasses.replace(copied, imported_bytes=imported_bytes)


def _located(image_id: str, locate: interface.Locate) -> list[str]:
    """Where it is; the slow way is open if Glance does not say."""
    try:
        return locate(image_id)
    except exceptions.NovaLiteError as error:
        LOG.warning("Glance does not say where image %s is: %s", image_id, error)
        return []
