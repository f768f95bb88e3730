"""Everything that knows about eventlet.

Green threads are how the daemons do many things at once; native threads are
where calls into C that would block every green thread (libvirt, librbd) go.
No other module imports eventlet, so that a move to native threads is a change
of this file.
"""

import collections.abc
import contextlib
import logging
import os
import signal
import socket
import subprocess
import time
import typing
import warnings

# dnspython would cost 24 MB a process for name look-ups that the C library does.
os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import eventlet
    import eventlet.event
    import eventlet.greenpool
    import eventlet.hubs
    import eventlet.patcher
    import eventlet.semaphore
    import eventlet.tpool
    import eventlet.wsgi

P = typing.ParamSpec("P")
R = typing.TypeVar("R")

GreenThread: typing.TypeAlias = typing.Any
Event: typing.TypeAlias = typing.Any
Semaphore = eventlet.semaphore.Semaphore
WsgiApplication: typing.TypeAlias = collections.abc.Callable[..., typing.Any]

NATIVE_THREADS = 64
"""How many blocking calls run at once in a green process. Started with the first one."""

MAX_SLOW_CALLS = 48
"""How many of them may be other than the hypervisor's. Ceph takes minutes to remove a
large image, and a file system whose server is gone never answers: guests must still be
started, stopped and asked."""

MAX_LONG_CALLS = 32
"""How many of those may be of the kind that takes minutes: a guest's start needs short
ones."""

_room_for_slow_calls = Semaphore(MAX_SLOW_CALLS)
_room_for_long_calls = Semaphore(MAX_LONG_CALLS)
_get_ident = eventlet.patcher.original("threading").get_ident
_green_ident: int | None = None
"""The thread that the green ones share; None in a process without them."""


class DeadlineExceeded(Exception):
    """The body of :func:`deadline` took too long."""


def monkey_patch() -> None:
    """Make the standard library cooperative. Call before other imports."""
    global _green_ident
    _green_ident = _get_ident()
    eventlet.tpool.set_num_threads(NATIVE_THREADS)
    # The driver brings a copy of OpenSSL: see :func:`patch_psycopg`.
    eventlet.monkey_patch(psycopg=False)
    _share_subprocess_errors()


def patch_psycopg() -> None:
    """Make PostgreSQL's driver cooperative in a green process. Only who uses it
    calls this: the driver costs each process some megabytes."""
    if is_patched():
        from eventlet.support import psycopg2_patcher

        psycopg2_patcher.make_psycopg_green()


def _share_subprocess_errors() -> None:
    """Let ``except subprocess.TimeoutExpired`` mean what it says.

    eventlet's Popen derives from a copy of the module, which raises a
    TimeoutExpired of its own that nobody can catch by name.
    """
    copy = subprocess.Popen.communicate.__globals__
    for name in ("SubprocessError", "CalledProcessError", "TimeoutExpired"):
        copy[name] = getattr(subprocess, name)


def is_patched() -> bool:
    """Whether this process runs on green threads."""
    return bool(eventlet.patcher.is_monkey_patched("socket"))


def spawn(
    function: collections.abc.Callable[P, R], *args: P.args, **kwargs: P.kwargs
) -> GreenThread:
    """Run ``function`` in a green thread of its own."""
    return eventlet.spawn(function, *args, **kwargs)


def in_native_thread(
    function: collections.abc.Callable[P, R], *args: P.args, **kwargs: P.kwargs
) -> R:
    """Run a blocking C call in a native thread, and wait for it without
    stopping the others. Outside a green thread it is a plain call.

    No more than :data:`MAX_SLOW_CALLS` run at once; the others wait for them.
    """
    if _get_ident() != _green_ident:
        return function(*args, **kwargs)
    with _room_for_slow_calls:
        return typing.cast(R, eventlet.tpool.execute(function, *args, **kwargs))


@contextlib.contextmanager
def long_call() -> collections.abc.Iterator[None]:
    """Around an :func:`in_native_thread` that may take minutes: wait while
    :data:`MAX_LONG_CALLS` of them run."""
    if _get_ident() != _green_ident:
        yield
        return
    with _room_for_long_calls:
        yield


def in_kept_native_thread(
    function: collections.abc.Callable[P, R], *args: P.args, **kwargs: P.kwargs
) -> R:
    """The same for the hypervisor's calls, for which threads are always kept."""
    if _get_ident() != _green_ident:
        return function(*args, **kwargs)
    return typing.cast(R, eventlet.tpool.execute(function, *args, **kwargs))


def start_native_thread(function: collections.abc.Callable[[], object], name: str) -> None:
    """Run ``function`` in a native thread of its own, for as long as the process lives.

    There it may touch nothing that green threads use, locks and logs included; they are
    told by a :class:`Bell`.
    """
    threads = eventlet.patcher.original("threading")
    threads.Thread(target=function, name=name, daemon=True).start()


_PIPE_BYTES = 65536
"""All that a pipe holds."""


class Bell:
    """What a native thread wakes a green one with."""

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)
        self._write = eventlet.patcher.original("os").write

    def ring(self) -> None:
        """Wake who waits, or else who waits next. Safe in any thread."""
        # When the pipe is full, it has rung often enough.
        with contextlib.suppress(BlockingIOError):
            self._write(self._write_end, b"!")

    def wait(self) -> None:
        """Until it has rung since the last time."""
        if is_patched():
            eventlet.hubs.trampoline(self._read_end, read=True)
        os.read(self._read_end, _PIPE_BYTES)


def native_lock() -> contextlib.AbstractContextManager[bool]:
    """A lock between native threads. Only for what runs in :func:`in_native_thread`:
    a green thread that waits for it would stop all the others."""
    lock = eventlet.patcher.original("threading").Lock()
    return typing.cast(contextlib.AbstractContextManager[bool], lock)


def sleep(seconds: float) -> None:
    """Let others run for ``seconds``."""
    eventlet.sleep(seconds)


@contextlib.contextmanager
def deadline(timeout_s: float) -> collections.abc.Iterator[None]:
    """Raise :exc:`DeadlineExceeded` in the body after ``timeout_s`` seconds.

    Works at points where green threads switch; pure computation is not cut.
    """
    timeout = eventlet.Timeout(timeout_s, DeadlineExceeded(f"{timeout_s} s"))
    try:
        yield
    finally:
        timeout.cancel()


def wait_until(
    condition: collections.abc.Callable[[], bool],
    timeout_s: float,
    interval_s: float = 0.05,
) -> bool:
    """Wait until ``condition()`` is true.

    :returns: False if it was not within ``timeout_s`` seconds.
    """
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= end:
            return False
        eventlet.sleep(interval_s)
    return True


class Periodic:
    """Calls ``function`` every ``interval_s`` seconds in one green thread.

    An error of one call is logged and the next one still comes.
    """

    def __init__(
        self,
        name: str,
        interval_s: float,
        function: collections.abc.Callable[[], object],
    ) -> None:
        self.name = name
        self.interval_s = interval_s
        self._function = function
        self._thread: GreenThread | None = None

    def start(self, *, at_once: bool = False) -> None:
        """Begin; with ``at_once`` the first call is not delayed."""
        self._thread = eventlet.spawn(self._run, at_once)

    def stop(self) -> None:
        """End; a call that is under way is interrupted."""
        if self._thread is not None:
            self._thread.kill()
            self._thread = None

    def _run(self, at_once: bool) -> None:
        log = logging.getLogger(__name__)
        if not at_once:
            eventlet.sleep(self.interval_s)
        while True:
            try:
                self._function()
            except Exception:
                log.exception("Periodic task %s failed; it will run again", self.name)
            eventlet.sleep(self.interval_s)


class WsgiServer:
    """Serves a WSGI application on one address, a green thread a connection."""

    def __init__(
        self,
        application: WsgiApplication,
        address: str,
        port: int,
        *,
        max_connections: int = 1000,
    ) -> None:
        self._application = application
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = eventlet.listen((address, port), family=family, backlog=1024)
        self._pool = eventlet.greenpool.GreenPool(max_connections)
        self._thread: GreenThread | None = None

    @property
    def port(self) -> int:
        """The port in use (of interest when 0 was asked for)."""
        return int(self._socket.getsockname()[1])

    def start(self) -> None:
        """Begin to serve."""
        log = logging.getLogger("nova_lite.wsgi")
        self._thread = eventlet.spawn(
            eventlet.wsgi.server,
            self._socket,
            self._application,
            custom_pool=self._pool,
            log=log,
            log_output=False,
            keepalive=True,
            socket_timeout=900,
            debug=False,
        )

    def stop(self) -> None:
        """Serve no more; requests under way are cut."""
        if self._thread is not None:
            self._thread.kill()
        self._socket.close()


def wait_for_signal(*signals: int) -> int:
    """Run until one of the signals comes, and say which.

    Through a pipe: a hub that has nothing to do sleeps up to a minute, and only
    a file descriptor wakes it.
    """
    read_end, write_end = os.pipe()
    # The hub itself runs the handler: a cooperative write would wait for the hub.
    write = eventlet.patcher.original("os").write

    def notice(number: int, _frame: object) -> None:
        write(write_end, bytes([number]))

    for number in signals:
        signal.signal(number, notice)
    eventlet.hubs.trampoline(read_end, read=True)
    return os.read(read_end, 1)[0]
