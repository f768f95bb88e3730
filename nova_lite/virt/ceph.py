"""RBD images of a Ceph cluster, through librados and librbd.

The only module that imports ``rados`` and ``rbd``. They come from the
distribution (``python3-rbd``), so they are imported when first needed.

::

    cluster = Cluster(Access("/etc/ceph/ceph.conf", "nova"))
    with cluster.pool("vms") as vms:
        vms.clone(Snapshot("images", image_id, "snap"), f"{instance_uuid}_disk")

Every call runs in a native thread; what it opened it closes, whatever happens.
librados gives up on a cluster that is silent for ``Access.timeout_s``. All methods
raise :exc:`nova_lite.exceptions.CephError` or one of its kinds.
"""

import collections.abc
import configparser
import contextlib
import dataclasses
import functools
import json
import math
import os
import pathlib
import typing

from nova_lite import concurrency
from nova_lite import exceptions

CHUNK_BYTES = 8 * 2**20
"""What is read and written in one call: two objects of RBD's usual size."""

R = typing.TypeVar("R")

_TRASH_NAMESPACE = 2
"""librbd's RBD_SNAP_NAMESPACE_TYPE_TRASH: a snapshot that was removed although
images are cloned from it."""


@dataclasses.dataclass(frozen=True)
class Access:
    """How to reach a cluster, and as whom."""

    conf_path: str
    user: str | None = None
    """The cephx user without ``client.``; None is Ceph's default, admin."""
    keyring_path: str | None = None
    """None leaves it to the ``keyring`` of ceph.conf."""
    timeout_s: float = 30.0
    """How long the cluster may be silent."""

    def options(self) -> dict[str, str]:
        """Ceph's own options that say the same."""
        # Ceph takes whole seconds, and 0 for no limit.
        timeout = str(max(1, math.ceil(self.timeout_s)))
        options = {
            "client_mount_timeout": timeout,
            "rados_mon_op_timeout": timeout,
            "rados_osd_op_timeout": timeout,
        }
        return options if self.keyring_path is None else options | {"keyring": self.keyring_path}


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A snapshot of an image somewhere in the cluster."""

    pool: str
    image: str
    name: str

    def __str__(self) -> str:
        return f"{self.pool}/{self.image}@{self.name}"

    @classmethod
    def parse(cls, text: str) -> "Snapshot":
        """The inverse of ``str()``; no name has ``/`` or ``@`` in it."""
        pool, _, rest = text.partition("/")
        image, _, name = rest.partition("@")
        return cls(pool, image, name)


@dataclasses.dataclass(frozen=True)
class SnapshotState:
    """One snapshot of an image as a look at the image shows it."""

    name: str
    size_bytes: int
    is_protected: bool
    is_in_trash: bool
    """Removed, but kept by Ceph while images are cloned from it."""


@dataclasses.dataclass(frozen=True)
class Clone:
    """An image that was cloned from a snapshot."""

    pool: str
    image: str
    is_in_trash: bool = False

    def __str__(self) -> str:
        return f"{self.pool}/{self.image}"


@dataclasses.dataclass(frozen=True)
class Lock:
    """A lock on an image."""

    client: str
    """The holder's name in the cluster, ``client.4123``."""
    address: str
    is_automatic: bool
    """The exclusive lock that librbd takes to write, as in QEMU; else somebody
    locked the image by hand."""


@dataclasses.dataclass(frozen=True)
class Use:
    """Who has an image open, and who holds locks on it."""

    watchers: tuple[str, ...]
    """Addresses of the clients that have it open for writing."""
    locks: tuple[Lock, ...]


class Cluster:
    """One cluster as one user. Connections live as long as a ``with`` block."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._fsid: str | None = None

    def fsid(self) -> str:
        """The cluster's identity; asked for once, since it never changes."""
        if self._fsid is None:
            with self._connected() as connection:
                self._fsid = self._call("the cluster", lambda: str(connection.get_fsid()))
        return self._fsid

    def monitors(self) -> list[tuple[str, int]]:
        """Address and port of every monitor, as QEMU can be given them."""
        found = self._ask({"prefix": "mon dump"})
        addresses = [str(each["addr"]).rpartition("/")[0] for each in found["mons"]]
        parts = [address.rpartition(":") for address in addresses]
        return [(host.strip("[]"), int(port)) for host, _, port in parts]

    def capacity_bytes(self, pool: str) -> int:
        """What the pool holds and could still take, copies not counted."""
        for each in self._ask({"prefix": "df"})["pools"]:
            if each["name"] == pool:
                return int(each["stats"]["stored"] + each["stats"]["max_avail"])
        raise exceptions.CephError(reason=f"there is no pool {pool}")

    def key(self) -> str:
        """The user's cephx key: a secret, for libvirt only.

        :raises nova_lite.exceptions.CephError: no keyring that can be read has it.
        """
        user = f"client.{self.access.user or 'admin'}"
        with self._connected() as connection:
            paths = [path.strip() for path in str(connection.conf_get("keyring")).split(",")]
        for path in paths:
            keyring = configparser.ConfigParser(interpolation=None)
            with contextlib.suppress(OSError, configparser.Error):
                keyring.read(path)
                if keyring.has_option(user, "key"):
                    return keyring.get(user, "key")
        raise exceptions.CephError(reason=f"no key of {user} in {', '.join(paths)}")

    def _ask(self, command: dict[str, str]) -> dict[str, typing.Any]:
        """A monitor's answer to a command."""
        text = json.dumps({**command, "format": "json"})
        with self._connected() as connection:
            code, answer, error = self._call(
                "the cluster", lambda: connection.mon_command(text, b"")
            )
        if code:
            raise exceptions.CephError(reason=f"{command['prefix']}: {error} ({code})")
        return dict(json.loads(answer))

    @contextlib.contextmanager
    def pool(self, name: str) -> collections.abc.Iterator["Pool"]:
        """A pool, for as long as the body runs.

        :raises nova_lite.exceptions.CephUnavailable: the cluster does not answer.
        :raises nova_lite.exceptions.CephError: there is no such pool.
        """
        with self._connected() as connection:
            try:
                ioctx = self._call(f"pool {name}", lambda: connection.open_ioctx(name))
            except exceptions.RbdImageNotFound:
                raise exceptions.CephError(reason=f"there is no pool {name}") from None
            try:
                yield Pool(name, self, connection, ioctx)
            finally:
                concurrency.in_native_thread(ioctx.close)

    @contextlib.contextmanager
    def _connected(self) -> collections.abc.Iterator[typing.Any]:
        connection = self._call("the cluster", self._connect)
        try:
            yield connection
        finally:
            concurrency.in_native_thread(connection.shutdown)

    def _connect(self) -> typing.Any:
        try:
            import rados
        except ImportError as error:
            reason = f"this Python has no rados; install python3-rados and python3-rbd ({error})"
            raise self._unavailable(reason) from error
        try:
            connection = rados.Rados(
                rados_id=self.access.user,
                conffile=self.access.conf_path,
                conf=self.access.options(),
            )
        except rados.Error as error:
            raise self._unavailable(str(error)) from error
        try:
            connection.connect()
        except BaseException as error:
            connection.shutdown()
            if isinstance(error, rados.Error):
                raise self._unavailable(str(error)) from error
            raise
        return connection

    def _unavailable(self, reason: str) -> exceptions.CephUnavailable:
        return exceptions.CephUnavailable(conf_path=self.access.conf_path, reason=reason)

    def _call(self, what: str, function: collections.abc.Callable[[], R]) -> R:
        """Run ``function`` in a native thread; Ceph's errors become ours.

        :param what: the image or other thing that errors are about.
        """
        return concurrency.in_native_thread(self._translated, what, function)

    def _translated(self, what: str, function: collections.abc.Callable[[], R]) -> R:
        try:
            return function()
        except exceptions.NovaLiteError:
            raise
        except Exception as error:
            ours = self._error(what, error)
            if ours is None:
                raise
            raise ours from error

    def _error(self, what: str, error: Exception) -> exceptions.CephError | None:
        import rados
        import rbd

        if isinstance(error, (rados.TimedOut, rbd.Timeout)):
            return self._unavailable(f"no answer about {what} in time")
        if isinstance(error, (rbd.ImageNotFound, rados.ObjectNotFound)):
            return exceptions.RbdImageNotFound(image=what)
        if isinstance(error, rbd.ImageExists):
            return exceptions.RbdImageExists(image=what)
        if isinstance(error, (rbd.ImageBusy, rbd.ImageHasSnapshots)):
            return exceptions.RbdImageBusy(image=what, reason=str(error))
        if isinstance(error, (rados.Error, rbd.Error)):
            return exceptions.CephError(reason=f"{what}: {error}")
        return None


class Pool:
    """The images of one pool. Made by :meth:`Cluster.pool`."""

    def __init__(
        self, name: str, cluster: Cluster, connection: typing.Any, ioctx: typing.Any
    ) -> None:
        self.name = name
        self._cluster = cluster
        self._connection = connection
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

    def clone(self, parent: Snapshot, image: str) -> None:
        """Make a copy-on-write child of a snapshot: no data move.

        The snapshot must be protected, unless the cluster clones without.

        :raises nova_lite.exceptions.RbdImageExists: there is an image of the name.
        """

        def run(rbd: typing.Any) -> None:
            with self._connection.open_ioctx(parent.pool) as parents:
                rbd.RBD().clone(
                    *(parents, parent.image, parent.name),
                    *(self._ioctx, image),
                    features=_wanted_features(self._connection, rbd),
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

        def run(opened: typing.Any) -> None:
            if _parent(opened) is not None:
                opened.flatten()

        self._change(image, run)

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
                snapshots = _snapshots(opened)
                clones = [str(clone) for snap in snapshots for clone in _clones(opened, snap.name)]
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
                    opened.remove_snap(snapshot.name)
        rbd.RBD().remove(self._ioctx, image)

    def _require_unused(self, opened: typing.Any, image: str) -> None:
        watchers = _watchers(opened)
        if watchers:
            # Told now, before its snapshots are touched.
            raise exceptions.RbdImageBusy(
                image=f"{self.name}/{image}", reason=f"open at {', '.join(watchers)}"
            )

    def snapshots(self, image: str) -> list[SnapshotState]:
        """The image's snapshots, oldest first."""
        return self._look(image, _snapshots)

    def create_snapshot(self, image: str, name: str, *, protect: bool = False) -> None:
        """Freeze the image's content under a name. There already is success.

        :param protect: so that it can be cloned, and not removed by accident.
        """

        def run(opened: typing.Any) -> None:
            if name not in {each.name for each in _snapshots(opened)}:
                opened.create_snap(name)
            if protect and not opened.is_protected_snap(name):
                opened.protect_snap(name)

        self._change(image, run)

    def remove_snapshot(self, image: str, name: str) -> None:
        """Unprotect and remove one snapshot. Gone is success.

        :raises nova_lite.exceptions.RbdImageHasClones: it stays as it was.
        """

        def run(opened: typing.Any) -> None:
            found = {each.name: each for each in _snapshots(opened)}.get(name)
            if found is None:
                return
            clones = [str(clone) for clone in _clones(opened, name)]
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

    def clones(self, image: str, snapshot: str) -> list[Clone]:
        """The images that were cloned from a snapshot, in every pool."""
        return self._look(image, lambda opened: _clones(opened, snapshot))

    def all_clones(self, image: str) -> list[Clone]:
        """The images that were cloned from any of its snapshots; none of an image
        that is gone."""

        def look(opened: typing.Any) -> list[Clone]:
            return [clone for snap in _snapshots(opened) for clone in _clones(opened, snap.name)]

        try:
            return self._look(image, look)
        except exceptions.RbdImageNotFound:
            return []

    def parent(self, image: str) -> Snapshot | None:
        """The snapshot that the image is a clone of."""
        return self._look(image, _parent)

    def use(self, image: str) -> Use:
        """Who has it open or locked now."""

        def look(opened: typing.Any) -> Use:
            lockers = (opened.list_lockers() or {}).get("lockers", ())
            locks = [
                Lock(str(client), str(address), str(cookie).startswith("auto "))
                for client, cookie, address in lockers
            ]
            return Use(_watchers(opened), tuple(locks))

        return self._look(image, look)

    def metadata(self, image: str, key: str) -> str | None:
        """A value that was noted on an image."""
        return self._look(image, lambda opened: dict(opened.metadata_list()).get(key))

    def set_metadata(self, image: str, key: str, value: str) -> None:
        """Note a value on an image."""
        self._change(image, lambda opened: opened.metadata_set(key, value))

    def created_at(self, image: str) -> float:
        """When, by the cluster's clock; in seconds since the epoch (UTC)."""
        import datetime

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
    def writer(self, image: str) -> collections.abc.Iterator["Writer"]:
        """The image, open for writing while the body runs: others see a watcher.

        Written data are in the cluster when the block ends well.
        """
        opened = self._call(image, lambda rbd: rbd.Image(self._ioctx, image))
        try:
            writer = Writer(opened, lambda function: self._call(image, lambda _rbd: function()))
            yield writer
            writer.flush()
        finally:
            concurrency.in_native_thread(opened.close)

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
        opened = self._call(
            image, lambda rbd: rbd.Image(self._ioctx, image, snapshot, read_only=True)
        )
        try:
            for start, length in self._call(image, lambda _rbd: _extents(opened)):
                for offset in range(start, start + length, CHUNK_BYTES):
                    size = min(CHUNK_BYTES, start + length - offset)
                    read = functools.partial(opened.read, offset, size)
                    yield offset, self._cluster._call(f"{self.name}/{image}", read)
        finally:
            concurrency.in_native_thread(opened.close)

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
        return self._cluster._call(about, lambda: function(rbd))


class Writer:
    """An image that is open for writing. Made by :meth:`Pool.writer`."""

    def __init__(
        self,
        opened: typing.Any,
        call: collections.abc.Callable[[collections.abc.Callable[[], typing.Any]], typing.Any],
    ) -> None:
        self._opened = opened
        self._call = call

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


def _extents(opened: typing.Any) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    opened.diff_iterate(
        0,
        opened.size(),
        None,
        lambda offset, length, exists: found.append((offset, length)) if exists else None,
    )
    return found


def _snapshots(opened: typing.Any) -> list[SnapshotState]:
    return [
        SnapshotState(
            name=each["name"],
            size_bytes=each["size"],
            is_protected=bool(opened.is_protected_snap(each["name"]))
            if each["namespace"] != _TRASH_NAMESPACE
            else False,
            is_in_trash=each["namespace"] == _TRASH_NAMESPACE,
        )
        for each in opened.list_snaps()
    ]


def _clones(opened: typing.Any, snapshot: str) -> list[Clone]:
    # Asked of a handle at the snapshot, which is then set back.
    opened.set_snap(snapshot)
    try:
        return [
            Clone(each["pool"], each["image"], bool(each["trash"]))
            for each in opened.list_children2()
        ]
    finally:
        opened.set_snap(None)


def _watchers(opened: typing.Any) -> tuple[str, ...]:
    return tuple(str(each["addr"]) for each in opened.watchers_list())


def _parent(opened: typing.Any) -> Snapshot | None:
    import rbd

    try:
        spec = opened.get_parent_image_spec()
    except rbd.ImageNotFound:
        return None
    return Snapshot(spec["pool_name"], spec["image_name"], spec["snap_name"])


def _wanted_features(connection: typing.Any, rbd: typing.Any) -> int:
    """The cluster's default features: a clone would get its parent's."""
    default = str(connection.conf_get("rbd_default_features") or "")
    return int(rbd.RBD_FEATURE_LAYERING | rbd.RBD().features_from_string(default))
