"""The data of the embedded volume service: one sparse raw file a volume.

Formats are never guessed: a qcow2 image is looked at before any tool opens it,
and tools are told what they read.
"""

import os
import struct
import subprocess
import typing

GIB = 1024**3
TOOL_TIMEOUT_S = 3600

_QCOW2_MAGIC = b"QFI\xfb"
_EXTERNAL_DATA_BIT = 1 << 2


class Unusable(Exception):
    """The data cannot become a volume; the text says why, for users."""


class VolumeFiles:
    """Files of volumes and snapshots below one directory."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        # QEMU runs as a user of its own: it may pass through, but neither list the
        # directory nor open a file that libvirt has not given to it.
        os.makedirs(directory, mode=0o711, exist_ok=True)

    def path(self, kind: str, key: str) -> str:
        """Where a ``volume``'s or ``snapshot``'s data are."""
        return os.path.join(self._directory, f"{kind}-{key}")

    def create_blank(self, path: str, size_gib: int) -> None:
        """Make a file that reads as zeros and takes no space."""
        make_private(path)
        with open(path, "wb") as file:
            file.truncate(size_gib * GIB)

    def extend(self, path: str, size_gib: int) -> None:
        """Make a file larger; it is never made smaller."""
        if os.path.getsize(path) < size_gib * GIB:
            os.truncate(path, size_gib * GIB)

    def copy(self, source: str, path: str, size_gib: int) -> None:
        """Copy a raw file without its holes, shared where the file system can."""
        make_private(path)
        _run(["cp", "--sparse=always", "--reflink=auto", "--", source, path])
        self.extend(path, size_gib)

    def convert(self, source: str, disk_format: str, path: str, size_gib: int) -> None:
        """Make a raw file of that size from an image.

        :raises Unusable: the image is none, is dangerous, or is too large.
        """
        needed = virtual_size_bytes(source, disk_format)
        if needed > size_gib * GIB:
            raise Unusable(
                f"The image needs {needed} bytes, more than the volume's {size_gib} GiB"
            )
        make_private(path)
        _run(["qemu-img", "convert", "-f", disk_format, "-O", "raw", source, path])
        self.extend(path, size_gib)

    def remove(self, path: str) -> None:
        """Remove a file; gone is success."""
        try:
            os.unlink(path)
        except FileNotFoundError:
            return


def make_private(path: str) -> None:
    """Make an empty file that only this service may read, if there is none."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))


def virtual_size_bytes(path: str, disk_format: str) -> int:
    """The size of the disk in an image file, read without any tool.

    :raises Unusable: it is not of that format, or refers to other files.
    """
    if disk_format == "raw":
        return os.path.getsize(path)
    if disk_format != "qcow2":
        raise Unusable(f"Images of format {disk_format} cannot be made into volumes")
    with open(path, "rb") as file:
        header = file.read(80)
    if len(header) < 72 or header[:4] != _QCOW2_MAGIC:
        raise Unusable("The image is not qcow2 as it says")
    version, backing_offset = struct.unpack(">IQ", header[4:16])
    if version not in (2, 3):
        raise Unusable(f"qcow2 version {version} is unknown")
    if backing_offset:
        raise Unusable("The image has a backing file")
    if version == 3 and struct.unpack(">Q", header[72:80])[0] & _EXTERNAL_DATA_BIT:
        raise Unusable("The image keeps its data in another file")
    return typing.cast(int, struct.unpack(">Q", header[24:32])[0])


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
