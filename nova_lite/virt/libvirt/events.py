"""What libvirt reports by itself, handed from its native thread to ours.

libvirt calls back inside its event loop, in a native thread where nothing of
ours may run: there, an event is only put aside. A thread of ours dispatches what
was put aside, and waits for nobody: whoever reports power states may have to.
"""

import collections
import collections.abc
import contextlib
import dataclasses
import enum
import logging
import threading

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class PowerChanged:
    """A guest was started, stopped, paused or resumed by someone."""

    instance_uuid: str


@dataclasses.dataclass(frozen=True)
class DeviceReleased:
    """The guest let go of a device, or (``refused``) said that it will not."""

    instance_uuid: str
    alias: str
    refused: bool = False


class Removal(enum.Enum):
    """How the wait for a device's removal ended."""

    GONE = "gone"
    REFUSED = "refused"
    UNANSWERED = "unanswered"


class RemovalWatch:
    """Waits for a guest's answer to one request to release a device."""

    def __init__(self) -> None:
        self._answered = threading.Event()
        self._answer = Removal.UNANSWERED

    def wait(self, timeout_s: float) -> Removal:
        """The answer, if it comes within ``timeout_s`` seconds."""
        self._answered.wait(timeout_s)
        return self._answer

    def answer(self, removal: Removal) -> None:
        """End the wait."""
        self._answer = removal
        self._answered.set()


class Events:
    """The events of one connection, and who wants to know of them."""

    def __init__(self) -> None:
        self._arrived: collections.deque[PowerChanged | DeviceReleased] = collections.deque()
        self._on_power: list[collections.abc.Callable[[str], None]] = []
        self._changed: collections.deque[str] = collections.deque()
        self._is_telling = False
        self._lock = threading.Lock()
        self._watches: dict[tuple[str, str], RemovalWatch] = {}

    def put_aside(self, event: PowerChanged | DeviceReleased) -> None:
        """Keep ``event`` for :meth:`dispatch`. Safe in any thread."""
        self._arrived.append(event)

    def dispatch(self) -> None:
        """Answer the watches, and have the others told in order, soon."""
        while self._arrived:
            event = self._arrived.popleft()
            if isinstance(event, DeviceReleased):
                watch = self._watches.get((event.instance_uuid, event.alias))
                if watch is not None:
                    watch.answer(Removal.REFUSED if event.refused else Removal.GONE)
                continue
            self._tell_of(event.instance_uuid)

    def on_power_changed(self, callback: collections.abc.Callable[[str], None]) -> None:
        """Call ``callback`` with the UUID of each guest whose power changed."""
        self._on_power.append(callback)

    def _tell_of(self, instance_uuid: str) -> None:
        with self._lock:
            # Who is told looks at the guest then: once is enough.
            if instance_uuid not in self._changed:
                self._changed.append(instance_uuid)
            if self._is_telling:
                return
            self._is_telling = True
        threading.Thread(target=self._tell, name="power-changes", daemon=True).start()

    def _tell(self) -> None:
        while (instance_uuid := self._next_changed()) is not None:
            for callback in self._on_power:
                try:
                    callback(instance_uuid)
                except Exception:
                    LOG.exception("The power change of %s could not be told", instance_uuid)

    def _next_changed(self) -> str | None:
        with self._lock:
            self._is_telling = bool(self._changed)
            return self._changed.popleft() if self._changed else None

    @contextlib.contextmanager
    def watch_removal(
        self, instance_uuid: str, alias: str
    ) -> collections.abc.Iterator[RemovalWatch]:
        """Watch for the answer about one device; enter before asking the guest."""
        key = (instance_uuid, alias)
        watch = self._watches[key] = RemovalWatch()
        try:
            yield watch
        finally:
            del self._watches[key]
