"""Is an image what its owner says, and harmless? Asked before anything reads it.

The inspectors of oslo.utils look at bytes only; they open no file that an
image names. An image is refused when its bytes are of another format than the
one declared (CVE-2024-40767), when it refers to other files (CVE-2024-32498,
CVE-2022-47951), or when it could be read as several formats.
"""

import dataclasses
import io
import pathlib
import typing

from nova_lite import exceptions

SUPPORTED_FORMATS: typing.Final = ("raw", "qcow2", "vmdk", "vdi", "vhd", "vhdx", "iso", "ami")

_DETECTED_AS: typing.Final = {
    # A disk with a partition table is still raw; so is a file system.
    "raw": ("raw", "gpt"),
    "ami": ("raw", "gpt"),
}
"""What may be found where a format is declared, if not just that format."""


START_BYTES: typing.Final = 1024 * 1024
"""What tells every known format apart; the inspectors are sure after a quarter."""

_CHUNK_BYTES = 4096


@dataclasses.dataclass(frozen=True)
class InspectedImage:
    """What an image that passed is."""

    disk_format: str
    """The declared format, now known to be true."""
    virtual_size_bytes: int
    """Size of the disk that a guest would see."""


def inspect(image_id: str, path: pathlib.Path, declared_format: str | None) -> InspectedImage:
    """Check the file at ``path`` against what Glance declares.

    :param image_id: for messages only.
    :raises nova_lite.exceptions.ImageUnacceptable: it must not be used.
    """
    with path.open("rb") as file:
        return _inspect(image_id, file, path.stat().st_size, declared_format)


def inspect_start(
    image_id: str, start: bytes, size_bytes: int, declared_format: str | None
) -> InspectedImage:
    """The same by an image's first :data:`START_BYTES`, for one that is a disk
    byte by byte and stays where it is.

    :param size_bytes: of the whole image.
    :raises nova_lite.exceptions.ImageUnacceptable: it must not be used.
    """
    return _inspect(image_id, io.BytesIO(start), size_bytes, declared_format)


def _inspect(
    image_id: str, content: typing.BinaryIO, size_bytes: int, declared_format: str | None
) -> InspectedImage:
    from oslo_utils.imageutils import format_inspector

    if declared_format not in SUPPORTED_FORMATS:
        supported = ", ".join(SUPPORTED_FORMATS)
        reason = f"its disk format is {declared_format}; supported are {supported}"
        raise exceptions.ImageUnacceptable(image_id=image_id, reason=reason)
    try:
        found = _detect(content)
    except format_inspector.ImageFormatError as error:
        # Bytes that are several formats at once are made to deceive.
        raise exceptions.ImageUnacceptable(image_id=image_id, reason=str(error)) from error
    detected = str(found) if found is not None else "nothing that is known"
    if detected not in _DETECTED_AS.get(declared_format, (declared_format,)):
        reason = f"it is declared as {declared_format}, but its content is {detected}"
        raise exceptions.ImageUnacceptable(image_id=image_id, reason=reason)
    try:
        found.safety_check()
    except format_inspector.SafetyCheckFailed as error:
        failed = ", ".join(sorted(error.failures))
        reason = f"it failed the safety checks: {failed}"
        raise exceptions.ImageUnacceptable(image_id=image_id, reason=reason) from error
    is_plain = detected in ("raw", "gpt", "iso")
    return InspectedImage(declared_format, size_bytes if is_plain else int(found.virtual_size))


def _detect(content: typing.BinaryIO) -> typing.Any:
    """What the bytes are, read until every inspector is sure."""
    from oslo_utils.imageutils import format_inspector

    wrapper = format_inspector.InspectWrapper(content)
    try:
        while wrapper.read(_CHUNK_BYTES):
            if wrapper.format:
                return wrapper.format
    finally:
        wrapper.close()
    return wrapper.format
