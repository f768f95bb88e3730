"""Undo, written beside do.

::

    with Reverter("attach volume") as undo:
        attachment = cinder.create_attachment(...)
        undo.add("delete attachment", cinder.delete_attachment, ctxt, attachment.id)
        ...
        undo.commit()

Leaving the block without :meth:`Reverter.commit` runs the undo steps, last
first. An undo step that fails is logged and noted on the original error, and
the others still run; the original error is never replaced.
"""

import collections.abc
import logging
import types
import typing

P = typing.ParamSpec("P")

LOG = logging.getLogger(__name__)


class Reverter:
    """A stack of named undo steps."""

    def __init__(self, purpose: str) -> None:
        self.purpose = purpose
        self._steps: list[tuple[str, collections.abc.Callable[[], object]]] = []

    def add(
        self,
        name: str,
        function: collections.abc.Callable[P, object],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Remember how to undo what has just been done."""
        self._steps.append((name, lambda: function(*args, **kwargs)))

    def commit(self) -> None:
        """Keep everything: nothing is undone any more."""
        self._steps.clear()

    def revert(self) -> list[str]:
        """Undo everything now.

        :returns: a line for each undo step that failed.
        """
        failures = []
        while self._steps:
            name, undo = self._steps.pop()
            try:
                undo()
            except Exception as error:
                LOG.exception("Undo of '%s' failed at '%s'", self.purpose, name)
                failures.append(f"undo '{name}' failed: {type(error).__name__}")
        return failures

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
