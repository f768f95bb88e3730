"""Sizes that every driver reckons with in the same way."""

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.virt import interface

GIB = 2**30
MIB = 2**20


def root_size_bytes(instance: objects.Instance, image: interface.RootImage) -> int:
    """Size of a local root disk: the flavor's, or the image's own if the
    flavor says 0.

    :raises nova_lite.exceptions.FlavorDiskTooSmall: the image does not fit.
    """
    require_fits(image.image_id, image.virtual_size_bytes, instance.flavor.root_gib)
    return instance.flavor.root_gib * GIB or image.virtual_size_bytes


def require_fits(image_id: str, virtual_size_bytes: int, root_gib: int) -> None:
    """Refuse an image that is larger than the root disk; 0 GiB is no limit.

    :raises nova_lite.exceptions.FlavorDiskTooSmall: it is.
    """
    if root_gib and virtual_size_bytes > root_gib * GIB:
        raise exceptions.FlavorDiskTooSmall(
            image_id=image_id, virtual_size_bytes=virtual_size_bytes, root_gib=root_gib
        )
