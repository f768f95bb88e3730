"""Images on this host: fetched once, inspected, converted, then never changed.

An image is ``_base/<sha1 of its id>`` (S103) beside a record of its format and
size, ``<sha1>.json``. The record is written last: an image without one was
never checked, whoever put it there, and is fetched again.
"""

import collections.abc
import hashlib
import json
import logging
import pathlib
import re
import typing

from oslo_config import cfg

from nova_lite import concurrency
from nova_lite import durable
from nova_lite import locks
from nova_lite import objects
from nova_lite.image import aging
from nova_lite.image import convert
from nova_lite.image import inspect
from nova_lite.virt import interface
from nova_lite.virt import sizes

LOG = logging.getLogger(__name__)

_FILE_MODE = 0o644
_IMAGE_NAME = re.compile("[0-9a-f]{40}")
_RECORDED = ("image_id", "path", "disk_format", "virtual_size_bytes")
_RAW_FORMATS = ("raw", "iso", "ami")
"""What is a disk byte by byte."""


class ImageCache(interface.ImageOps):
    """The images of one host.

    :param force_raw: keep raw images only; None does what the configuration says.
    """

    def __init__(self, conf: cfg.ConfigOpts, *, force_raw: bool | None = None) -> None:
        configured: bool = conf.libvirt.force_raw_images
        self._force_raw = configured if force_raw is None else force_raw
        self._host: str = conf.host
        self._qemu_img = convert.QemuImg(conf)
        self._locks = locks.Locks()
        self._minimum_age_s: int = conf.image_cache.minimum_age_s
        self.path = pathlib.Path(conf.compute.instances_path) / conf.image_cache.subdirectory_name

    def start(self) -> None:
        """Remove what a dead process of this host left half-made in ``_base``:
        images, and the drivers' other base files. Call once, before use."""
        if self.path.exists():
            durable.remove_leftovers(self.path, self._host)

    def ensure(
        self,
        ctxt: typing.Any,
        image_meta: objects.ImageMeta,
        download: interface.Download,
        locate: interface.Locate | None = None,
        *,
        root_gib: int = 0,
    ) -> interface.RootImage:
        """The image as a file of this host, wherever else it is.

        :raises nova_lite.exceptions.DiskToolFailed: it cannot be converted.
        """
        path = self._path_of(image_meta.id)
        with self._locks.hold(path.name, f"fetch image {image_meta.id}"):
            image = self._cached(image_meta.id, path)
            if image is None:
                self.path.mkdir(parents=True, exist_ok=True)
                image = self._fetch(ctxt, image_meta, download, path, root_gib)
        sizes.require_fits(image.image_id, image.virtual_size_bytes, root_gib)
        return image

    def _cached(self, image_id: str, path: pathlib.Path) -> interface.RootImage | None:
        try:
            record = json.loads(_record_of(path).read_text())
            image = interface.RootImage(
                **{key: record[key] for key in _RECORDED}, origin="from the image cache"
            )
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        if image.image_id != image_id or not path.exists():
            return None
        aging.use(path)
        return image

    def forget(self, image_id: str) -> None:
        """Remove an image that was needed only once. Gone is success."""
        path = self._path_of(image_id)
        with self._locks.hold(path.name, f"forget image {image_id}"):
            _record_of(path).unlink(missing_ok=True)
            concurrency.in_native_thread(path.unlink, missing_ok=True)

    def _path_of(self, image_id: str) -> pathlib.Path:
        return self.path / hashlib.sha1(image_id.encode(), usedforsecurity=False).hexdigest()

    def remove_unused(self, in_use: collections.abc.Container[str]) -> aging.Report:
        """Remove images that no disk is based on and nobody booted for a while.

        :param in_use: names of base files that disks are based on.
        """
        if not self.path.exists():
            return aging.Report()
        images = [path for path in self.path.iterdir() if _IMAGE_NAME.fullmatch(path.name)]
        report = aging.remove_unused(images, in_use, self._minimum_age_s, self._locks)
        for name in report.removed:
            _record_of(self.path / name).unlink(missing_ok=True)
        return report

    def _fetch(
        self,
        ctxt: typing.Any,
        image_meta: objects.ImageMeta,
        download: interface.Download,
        path: pathlib.Path,
        root_gib: int,
    ) -> interface.RootImage:
        LOG.info("Fetching image %s", image_meta.id)
        downloaded = durable.temporary_for(path, self._host)
        converted = durable.temporary_for(path, self._host)
        try:
            download(ctxt, image_meta, str(downloaded))
            found = inspect.inspect(image_meta.id, downloaded, image_meta.disk_format)
            # Before the conversion, which would write that much.
            sizes.require_fits(image_meta.id, found.virtual_size_bytes, root_gib)
            kept_format = self._format_to_keep(found.disk_format)
            finished, converted_bytes = downloaded, 0
            if kept_format == "raw" and found.disk_format not in _RAW_FORMATS:
                self._qemu_img.convert(downloaded, found.disk_format, converted, "raw")
                finished, converted_bytes = converted, converted.stat().st_blocks * 512
            copied = interface.Copied(downloaded.stat().st_size, converted_bytes)
            finished.chmod(_FILE_MODE)
            concurrency.in_native_thread(durable.commit, finished, path)
        finally:
            downloaded.unlink(missing_ok=True)
            converted.unlink(missing_ok=True)
        # A conversion may round the size up to whole sectors or cylinders.
        size_bytes = path.stat().st_size if kept_format == "raw" else found.virtual_size_bytes
        image = interface.RootImage(
            image_meta.id, str(path), kept_format, size_bytes, origin="from Glance", copied=copied
        )
        record = {key: getattr(image, key) for key in _RECORDED}
        concurrency.in_native_thread(durable.write_text, _record_of(path), json.dumps(record))
        LOG.info("Fetched image %s: %s", image_meta.id, copied)
        return image

    def _format_to_keep(self, disk_format: str) -> str:
        """qcow2 stays qcow2 if that is allowed; all else becomes raw."""
        return "qcow2" if disk_format == "qcow2" and not self._force_raw else "raw"


def _record_of(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(path.name + ".json")
