import pytest

from nova_lite import concurrency
from nova_lite import locks


def test_one_at_a_time_for_a_name() -> None:
    held, order = locks.Locks(), []

    def work(name: str) -> None:
        with held.hold("server", "test"):
            order.append(f"{name} in")
            concurrency.sleep(0)
            order.append(f"{name} out")

    threads = [concurrency.spawn(work, name) for name in ("a", "b", "c")]
    for thread in threads:
        thread.wait()
    assert order == ["a in", "a out", "b in", "b out", "c in", "c out"]


def test_other_names_do_not_wait() -> None:
    held = locks.Locks()
    with held.hold("one", "test"), held.hold("two", "test"):
        pass


def test_released_by_an_error() -> None:
    held = locks.Locks()

    def fail() -> None:
        with held.hold("server", "test"):
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    with held.hold("server", "test"):
        pass


def test_names_that_nobody_holds_take_no_memory() -> None:
    held = locks.Locks()
    with held.hold("server", "test"):
        assert len(held._locks) == 1
    assert not held._locks
    assert not held._interested
