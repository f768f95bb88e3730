"""Faults on demand: any call of the fake driver can fail, hang, be slow or die.

A call is named ``part.method`` (``volumes.plug``). A fault strikes before the
call does anything, or, with ``after=True``, when it has done everything but
the caller does not learn of it: the two cases that recovery must tell apart.
"""

import collections
import collections.abc
import dataclasses
import functools
import os
import threading
import typing

from nova_lite import concurrency
from nova_lite import exceptions

P = typing.ParamSpec("P")
R = typing.TypeVar("R")

EXIT_CODE_OF_DEATH = 137
"""What a shell reports of a process killed by SIGKILL."""

_CALLS_KEPT = 1000


@dataclasses.dataclass
class Fault:
    """One planned effect on one call; ``times`` None is for ever."""

    call: str
    effect: collections.abc.Callable[..., object]
    times: int | None
    after: bool
    released: threading.Event

    @property
    def is_spent(self) -> bool:
        """Whether it will not strike again."""
        return self.times == 0


class Faults:
    """What is planned against a driver, and which calls it has seen."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []
        self.calls: collections.deque[str] = collections.deque(maxlen=_CALLS_KEPT)
        """The latest calls, oldest first, by name."""

    def fail(
        self, call: str, error: Exception, *, times: int | None = None, after: bool = False
    ) -> None:
        """Raise ``error`` from the next ``times`` calls."""

        def effect(*_args: object, **_kwargs: object) -> None:
            raise error

        self._plan(call, effect, times, after)

    def hang(
        self, call: str, *, times: int | None = None, after: bool = False
    ) -> collections.abc.Callable[[], None]:
        """Stop calls until the function that is returned is called."""
        released = threading.Event()

        def effect(*_args: object, **_kwargs: object) -> None:
            released.wait()

        self._plan(call, effect, times, after, released)
        return released.set

    def slow(self, call: str, seconds: float, *, times: int | None = None) -> None:
        """Delay calls by ``seconds``."""

        def effect(*_args: object, **_kwargs: object) -> None:
            concurrency.sleep(seconds)

        self._plan(call, effect, times, after=False)

    def on_call(
        self,
        call: str,
        callback: collections.abc.Callable[..., object],
        *,
        times: int | None = None,
        after: bool = False,
    ) -> None:
        """Run ``callback`` with the call's arguments; what it raises, the call raises."""
        self._plan(call, callback, times, after)

    def die(self, call: str, *, after: bool = False) -> None:
        """End the whole process at the call, without any clean-up."""

        def effect(*_args: object, **_kwargs: object) -> None:
            os._exit(EXIT_CODE_OF_DEATH)

        self._plan(call, effect, None, after)

    def clear(self) -> None:
        """Forget all plans and release whatever hangs."""
        planned, self._planned = self._planned, []
        for fault in planned:
            fault.released.set()

    def plan_from_text(self, text: str) -> None:
        """Plan one entry of ``[fake] faults`` (see there for the form).

        :raises ValueError: the text has another form.
        """
        where, _, rest = text.strip().partition(":")
        effect, _, argument = rest.partition(":")
        call, _, moment = where.partition("@")
        if moment not in ("", "after") or "." not in call:
            raise ValueError(f"[fake] faults: {where!r} is not part.call or part.call@after")
        after = moment == "after"
        times = int(argument) if argument and effect != "slow" else None
        if effect == "fail":
            error = exceptions.HypervisorError(reason=f"injected failure of {call}")
            self.fail(call, error, times=times, after=after)
        elif effect == "slow":
            self.slow(call, float(argument))
        elif effect == "hang":
            self.hang(call, times=times, after=after)
        elif effect == "die":
            self.die(call, after=after)
        else:
            raise ValueError(f"[fake] faults: {effect!r} is none of fail, slow, hang, die")

    def strike(
        self, call: str, *, after: bool, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> None:
        """Let every fault that is due at this moment of ``call`` take effect."""
        due = [f for f in self._planned if f.call == call and f.after == after and not f.is_spent]
        for fault in due:
            if fault.times is not None:
                fault.times -= 1
            fault.effect(*args, **kwargs)

    def _plan(
        self,
        call: str,
        effect: collections.abc.Callable[..., object],
        times: int | None,
        after: bool,
        released: threading.Event | None = None,
    ) -> None:
        self._planned.append(Fault(call, effect, times, after, released or threading.Event()))


class Injectable(typing.Protocol):
    """A part of a driver whose calls can be given faults."""

    part: typing.ClassVar[str]
    faults: Faults


Part = typing.TypeVar("Part", bound=Injectable)


def injectable(
    method: collections.abc.Callable[typing.Concatenate[Part, P], R],
) -> collections.abc.Callable[typing.Concatenate[Part, P], R]:
    """Let planned faults strike before and after ``method``."""
    name = method.__name__

    @functools.wraps(method)
    def call(self: Part, /, *args: P.args, **kwargs: P.kwargs) -> R:
        full_name = f"{self.part}.{name}"
        self.faults.calls.append(full_name)
        self.faults.strike(full_name, after=False, args=args, kwargs=kwargs)
        result = method(self, *args, **kwargs)
        self.faults.strike(full_name, after=True, args=args, kwargs=kwargs)
        return result

    return call
