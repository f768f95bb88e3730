"""Which local disks a server has: a pure function of the request."""

import dataclasses
import typing

from oslo_config import cfg

from nova_lite import objects
from nova_lite.virt import interface
from nova_lite.virt import naming
from nova_lite.virt import sizes


@dataclasses.dataclass(frozen=True)
class ImageContent:
    """Starts as a copy of an image in the cache."""

    path: str
    disk_format: str


@dataclasses.dataclass(frozen=True)
class FilesystemContent:
    """Starts as an empty file system."""

    size_gib: int
    filesystem: str

    @property
    def base_name(self) -> str:
        """Its file in ``_base`` (S105)."""
        return f"ephemeral_{self.size_gib}_{self.filesystem}"


@dataclasses.dataclass(frozen=True)
class SwapContent:
    """Starts as swap space."""

    size_mib: int

    @property
    def base_name(self) -> str:
        """Its file in ``_base`` (S106)."""
        return f"swap_{self.size_mib}"


Content: typing.TypeAlias = ImageContent | FilesystemContent | SwapContent


@dataclasses.dataclass(frozen=True)
class LocalDisk:
    """One file in a server's directory."""

    file_name: str
    """``disk``, ``disk.eph0``, ``disk.local`` or ``disk.swap``."""
    target: str
    bus: str | None
    size_bytes: int
    content: Content
    is_root: bool = False


def local_disks(
    instance: objects.Instance,
    block_device_info: interface.BlockDeviceInfo,
    root_image: interface.RootImage | None,
    conf: cfg.ConfigOpts,
) -> list[LocalDisk]:
    """Root, ephemerals and swap, in that order.

    :raises nova_lite.exceptions.FlavorDiskTooSmall: the image does not fit.
    """
    disks = []
    if root_image is not None:
        disks.append(_root(instance, block_device_info, root_image))
    disks += _ephemerals(instance, block_device_info, conf.libvirt.default_ephemeral_format)
    swap = block_device_info["swap"]
    if swap is not None:
        disks.append(
            LocalDisk(
                file_name="disk.swap",
                target=naming.target_name(swap["device_name"]),
                bus=swap["disk_bus"],
                size_bytes=swap["swap_size"] * sizes.MIB,
                content=SwapContent(swap["swap_size"]),
            )
        )
    return disks


def _root(
    instance: objects.Instance,
    block_device_info: interface.BlockDeviceInfo,
    image: interface.RootImage,
) -> LocalDisk:
    return LocalDisk(
        file_name="disk",
        target=naming.target_name(block_device_info["root_device_name"] or "/dev/vda"),
        bus=image.disk_bus,
        size_bytes=sizes.root_size_bytes(instance, image),
        content=ImageContent(image.path, image.disk_format),
        is_root=True,
    )


def _ephemerals(
    instance: objects.Instance,
    block_device_info: interface.BlockDeviceInfo,
    default_filesystem: str,
) -> list[LocalDisk]:
    """The ephemeral disks of the request, or, if it lists none although the
    flavor has one, that one as ``disk.local`` (S92)."""
    requested = [
        LocalDisk(
            file_name=f"disk.eph{index}",
            target=naming.target_name(device["device_name"]),
            bus=device["disk_bus"],
            size_bytes=device["size"] * sizes.GIB,
            content=FilesystemContent(
                device["size"], device["guest_format"] or default_filesystem
            ),
        )
        for index, device in enumerate(block_device_info["ephemerals"])
    ]
    size_gib = instance.flavor.ephemeral_gib
    if requested or not size_gib:
        return requested
    return [
        LocalDisk(
            file_name="disk.local",
            target=naming.free_target_name("vdb", _taken(block_device_info)),
            bus=None,
            size_bytes=size_gib * sizes.GIB,
            content=FilesystemContent(size_gib, default_filesystem),
        )
    ]


def _taken(block_device_info: interface.BlockDeviceInfo) -> set[str]:
    names = [device["mount_device"] for device in block_device_info["block_device_mapping"]]
    names.append(block_device_info["root_device_name"] or "/dev/vda")
    if block_device_info["swap"] is not None:
        names.append(block_device_info["swap"]["device_name"])
    return {naming.target_name(name) for name in names}
