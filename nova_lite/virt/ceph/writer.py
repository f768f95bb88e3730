"""An image that is written to."""

import collections.abc
import functools
import os
import pathlib
import typing

from nova_lite.virt.ceph import session as rados_session

CHUNK_BYTES = 8 * 2**20
"""What is read and written in one call: two objects of RBD's usual size."""


class Writer:
    """An image that is open for writing. Made by :meth:`Pool.writer`."""

    def __init__(self, name: str, session: rados_session.Session, opened: typing.Any) -> None:
        self._call = functools.partial(session.call, name)
        self._opened = opened

    def resize(self, size_bytes: int) -> None:
        """Make it larger or smaller."""
        self._call(lambda: self._opened.resize(size_bytes))

    def copy_from(self, path: pathlib.Path) -> int:
        """Write a raw file's content from the beginning on, zeros left out.

        :returns: bytes written.
        """
        # librbd writes through until the first flush, in case nobody ever does.
        self.flush()
        written = 0
        with path.open("rb") as file:
            for start, end in _data_of(file.fileno()):
                for offset in range(start, end, CHUNK_BYTES):
                    length = min(CHUNK_BYTES, end - offset)
                    copy = functools.partial(self._copy, file.fileno(), offset, length)
                    written += self._call(copy)
        return written

    def flush(self) -> None:
        """Return when what was written is in the cluster."""
        self._call(self._opened.flush)

    def snapshot(self, name: str) -> None:
        """Freeze what was written under a protected snapshot."""
        self.flush()
        self._call(lambda: self._opened.create_snap(name))
        self._call(lambda: self._opened.protect_snap(name))

    def set_metadata(self, key: str, value: str) -> None:
        """Note a value on the image."""
        self._call(lambda: self._opened.metadata_set(key, value))

    def _copy(self, descriptor: int, offset: int, length: int) -> int:
        data = os.pread(descriptor, length, offset)
        if data.count(0) == len(data):
            return 0
        self._opened.write(data, offset)
        return len(data)


def _data_of(descriptor: int) -> collections.abc.Iterator[tuple[int, int]]:
    """Start and end of the parts of a file that are not holes."""
    size = os.fstat(descriptor).st_size
    end = 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError:
            # ENXIO: a hole up to the end.
            return
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, end
