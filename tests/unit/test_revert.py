import pytest

from nova_lite import revert


def test_undone_last_first() -> None:
    done: list[str] = []

    def work() -> None:
        with revert.Reverter("a test") as undo:
            undo.add("first", done.append, "first")
            undo.add("second", done.append, "second")
            raise ValueError("it broke")

    with pytest.raises(ValueError, match="it broke"):
        work()
    assert done == ["second", "first"]


def test_kept_when_committed() -> None:
    done: list[str] = []
    with revert.Reverter("a test") as undo:
        undo.add("first", done.append, "first")
        undo.commit()
    assert done == []


def test_without_commit_it_is_undone_even_without_an_error() -> None:
    done: list[str] = []
    with revert.Reverter("a test") as undo:
        undo.add("first", done.append, "first")
    assert done == ["first"]


def test_an_undo_that_fails_hides_nothing() -> None:
    """Law 3: the rest still runs and the original error is the one to see."""
    done: list[str] = []
    undo = revert.Reverter("a test")

    def fail() -> None:
        raise KeyError("undo")

    def work() -> None:
        with undo:
            undo.add("first", done.append, "first")
            undo.add("broken", fail)
            raise ValueError("it broke")

    with pytest.raises(ValueError, match="it broke") as caught:
        work()
    assert done == ["first"]
    assert caught.value.__notes__ == undo.failures == ["undo 'broken' failed: KeyError"]
