"""Files that are either whole or not there, even after a power cut.

A file is written under a temporary name beside its place, flushed to the disk
and renamed. What a dead process left has :data:`TEMPORARY_SUFFIX` in its name.
"""

import hashlib
import os
import pathlib
import time
import uuid

TEMPORARY_SUFFIX = ".part"

ABANDONED_S = 24 * 3600
"""Nobody writes a file for that long without a pause."""


def temporary_for(path: pathlib.Path, host: str | None = None) -> pathlib.Path:
    """A new name beside ``path`` to write to before :func:`commit`.

    :param host: who writes, in a directory that several hosts may share.
    """
    unique = _mark_of(host) + uuid.uuid4().hex[:12]
    return path.with_name(f"{path.name}.{unique}{TEMPORARY_SUFFIX}")


def commit(temporary: pathlib.Path, path: pathlib.Path) -> None:
    """Make the finished file ``temporary`` durable under the name ``path``."""
    _fsync(temporary)
    temporary.rename(path)
    _fsync(path.parent)


def write_text(path: pathlib.Path, text: str) -> None:
    """Replace the content of ``path`` in one step, making its directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_for(path)
    try:
        temporary.write_text(text)
        commit(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove(path: pathlib.Path) -> None:
    """Remove the file ``path`` for good. Gone is success."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
    _fsync(path.parent)


def remove_leftovers(directory: pathlib.Path, host: str | None = None) -> None:
    """Remove the temporary files a dead process left in ``directory``.

    :param host: only its own, and those that nobody has written to for
        :data:`ABANDONED_S`: another host that shares the directory may be at work.
    """
    mark = _mark_of(host)
    for leftover in directory.glob(f"*{TEMPORARY_SUFFIX}"):
        unique = leftover.name.removesuffix(TEMPORARY_SUFFIX).rpartition(".")[2]
        if unique.startswith(mark) or _is_abandoned(leftover):
            leftover.unlink(missing_ok=True)


def _mark_of(host: str | None) -> str:
    """What begins the unique part of the names of its files."""
    return f"{hashlib.sha256(host.encode()).hexdigest()[:12]}-" if host else ""


def _is_abandoned(path: pathlib.Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > ABANDONED_S
    except FileNotFoundError:
        return False


def _fsync(path: pathlib.Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
