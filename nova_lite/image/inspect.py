"""Is an image what its owner says, and harmless? Asked before anything reads it.

The inspectors of oslo.utils look at bytes only; they open no file that an
image names. An image is refused when its bytes are of another format than the
one declared (CVE-2024-40767), when it refers to other files (CVE-2024-32498,
CVE-2022-47951), or when it could be read as several formats.
"""

import dataclasses
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
    from oslo_utils.imageutils import format_inspector

    if declared_format not in SUPPORTED_FORMATS:
        supported = ", ".join(SUPPORTED_FORMATS)
        reason = f"its disk format is {declared_format}; supported are {supported}"
        raise exceptions.ImageUnacceptable(image_id=image_id, reason=reason)
    try:
        found = format_inspector.detect_file_format(str(path))
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
    return InspectedImage(declared_format, _virtual_size_bytes(found, detected, path))


def _virtual_size_bytes(found: typing.Any, detected: str, path: pathlib.Path) -> int:
    if detected in ("raw", "gpt", "iso"):
        return path.stat().st_size
    return int(found.virtual_size)
