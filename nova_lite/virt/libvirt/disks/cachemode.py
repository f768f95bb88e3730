"""QEMU's cache mode for a file: without the host's page cache if it can be."""

import os
import pathlib
import tempfile

from oslo_config import cfg


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
    try:
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            os.close(os.open(file.name, os.O_RDONLY | os.O_DIRECT))
    except OSError:
        return False
    return True
