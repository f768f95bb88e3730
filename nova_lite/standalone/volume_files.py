"""The data of the embedded volume service: one sparse raw file a volume.

Formats are never guessed: an image is inspected before any tool opens it, and
tools are told what they read.
"""

import os
import pathlib
import subprocess
import typing

from nova_lite.image import convert
from nova_lite.image import inspect

GIB = 1024**3
TOOL_TIMEOUT_S = 3600


class Unusable(Exception):
    """The data cannot become a volume; the text says why, for users."""


class ImageFile(typing.NamedTuple):
    """An image that was fetched, with what its record says of it."""

    image_id: str
    path: str
    disk_format: str | None


class VolumeFiles:
    """Files of volumes and snapshots below one directory."""

    def __init__(self, conf: typing.Any, directory: str) -> None:
        self._directory = directory
        # QEMU runs as a user of its own: it may pass through, but neither list the
        # directory nor open a file that libvirt has not given to it.
        os.makedirs(directory, mode=0o711, exist_ok=True)
        self._qemu_img = convert.QemuImg(conf)

    def path(self, kind: str, key: str) -> str:
        """Where a ``volume``'s or ``snapshot``'s data are."""
        return os.path.join(self._directory, f"{kind}-{key}")

    def create_blank(self, path: str, size_gib: int) -> None:
        """Make a file that reads as zeros and takes no space."""
        make_private(path)
        with open(path, "wb") as file:
            file.truncate(size_gib * GIB)

    def create_encrypted(self, path: str, size_gib: int, passphrase: bytes) -> None:
        """Make a LUKS file of that size; what was never written reads as noise.

        :raises nova_lite.exceptions.DiskToolFailed: qemu-img failed.
        """
        make_private(path)
        self._qemu_img.create_luks(pathlib.Path(path), size_gib * GIB, passphrase)

    def extend(self, path: str, size_gib: int, *, is_encrypted: bool = False) -> None:
        """Make a file larger; it is never made smaller."""
        size_bytes = size_gib * GIB
        if is_encrypted:
            # Volumes are of whole GiB; what the file has besides is its header.
            size_bytes += os.path.getsize(path) % GIB
        if os.path.getsize(path) < size_bytes:
            os.truncate(path, size_bytes)

    def copy(self, source: str, path: str, size_gib: int, *, is_encrypted: bool = False) -> None:
        """Copy a raw or LUKS file without its holes, shared where the file system can."""
        make_private(path)
        _run(["cp", "--sparse=always", "--reflink=auto", "--", source, path])
        self.extend(path, size_gib, is_encrypted=is_encrypted)

    def convert(
        self, wanted: ImageFile, path: str, size_gib: int, passphrase: bytes | None
    ) -> None:
        """Make a raw file of that size from an image, or a LUKS file if there is a
        ``passphrase``.

        :raises Unusable: the image is too large for it.
        :raises nova_lite.exceptions.ImageUnacceptable: the image is not what it
            says, or refers to other files.
        :raises nova_lite.exceptions.DiskToolFailed: qemu-img failed.
        """
        source = wanted.path
        image = inspect.inspect(wanted.image_id, pathlib.Path(source), wanted.disk_format)
        if image.virtual_size_bytes > size_gib * GIB:
            raise Unusable(
                f"The image needs {image.virtual_size_bytes} bytes, more than the "
                f"volume's {size_gib} GiB"
            )
        if passphrase is not None:
            self.create_encrypted(path, size_gib, passphrase)
            self._qemu_img.convert_to_luks(
                pathlib.Path(source), image.disk_format, pathlib.Path(path), passphrase
            )
            return
        if image.disk_format == "raw":
            self.copy(source, path, size_gib)
            return
        make_private(path)
        self._qemu_img.convert(pathlib.Path(source), image.disk_format, pathlib.Path(path), "raw")
        self.extend(path, size_gib)

    def remove(self, path: str) -> None:
        """Remove a file; gone is success."""
        try:
            os.unlink(path)
        except FileNotFoundError:
            return


def download_path(path: str) -> str:
    """Where the image of the volume at ``path`` is while it is fetched."""
    return path + ".download"


def make_private(path: str) -> None:
    """Make an empty file that only this service may read, if there is none."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))


def _run(argv: list[str]) -> None:
    """Run a tool to its end.

    :raises Unusable: it failed.
    """
    try:
        subprocess.run(argv, check=True, capture_output=True, timeout=TOOL_TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        text = error.stderr.decode(errors="replace").strip()
        raise Unusable(f"{argv[0]} failed: {text}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unusable(f"{argv[0]} failed: {type(error).__name__}") from error
