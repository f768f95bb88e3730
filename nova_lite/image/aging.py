"""Removing base files that nothing uses any more.

Whoever uses a base file says so with :func:`use`; the time of the last use is the
file's own modification time, which survives restarts and is shared by hosts that
share the folder.
"""

import collections.abc
import dataclasses
import os
import pathlib
import time

from nova_lite import concurrency
from nova_lite import locks


@dataclasses.dataclass(frozen=True)
class Report:
    """What a look at base files found and did. Sizes are what the disk saves."""

    kept: tuple[str, ...] = ()
    kept_bytes: int = 0
    removed: tuple[str, ...] = ()
    removed_bytes: int = 0

    def __add__(self, other: "Report") -> "Report":
        return Report(
            self.kept + other.kept,
            self.kept_bytes + other.kept_bytes,
            self.removed + other.removed,
            self.removed_bytes + other.removed_bytes,
        )


def use(path: pathlib.Path) -> None:
    """A base file is about to be used: it is young again."""
    os.utime(path)


def remove_unused(
    paths: collections.abc.Iterable[pathlib.Path],
    in_use: collections.abc.Container[str],
    minimum_age_s: float,
    named_locks: locks.Locks,
) -> Report:
    """Remove the files that no disk is based on and nobody used for a while.

    :param in_use: names of files that disks are based on.
    :param named_locks: the locks, by name, under which files are used and made.
    """
    report = Report()
    for path in paths:
        with named_locks.hold(path.name, "see whether it is used"):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            allocated_bytes = status.st_blocks * 512
            if path.name in in_use or time.time() - status.st_mtime < minimum_age_s:
                report += Report(kept=(path.name,), kept_bytes=allocated_bytes)
                continue
            # A large file takes its time.
            concurrency.in_native_thread(path.unlink)
            report += Report(removed=(path.name,), removed_bytes=allocated_bytes)
    return report
