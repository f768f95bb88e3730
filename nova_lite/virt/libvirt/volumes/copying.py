"""Moves a running guest's disk from one volume to another: QEMU copies it and mirrors
what the guest writes, until both are the same; then the guest goes on with the copy.

QEMU's copy outlives libvirtd, and libvirtd finds it again after a restart, so the guest is
looked up anew for each look at it. Each step begins with what is, and so can be repeated
when only its answer was lost.
"""

import collections.abc
import contextlib
import dataclasses
import logging
import time
import typing

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite.virt import interface
from nova_lite.virt.libvirt import guest
from nova_lite.virt.libvirt import xml

LOG = logging.getLogger(__name__)

R = typing.TypeVar("R")

LookUp: typing.TypeAlias = collections.abc.Callable[[], guest.Guest]
"""Gives the guest by a connection that works.

:raises nova_lite.exceptions.HypervisorUnavailable: there is none.
"""

LOOK_INTERVAL_S = 0.5
LOG_EVERY_PERCENT = 10
RECONNECT_GRACE_S = 300
"""How long libvirtd may be away. Waiting costs nothing: QEMU goes on."""


def move(
    look_up: LookUp,
    disk: xml.Disk,
    destination: xml.Disk,
    is_wanted: collections.abc.Callable[[], bool],
) -> None:
    """Copy the live ``disk`` to ``destination``, and have the guest use that.

    :raises nova_lite.exceptions.VolumeCopyStopped: ``is_wanted`` said no.
    :raises nova_lite.exceptions.HypervisorError: the copy failed; the guest is on
        the old volume.
    :raises nova_lite.exceptions.HypervisorUnavailable: libvirtd stays away; nobody
        knows how far it went.
    """
    found = look_up()
    # It may have begun all the same.
    with contextlib.suppress(exceptions.HypervisorUnavailable):
        found.start_copy(disk.target, destination)
    copy = _Copy(look_up, disk, destination)
    try:
        while not _patiently(lambda: copy.advance(is_wanted), is_wanted):
            concurrency.sleep(LOOK_INTERVAL_S)
    except exceptions.HypervisorUnavailable:
        # Nobody could be asked for long enough.
        raise
    except Exception:
        _give_up(look_up, disk)
        raise
    _patiently(lambda: redefine(look_up(), disk, destination))


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


class _Copy:
    """A copy under way."""

    def __init__(self, look_up: LookUp, disk: xml.Disk, destination: xml.Disk) -> None:
        self._look_up = look_up
        self._disk = disk
        self._destination = destination
        self._told_percent = 0

    def advance(self, is_wanted: collections.abc.Callable[[], bool]) -> bool:
        """Look how far it is, and pivot when it is whole; whether that is done."""
        found, target = self._look_up(), self._disk.target
        progress = found.copy_progress(target)
        if progress is None:
            if self._is_moved(found):
                return True
            raise exceptions.HypervisorError(
                reason=f"the copy of {target} of {found.uuid} ended by itself"
            )
        if not is_wanted():
            raise exceptions.VolumeCopyStopped(device=target, copied_percent=progress.percent)
        if progress.percent >= 100 and found.end_copy(target, pivot=True):
            return True
        if progress.percent >= self._told_percent + LOG_EVERY_PERCENT:
            self._told_percent = progress.percent
            LOG.info("Copy of %s of %s: %d %%", target, found.uuid, progress.percent)
        return False

    def _is_moved(self, found: guest.Guest) -> bool:
        live = found.live()
        disk = None if live is None else live.disk_with_serial(self._disk.serial or "")
        return disk is not None and disk.is_at(self._destination)


def _give_up(look_up: LookUp, disk: xml.Disk) -> None:
    """Abandon a copy that failed, whose own error says more than one of this."""
    try:
        _patiently(lambda: abandon(look_up(), disk))
    except exceptions.NovaLiteError:
        LOG.exception("The copy of %s of volume %s could not be ended", disk.target, disk.serial)


def _patiently(
    step: collections.abc.Callable[[], R],
    is_wanted: collections.abc.Callable[[], bool] = interface.wanted,
) -> R:
    """Repeat ``step`` while libvirtd is away and it is wanted, within
    :data:`RECONNECT_GRACE_S`."""
    end = time.monotonic() + RECONNECT_GRACE_S
    is_told = False
    while True:
        try:
            return step()
        except exceptions.HypervisorUnavailable as error:
            if time.monotonic() >= end or not is_wanted():
                raise
            if not is_told:
                LOG.warning("%s; QEMU's copy goes on, looking for it again", error.message)
            is_told = True
        concurrency.sleep(LOOK_INTERVAL_S)
