"""QEMU's cache mode for a file: without the host's page cache if it can be."""

import errno
import os
import pathlib
import tempfile

from oslo_config import cfg

from nova_lite import concurrency
from nova_lite import locks
from nova_lite import mounts

_known: dict[tuple[pathlib.Path, mounts.Mount | None], bool] = {}
"""What was found out of the file system in a place."""

_locks = locks.Locks()


def of(conf: cfg.ConfigOpts, folder: pathlib.Path) -> str:
    """The configured mode, or ``writeback`` where it needs an O_DIRECT that
    the file system of ``folder`` does not have."""
    configured: str = conf.libvirt.disk_cachemode
    if configured in ("none", "directsync") and not _has_direct_io(folder):
        return "writeback"
    return configured


def of_shared(folder: pathlib.Path) -> str:
    """The mode of a disk that other hosts write to as well: nothing of it is kept
    here, or, where the file system has no O_DIRECT, no write is."""
    return "none" if _has_direct_io(folder) else "writethrough"


def _has_direct_io(folder: pathlib.Path) -> bool:
    # One that does not answer holds one native thread, and not one a disk.
    with _locks.hold(str(folder), "find out whether it has O_DIRECT"):
        place = (folder, mounts.of(folder))
        if place not in _known:
            try:
                _known[place] = concurrency.in_native_thread(_opens_directly, folder)
            except OSError:
                return False
        return _known[place]


def _opens_directly(folder: pathlib.Path) -> bool:
    """:raises OSError: nobody knows."""
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        try:
            os.close(os.open(file.name, os.O_RDONLY | os.O_DIRECT))
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return False
    return True
