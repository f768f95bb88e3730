"""How a local disk is stored: a backend a value of ``[libvirt] images_type``."""

import abc
import os
import pathlib
import typing

from nova_lite import concurrency
from nova_lite.image import convert


class DiskBackend(abc.ABC):
    """A way to store a disk that starts as a base file."""

    disk_format: typing.ClassVar[str]
    """The format of the files it makes."""

    def __init__(self, qemu_img: convert.QemuImg) -> None:
        self._qemu_img = qemu_img

    @abc.abstractmethod
    def make(
        self, path: pathlib.Path, base: pathlib.Path, base_format: str, size_bytes: int
    ) -> int:
        """Write the new file ``path``: ``base``, grown to ``size_bytes``.

        :returns: bytes of the base that were copied.
        :raises nova_lite.exceptions.DiskToolFailed: it cannot be written.
        """


class Qcow2Backend(DiskBackend):
    """A copy-on-write file: made at once, shares what guests do not change."""

    disk_format = "qcow2"

    def make(
        self, path: pathlib.Path, base: pathlib.Path, base_format: str, size_bytes: int
    ) -> int:
        """An overlay of the base."""
        self._qemu_img.create_overlay(path, base, base_format, size_bytes)
        return 0


class RawBackend(DiskBackend):
    """A full copy that leaves zeros out: fast to use, slow to make."""

    disk_format = "raw"

    def make(
        self, path: pathlib.Path, base: pathlib.Path, base_format: str, size_bytes: int
    ) -> int:
        """A sparse copy of the base."""
        self._qemu_img.convert(base, base_format, path, "raw")
        copied_bytes = path.stat().st_blocks * 512
        os.truncate(path, size_bytes)
        return copied_bytes


class FlatBackend(RawBackend):
    """A full copy with all its blocks reserved: the host cannot run out of
    space under a guest."""

    def make(
        self, path: pathlib.Path, base: pathlib.Path, base_format: str, size_bytes: int
    ) -> int:
        """A copy of the base, fully allocated."""
        copied_bytes = super().make(path, base, base_format, size_bytes)
        # Some file systems write each block.
        concurrency.in_native_thread(_allocate, path, size_bytes)
        return copied_bytes


def _allocate(path: pathlib.Path, size_bytes: int) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.posix_fallocate(descriptor, 0, size_bytes)
    finally:
        os.close(descriptor)


BACKENDS: typing.Final[dict[str, type[DiskBackend]]] = {
    "flat": FlatBackend,
    "qcow2": Qcow2Backend,
    "raw": RawBackend,
}
