"""Files that are either whole or not there, even after a power cut.

A file is written under a temporary name beside its place, flushed to the disk
and renamed. What a dead process left has :data:`TEMPORARY_SUFFIX` in its name.
"""

import os
import pathlib
import uuid

TEMPORARY_SUFFIX = ".part"


def temporary_for(path: pathlib.Path) -> pathlib.Path:
    """A new name beside ``path`` to write to before :func:`commit`."""
    return path.with_name(f"{path.name}.{uuid.uuid4().hex[:12]}{TEMPORARY_SUFFIX}")


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


def remove_leftovers(directory: pathlib.Path) -> None:
    """Remove the temporary files a dead process left in ``directory``."""
    for leftover in directory.glob(f"*{TEMPORARY_SUFFIX}"):
        leftover.unlink(missing_ok=True)


def _fsync(path: pathlib.Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
