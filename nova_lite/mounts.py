"""What is mounted where, by the kernel's table.

No file system is asked: a look at a share whose server is gone, even at its mount
point, waits for ever.
"""

import dataclasses
import os
import pathlib
import re

_TABLE = pathlib.Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclasses.dataclass(frozen=True)
class Mount:
    """A file system at its place. One of another kind that takes the place of another is
    not equal, although it may get the same numbers."""

    mount_id: str
    device: str
    """``major:minor``."""
    path: pathlib.Path
    kind: str
    """Its type, source and options."""


def table() -> list[Mount]:
    """All that this process sees, oldest first."""
    # Names are bytes, and the kernel escapes only what would break its own format.
    return [_parsed(line) for line in os.fsdecode(_TABLE.read_bytes()).split("\n") if line]


def is_mount_point(path: pathlib.Path) -> bool:
    """Whether something is mounted at the absolute ``path``, which has no links in it."""
    return any(mount.path == path for mount in table())


def of(path: pathlib.Path) -> Mount | None:
    """What the absolute ``path`` is on; links in it are not followed."""
    around = [mount for mount in reversed(table()) if path.is_relative_to(mount.path)]
    # Of several at one place the last one, which hides the others.
    return max(around, key=lambda mount: len(mount.path.parts), default=None)


def _parsed(line: str) -> Mount:
    """``36 35 98:0 /root /mount\\040point options - type source options``"""
    where, _, kind = line.partition(" - ")
    mount_id, _parent, device, _root, path, *_options = where.split(" ")
    return Mount(mount_id, device, pathlib.Path(_ESCAPED.sub(_unescaped, path)), kind)


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 8))
