"""Undo, written beside do.

::

    with Reverter("attach volume") as undo:
        attachment = cinder.create_attachment(...)
        undo.add("delete attachment", cinder.delete_attachment, ctxt, attachment.id)
        ...
        undo.commit()

Leaving the block without :meth:`Reverter.commit` runs the undo steps, last
first. An undo step that fails is logged and noted on the original error, and
the others still run, unless it is a vital one; the original error is never replaced.
"""

import collections.abc
import contextlib
import dataclasses
import logging
import types
import typing

from nova_lite import exceptions

P = typing.ParamSpec("P")

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class _Step:
    name: str
    undo: collections.abc.Callable[[], object]
    is_vital: bool


@contextlib.contextmanager
def going_on(what: str) -> collections.abc.Iterator[None]:
    """What is refused for good in the body is left behind, with a line in the log:
    repeating it would keep for ever what can be undone.

    :raises nova_lite.exceptions.OperationSuperseded: it is not ours to undo any more.
    :raises nova_lite.exceptions.NovaLiteError: somebody is away: it can be repeated.
    """
    try:
        yield
    except exceptions.OperationSuperseded:
        raise
    except Exception as error:
        if isinstance(error, exceptions.NovaLiteError) and error.is_temporary:
            raise
        LOG.warning("%s: left behind: %s", what, error, exc_info=error)


class Reverter:
    """A stack of named undo steps.

    :ivar failures: a line for each undo step that failed, or was left out because of a
        vital one: what it was to undo is still there, and somebody else's to see to.
    :ivar errors: what the steps that failed have raised.
    :ivar is_blocked: a vital step has failed.
    """

    def __init__(self, purpose: str) -> None:
        self.purpose = purpose
        self.failures: list[str] = []
        self.errors: list[Exception] = []
        self.is_blocked = False
        self._steps: list[_Step] = []

    def add(
        self,
        name: str,
        function: collections.abc.Callable[P, object],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Remember how to undo what has just been done."""
        self._steps.append(_Step(name, lambda: function(*args, **kwargs), is_vital=False))

    def add_vital(
        self,
        name: str,
        function: collections.abc.Callable[P, object],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """The same of something that uses what was done before it: as long as it
        cannot be undone, nothing of that is undone either."""
        self._steps.append(_Step(name, lambda: function(*args, **kwargs), is_vital=True))

    def commit(self) -> None:
        """Keep everything: nothing is undone any more."""
        self._steps.clear()

    def revert(self) -> list[str]:
        """Undo everything now.

        :returns: :attr:`failures`.
        """
        while self._steps:
            step = self._steps.pop()
            try:
                step.undo()
            except Exception as error:
                LOG.exception("Undo of '%s' failed at '%s'", self.purpose, step.name)
                self.failures.append(f"undo '{step.name}' failed: {type(error).__name__}")
                self.errors.append(error)
                if step.is_vital:
                    self.is_blocked = True
                    self.failures += [
                        f"not undone: '{older.name}'" for older in reversed(self._steps)
                    ]
                    self._steps.clear()
        return self.failures

    def __enter__(self) -> "Reverter":
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        for line in self.revert():
            if error is not None:
                error.add_note(line)
