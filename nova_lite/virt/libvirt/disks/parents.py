"""Parents: images in the pool that disks are cloned from, one for all hosts.

A parent is complete when it has its name, ``base.<what>``, and a protected snapshot;
it never changes afterwards. It is written under the name ``base.<what>.part``, which
one process in the cluster alone can take: the others see its watcher, and wait. A
part that nobody has open belongs to a dead process, and is begun again.
"""

import collections.abc
import contextlib
import logging
import pathlib
import time
import uuid

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite import locks
from nova_lite.image import aging
from nova_lite.virt import ceph

LOG = logging.getLogger(__name__)

PREFIX = "base."
SNAPSHOT = "base"
PART = ".part"
LAST_USED_KEY = "nova_lite_last_used"
"""Metadata of a parent: when, in seconds since the epoch."""

WAIT_INTERVAL_S = 1.0
ABANDONED_AFTER_S = 10.0
"""How long a part may be without a watcher: its maker is dead, or reconnects."""

Fill = collections.abc.Callable[[], contextlib.AbstractContextManager[pathlib.Path]]
"""Gives the raw file with a parent's content, for as long as it is read."""


class Parents:
    """The parents in one pool.

    :param minimum_age_s: how long one stays after its last use.
    :param timeout_s: how long to wait for another host that makes one.
    """

    def __init__(
        self, cluster: ceph.Cluster, pool: str, *, minimum_age_s: float, timeout_s: float
    ) -> None:
        self._cluster = cluster
        self._pool = pool
        self._minimum_age_s = minimum_age_s
        self._timeout_s = timeout_s
        self._locks = locks.Locks()

    def snapshot_of(self, what: str) -> ceph.Snapshot:
        """What is cloned of the parent ``what``."""
        return ceph.Snapshot(self._pool, PREFIX + what, SNAPSHOT)

    def find(self, what: str) -> int | None:
        """The size in bytes of a parent that is there; it is young again."""
        with self._cluster.pool(self._pool) as pool:
            return self._find(pool, what)

    def ensure(self, what: str, fill: Fill) -> int:
        """The parent ``what``, made if it is not there; one import, whoever wants it.

        :returns: bytes that were imported for this call.
        :raises nova_lite.exceptions.CephError: another host takes too long.
        """
        part = PREFIX + what + PART
        end = time.monotonic() + self._timeout_s
        watched = time.monotonic()
        with (
            self._locks.hold(what, "make a parent"),
            self._cluster.pool(self._pool) as pool,
        ):
            while self._find(pool, what) is None:
                if not pool.exists(part):
                    imported_bytes = self._try_to_make(pool, what, fill)
                    if imported_bytes is not None:
                        return imported_bytes
                elif _is_watched(pool, part):
                    watched = time.monotonic()
                elif time.monotonic() - watched > ABANDONED_AFTER_S:
                    LOG.warning("Removing %s, whose maker died", part)
                    with contextlib.suppress(exceptions.RbdImageBusy):
                        pool.remove(part)
                    continue
                if time.monotonic() > end:
                    reason = f"{part} is being made for more than {self._timeout_s} s"
                    raise exceptions.CephError(reason=reason)
                LOG.debug("Waiting for who makes %s", part)
                concurrency.sleep(WAIT_INTERVAL_S)
            return 0

    def remove_unused(self) -> tuple[set[str], aging.Report]:
        """Remove parents without clones that nobody used for a while, and parts
        whose maker died.

        :returns: names of those with clones, and what was done.
        """
        in_use: set[str] = set()
        report = aging.Report()
        with self._cluster.pool(self._pool) as pool:
            for image in pool.list_images(PREFIX):
                try:
                    report += self._look_at(pool, image, in_use)
                except exceptions.RbdImageNotFound:
                    continue
        return in_use, report

    def _find(self, pool: ceph.Pool, what: str) -> int | None:
        image = PREFIX + what
        if not pool.is_protected(image, SNAPSHOT):
            return None
        try:
            pool.set_metadata(image, LAST_USED_KEY, str(int(time.time())))
            return pool.size_bytes(image, SNAPSHOT)
        except exceptions.RbdImageNotFound:
            return None

    def _try_to_make(self, pool: ceph.Pool, what: str, fill: Fill) -> int | None:
        """Bytes imported, or None if another process was first."""
        # A name nobody else uses, so that after any failure it is known what is ours.
        own = f"{PREFIX}{what}.{uuid.uuid4().hex}{PART}"
        part = PREFIX + what + PART
        try:
            pool.create(own, 0)
            with pool.writer(own) as writer:
                # While it is open, as below: the part is never without a watcher.
                pool.rename(own, part)
                if self._find(pool, what) is not None:
                    raise exceptions.RbdImageExists(image=part)
                return self._make(pool, what, writer, fill)
        except BaseException as error:
            pool.discard(own if pool.exists(own) else part, error)
            if isinstance(error, exceptions.RbdImageExists):
                return None
            raise

    def _make(self, pool: ceph.Pool, what: str, writer: ceph.Writer, fill: Fill) -> int:
        image = PREFIX + what
        with fill() as path:
            writer.resize(path.stat().st_size)
            imported_bytes = writer.copy_from(path)
        writer.snapshot(SNAPSHOT)
        writer.set_metadata(LAST_USED_KEY, str(int(time.time())))
        pool.rename(image + PART, image)
        LOG.info("Made %s/%s: %d bytes imported", self._pool, image, imported_bytes)
        return imported_bytes

    def _look_at(self, pool: ceph.Pool, image: str, in_use: set[str]) -> aging.Report:
        if image.endswith(PART):
            idle_s = time.time() - pool.created_at(image)
            clones: list[ceph.Clone] = []
        else:
            idle_s = time.time() - float(pool.metadata(image, LAST_USED_KEY) or 0)
            clones = pool.clones(image, SNAPSHOT)
        used_bytes = pool.used_bytes(image)
        if clones:
            in_use.add(image)
        if not clones and idle_s >= self._minimum_age_s:
            # Cloned, or opened, since: it stays.
            with contextlib.suppress(exceptions.RbdImageBusy, exceptions.RbdImageHasClones):
                pool.remove(image)
                return aging.Report(removed=(image,), removed_bytes=used_bytes)
        return aging.Report(kept=(image,), kept_bytes=used_bytes)


def _is_watched(pool: ceph.Pool, image: str) -> bool:
    try:
        return bool(pool.use(image).watchers)
    except exceptions.RbdImageNotFound:
        # Finished or removed just now: look again.
        return True
