"""Named locks of one process, with a purpose for the log."""

import collections
import collections.abc
import contextlib
import logging

from nova_lite import concurrency

LOG = logging.getLogger(__name__)


class Locks:
    """A lock for each name in use; names nobody holds take no memory."""

    def __init__(self) -> None:
        self._locks: dict[str, concurrency.Semaphore] = {}
        self._interested: collections.Counter[str] = collections.Counter()

    @contextlib.contextmanager
    def hold(self, name: str, purpose: str) -> collections.abc.Iterator[None]:
        """Wait for the lock, and hold it in the body."""
        lock = self._locks.setdefault(name, concurrency.Semaphore(1))
        self._interested[name] += 1
        try:
            if lock.locked():
                LOG.debug("Waiting for %s to %s", name, purpose)
            with lock:
                yield
        finally:
            self._interested[name] -= 1
            if not self._interested[name]:
                del self._interested[name], self._locks[name]
