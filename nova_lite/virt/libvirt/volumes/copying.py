"""Moves a running guest's disk from one volume to another: QEMU copies it and mirrors
what the guest writes, until both are the same; then the guest goes on with the copy."""

import collections.abc
import dataclasses
import logging

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite.virt.libvirt import guest
from nova_lite.virt.libvirt import xml

LOG = logging.getLogger(__name__)

LOOK_INTERVAL_S = 0.5
LOG_EVERY_PERCENT = 10


def move(
    found: guest.Guest,
    disk: xml.Disk,
    destination: xml.Disk,
    is_wanted: collections.abc.Callable[[], bool],
) -> None:
    """Copy the live ``disk`` to ``destination``, and have the guest use that.

    :raises nova_lite.exceptions.VolumeCopyStopped: ``is_wanted`` said no.
    :raises nova_lite.exceptions.HypervisorError: the copy failed; the guest is on
        the old volume.
    """
    found.start_copy(disk.target, destination)
    try:
        _mirror(found, disk, is_wanted)
    except Exception:
        abandon(found, disk)
        raise
    redefine(found, disk, destination)


def abandon(found: guest.Guest, disk: xml.Disk) -> None:
    """End a copy, if one is under way; the guest stays on its disk."""
    if found.copy_progress(disk.target) is not None:
        found.end_copy(disk.target, pivot=False)


def redefine(found: guest.Guest, disk: xml.Disk, destination: xml.Disk) -> None:
    """Have the guest start from the new volume, too; libvirt mostly sees to it."""
    kept = found.persistent().disk_with_serial(disk.serial or "")
    if kept is None or kept.is_at(destination):
        return
    found.redefine_disk(
        dataclasses.replace(
            kept,
            source=destination.source,
            source_type=destination.source_type,
            network=destination.network,
            driver_format=destination.driver_format,
            cache=destination.cache,
        )
    )


def _mirror(
    found: guest.Guest, disk: xml.Disk, is_wanted: collections.abc.Callable[[], bool]
) -> None:
    """Wait until the copy is whole, and pivot to it."""
    told_percent = 0
    while True:
        progress = found.copy_progress(disk.target)
        if progress is None:
            raise exceptions.HypervisorError(
                reason=f"the copy of {disk.target} of {found.uuid} ended by itself"
            )
        if not is_wanted():
            raise exceptions.VolumeCopyStopped(device=disk.target, copied_percent=progress.percent)
        if progress.percent >= 100 and found.end_copy(disk.target, pivot=True):
            return
        if progress.percent >= told_percent + LOG_EVERY_PERCENT:
            told_percent = progress.percent
            LOG.info("Copy of %s of %s: %d %%", disk.target, found.uuid, told_percent)
        concurrency.sleep(LOOK_INTERVAL_S)
