"""A connection to a cluster, and what is open through it."""

import collections.abc
import typing

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite.virt.ceph import types

R = typing.TypeVar("R")


class Session:
    """A connection, and what was opened through it. One call at a time.

    Who waits for a native thread can be killed, and then it works on: closing
    waits until it is done, and closes what nobody was told of any more. librbd
    crashes the process if it is used, or closed, after the connection.
    """

    def __init__(self, access: types.Access) -> None:
        self._access = access
        self._lock = concurrency.native_lock()
        self._opened: list[typing.Any] = []
        self._is_closed = False
        self.handle: typing.Any = None

    def call(self, what: str, function: collections.abc.Callable[[], R]) -> R:
        """Run ``function`` in a native thread; Ceph's errors become ours.

        :param what: the image or other thing that errors are about.
        """
        return concurrency.in_native_thread(self._run, what, function)

    def open(self, what: str, function: collections.abc.Callable[[], R]) -> R:
        """The same for what must be closed: that happens with the session."""
        made: list[typing.Any] = []

        def run() -> R:
            opened = function()
            made.append(opened)
            self._opened.append(opened)
            return opened

        try:
            return self.call(what, run)
        except BaseException:
            # Nobody will know of it.
            concurrency.in_native_thread(self._let_go, made)
            raise

    def let_go(self, opened: typing.Any) -> None:
        """Close something now."""
        concurrency.in_native_thread(self._let_go, [opened])

    def connect(self) -> None:
        """Once, in a native thread."""
        try:
            import rados
        except ImportError as error:
            reason = f"this Python has no rados; install python3-rados and python3-rbd ({error})"
            raise self._unavailable(reason) from error
        try:
            self.handle = rados.Rados(
                rados_id=self._access.user,
                conffile=self._access.conf_path,
                conf=self._access.options(),
            )
            self.handle.connect()
        except rados.Error as error:
            raise self._unavailable(str(error)) from error

    def close(self) -> None:
        """Everything, last first; in a native thread."""
        with self._lock:
            self._is_closed = True
            while self._opened:
                self._opened.pop().close()
            if self.handle is not None:
                self.handle.shutdown()

    def _let_go(self, made: list[typing.Any]) -> None:
        with self._lock:
            for each in made:
                if any(each is opened for opened in self._opened):
                    self._opened = [opened for opened in self._opened if opened is not each]
                    each.close()

    def _run(self, what: str, function: collections.abc.Callable[[], R]) -> R:
        with self._lock:
            if self._is_closed:
                raise exceptions.CephError(reason=f"{what} is used after its connection")
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

    def _unavailable(self, reason: str) -> exceptions.CephUnavailable:
        return exceptions.CephUnavailable(conf_path=self._access.conf_path, reason=reason)
