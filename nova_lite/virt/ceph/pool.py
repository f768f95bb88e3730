"""The images of one pool."""

import collections.abc
import contextlib
import datetime
import functools
import os
import pathlib
import typing

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite.virt.ceph import opened as looking
from nova_lite.virt.ceph import session as rados_session
from nova_lite.virt.ceph import types
from nova_lite.virt.ceph import writer as image_writer

R = typing.TypeVar("R")


class Pool:
    """The images of one pool. Made by :meth:`Cluster.pool`."""

    def __init__(self, name: str, session: rados_session.Session, ioctx: typing.Any) -> None:
        self.name = name
        self._session = session
        self._ioctx = ioctx

    def list_images(self, prefix: str = "") -> list[str]:
        """Names of the images that begin with ``prefix``, in order."""
        names = self._call("", lambda rbd: rbd.RBD().list(self._ioctx))
        return sorted(name for name in names if name.startswith(prefix))

    def exists(self, image: str) -> bool:
        """Whether the image can be opened."""
        try:
            self.size_bytes(image)
        except exceptions.RbdImageNotFound:
            return False
        return True

    def size_bytes(self, image: str, snapshot: str | None = None) -> int:
        """The size a guest sees, now or when the snapshot was made."""
        return int(self._look(image, lambda opened: opened.size(), snapshot))

    def used_bytes(self, image: str, snapshot: str | None = None) -> int:
        """What the image itself stores: not what its parent does. Counted in whole
        objects."""

        def count(opened: typing.Any) -> int:
            lengths: list[int] = []
            opened.diff_iterate(
                0,
                opened.size(),
                None,
                lambda _offset, length, exists: lengths.append(length if exists else 0),
                include_parent=False,
                whole_object=True,
            )
            return sum(lengths)

        return self._look(image, count, snapshot)

    def create(self, image: str, size_bytes: int) -> None:
        """An empty image with the cluster's default features.

        :raises nova_lite.exceptions.RbdImageExists: there is one.
        """
        self._call(image, lambda rbd: rbd.RBD().create(self._ioctx, image, size_bytes))

    def clone(self, parent: types.Snapshot, image: str, *, frees_its_parent: bool = False) -> None:
        """Make a copy-on-write child of a snapshot: no data move.

        The snapshot must be protected, unless the cluster clones without.

        :param frees_its_parent: when it is flattened, its own snapshots are as well.
            Else the parent must stay for them; that is settled when a clone is made.
        :raises nova_lite.exceptions.RbdImageExists: there is an image of the name.
        """

        def run(rbd: typing.Any) -> None:
            features = _wanted_features(self._session.handle, rbd)
            if frees_its_parent:
                features |= int(rbd.RBD_FEATURE_DEEP_FLATTEN)
            with self._session.handle.open_ioctx(parent.pool) as parents:
                rbd.RBD().clone(
                    *(parents, parent.image, parent.name),
                    *(self._ioctx, image),
                    features=features,
                )

        self._call(image, run, what=f"{self.name}/{image} from {parent}")

    def rename(self, image: str, new_name: str) -> None:
        """Give an image another name in the pool.

        :raises nova_lite.exceptions.RbdImageExists: the name is taken.
        """
        self._call(image, lambda rbd: rbd.RBD().rename(self._ioctx, image, new_name))

    def resize(self, image: str, size_bytes: int) -> None:
        """Make it larger or smaller; what is cut off is lost."""
        self._change(image, lambda opened: opened.resize(size_bytes))

    def flatten(self, image: str) -> None:
        """Copy in what a clone still reads from its parent, and cut it off.

        An image without a parent is success. Takes as long as the copy.
        """
        with concurrency.long_call():
            self._change(image, _flatten)

    def flatten_by_id(self, image: str, image_id: str) -> None:
        """The same for an image that may be in the trash, where no name opens it.

        :param image: its name, for errors.
        """

        def run(rbd: typing.Any) -> None:
            with rbd.Image(self._ioctx, image_id=image_id) as opened:
                _flatten(opened)

        with concurrency.long_call():
            self._call(image, run)

    def remove(self, image: str, *, attempts: int = 1, interval_s: float = 0.0) -> None:
        """Remove an image and its snapshots. Gone is success, half gone is finished.

        A client that died keeps an image open for half a minute in the cluster's
        view: that is waited for.

        :param attempts: how often to try while somebody has it open.
        :raises nova_lite.exceptions.RbdImageBusy: somebody still has.
        :raises nova_lite.exceptions.RbdImageHasClones: nothing was removed.
        """
        for attempt in range(1, attempts + 1):
            try:
                with concurrency.long_call():
                    self._call(image, lambda rbd: self._remove(rbd, image))
                return
            except exceptions.RbdImageNotFound:
                return
            except exceptions.RbdImageBusy:
                if attempt == attempts:
                    raise
            concurrency.sleep(interval_s)

    def discard(self, image: str, error: BaseException) -> None:
        """Remove what ``error`` left half-made; if that fails, ``error`` tells so."""
        try:
            self.remove(image)
        except exceptions.CephError as left:
            error.add_note(f"{self.name}/{image} is left behind: {left}")

    def _remove(self, rbd: typing.Any, image: str) -> None:
        try:
            with rbd.Image(self._ioctx, image, read_only=True) as opened:
                self._require_unused(opened, image)
                snapshots = looking.snapshots(opened)
                clones = [str(clone) for clone in looking.all_clones(opened)]
        except rbd.ImageNotFound:
            # The header goes first: one that died in the middle left the rest.
            snapshots, clones = [], []
        if clones:
            raise exceptions.RbdImageHasClones(
                image=f"{self.name}/{image}", clones=", ".join(clones)
            )
        if snapshots:
            with rbd.Image(self._ioctx, image) as opened:
                for snapshot in snapshots:
                    if snapshot.is_protected:
                        opened.unprotect_snap(snapshot.name)
                    opened.remove_snap_by_id(snapshot.id)
        rbd.RBD().remove(self._ioctx, image)

    def _require_unused(self, opened: typing.Any, image: str) -> None:
        watchers = looking.watchers(opened)
        if watchers:
            # Told now, before its snapshots are touched.
            raise exceptions.RbdImageBusy(
                image=f"{self.name}/{image}", reason=f"open at {', '.join(watchers)}"
            )

    def snapshots(self, image: str) -> list[types.SnapshotState]:
        """The image's snapshots, oldest first."""
        return self._look(image, looking.snapshots)

    def create_snapshot(self, image: str, name: str, *, protect: bool = False) -> None:
        """Freeze the image's content under a name. There already is success.

        :param protect: so that it can be cloned, and not removed by accident.
        """

        def run(opened: typing.Any) -> None:
            if name not in {each.name for each in looking.snapshots(opened)}:
                opened.create_snap(name)
            if protect and not opened.is_protected_snap(name):
                opened.protect_snap(name)

        self._change(image, run)

    def remove_snapshot(self, image: str, name: str) -> None:
        """Unprotect and remove one snapshot. Gone is success.

        :raises nova_lite.exceptions.RbdImageHasClones: it stays as it was.
        """

        def run(opened: typing.Any) -> None:
            found = {each.name: each for each in looking.snapshots(opened)}.get(name)
            if found is None:
                return
            clones = [str(clone) for clone in looking.clones(opened, found)]
            if clones:
                raise exceptions.RbdImageHasClones(
                    image=f"{self.name}/{image}@{name}", clones=", ".join(clones)
                )
            if found.is_protected:
                opened.unprotect_snap(name)
            opened.remove_snap(name)

        self._change(image, run)

    def is_protected(self, image: str, snapshot: str) -> bool:
        """Whether there is that snapshot, and it is protected."""
        try:
            return any(
                each.name == snapshot and each.is_protected for each in self.snapshots(image)
            )
        except exceptions.RbdImageNotFound:
            return False

    def clones(self, image: str, snapshot: str) -> list[types.Clone]:
        """The images that were cloned from a snapshot, in every pool.

        :raises nova_lite.exceptions.RbdImageNotFound: no such image or snapshot.
        """

        def look(opened: typing.Any) -> list[types.Clone] | None:
            found = {each.name: each for each in looking.snapshots(opened)}.get(snapshot)
            return None if found is None else looking.clones(opened, found)

        clones = self._look(image, look)
        if clones is None:
            raise exceptions.RbdImageNotFound(image=f"{self.name}/{image}@{snapshot}")
        return clones

    def all_clones(self, image: str) -> list[types.Clone]:
        """The images that were cloned from any of its snapshots; none of an image
        that is gone."""

        try:
            return self._look(image, looking.all_clones)
        except exceptions.RbdImageNotFound:
            return []

    def parent(self, image: str) -> types.Snapshot | None:
        """The snapshot that the image is a clone of."""
        return self._look(image, looking.parent)

    def use(self, image: str) -> types.Use:
        """Who has it open or locked now."""

        def look(opened: typing.Any) -> types.Use:
            lockers = (opened.list_lockers() or {}).get("lockers", ())
            locks = [
                types.Lock(str(client), str(address), str(cookie).startswith("auto "))
                for client, cookie, address in lockers
            ]
            return types.Use(looking.watchers(opened), tuple(locks))

        return self._look(image, look)

    def metadata(self, image: str, key: str) -> str | None:
        """A value that was noted on an image."""
        return self._look(image, lambda opened: dict(opened.metadata_list()).get(key))

    def set_metadata(self, image: str, key: str, value: str) -> None:
        """Note a value on an image."""
        self._change(image, lambda opened: opened.metadata_set(key, value))

    def created_at(self, image: str) -> float:
        """When, by the cluster's clock; in seconds since the epoch (UTC)."""
        created = self._look(image, lambda opened: opened.create_timestamp())
        return created.replace(tzinfo=datetime.UTC).timestamp()

    def read(self, image: str, offset: int, length: int, snapshot: str | None = None) -> bytes:
        """Some bytes of it, fewer at its end."""

        def run(opened: typing.Any) -> bytes:
            size = opened.size()
            return bytes(opened.read(offset, max(0, min(length, size - offset))))

        return self._look(image, run, snapshot)

    def write(self, image: str, content: bytes) -> None:
        """Write what is held in memory, from the image's beginning on."""

        def run(opened: typing.Any) -> None:
            opened.write(content, 0)
            opened.flush()

        self._change(image, run)

    @contextlib.contextmanager
    def writer(self, image: str) -> collections.abc.Iterator[image_writer.Writer]:
        """The image, open for writing while the body runs: others see a watcher.

        Written data are in the cluster when the block ends well.
        """
        opened = self._open(image)
        try:
            writer = image_writer.Writer(f"{self.name}/{image}", self._session, opened)
            yield writer
            writer.flush()
        finally:
            self._session.let_go(opened)

    def import_file(self, path: pathlib.Path, image: str) -> int:
        """Make a new image with a raw file's content; holes and zeros stay unwritten.

        On an error there is no such image.

        :returns: bytes written.
        :raises nova_lite.exceptions.RbdImageExists: there is one.
        """
        self.create(image, path.stat().st_size)
        try:
            with self.writer(image) as writer:
                return writer.copy_from(path)
        except BaseException as error:
            self.discard(image, error)
            raise

    def export_file(self, image: str, path: pathlib.Path, snapshot: str | None = None) -> int:
        """Write the image's content, its parent's included, to the new raw file
        ``path``; what is unwritten stays a hole.

        :returns: bytes written.
        """
        written = 0
        with path.open("xb") as file:
            file.truncate(self.size_bytes(image, snapshot))
            for offset, data in self.content(image, snapshot):
                concurrency.in_native_thread(os.pwrite, file.fileno(), data, offset)
                written += len(data)
            concurrency.in_native_thread(os.fsync, file.fileno())
        return written

    def content(
        self, image: str, snapshot: str | None = None
    ) -> collections.abc.Iterator[tuple[int, bytes]]:
        """Offset and bytes of everything that is not known to be zero, in order."""
        what, call = f"{self.name}/{image}", self._session.call
        opened = self._open(image, snapshot, read_only=True)
        try:
            for start, length in call(what, lambda: looking.extents(opened)):
                for offset in range(start, start + length, image_writer.CHUNK_BYTES):
                    size = min(image_writer.CHUNK_BYTES, start + length - offset)
                    yield offset, call(what, functools.partial(opened.read, offset, size))
        finally:
            self._session.let_go(opened)

    def _open(
        self, image: str, snapshot: str | None = None, *, read_only: bool = False
    ) -> typing.Any:
        import rbd

        return self._session.open(
            f"{self.name}/{image}",
            lambda: rbd.Image(self._ioctx, image, snapshot, read_only=read_only),
        )

    def _look(
        self,
        image: str,
        function: collections.abc.Callable[[typing.Any], R],
        snapshot: str | None = None,
    ) -> R:
        """``function`` of the image, open for reading."""

        def run(rbd: typing.Any) -> R:
            with rbd.Image(self._ioctx, image, snapshot, read_only=True) as opened:
                return function(opened)

        return self._call(image, run)

    def _change(self, image: str, function: collections.abc.Callable[[typing.Any], R]) -> R:
        """``function`` of the image, open for writing."""

        def run(rbd: typing.Any) -> R:
            with rbd.Image(self._ioctx, image) as opened:
                return function(opened)

        return self._call(image, run)

    def _call(
        self,
        image: str,
        function: collections.abc.Callable[[typing.Any], R],
        what: str | None = None,
    ) -> R:
        import rbd

        about = what or (f"{self.name}/{image}" if image else f"pool {self.name}")
        return self._session.call(about, lambda: function(rbd))


def _flatten(opened: typing.Any) -> None:
    if looking.parent(opened) is not None:
        opened.flatten()


def _wanted_features(connection: typing.Any, rbd: typing.Any) -> int:
    """The cluster's default features: a clone would get its parent's."""
    default = str(connection.conf_get("rbd_default_features") or "")
    return int(rbd.RBD_FEATURE_LAYERING | rbd.RBD().features_from_string(default))
