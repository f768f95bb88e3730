import dataclasses
import typing

import pytest

from nova_lite import conf as configuration
from nova_lite.scheduler import host_state
from nova_lite.scheduler import weighers
from nova_lite.scheduler.allocations import Resources
from tests.unit.scheduler.filters.test_filters import state


def order(hosts: dict[str, Resources], **options: typing.Any) -> str:
    conf = configuration.new(files=[], **options)
    states: list[host_state.HostState] = [
        dataclasses.replace(state(), host=name, free=free) for name, free in hosts.items()
    ]
    return "".join(host.host for host in weighers.best_first(weighers.load(conf), states))


@pytest.mark.parametrize(
    "hosts",
    [
        {"a": Resources(1, 1, 1), "b": Resources(2, 1, 1)},
        {"a": Resources(1, 1, 1), "b": Resources(1, 2, 1)},
        {"a": Resources(1, 1, 1), "b": Resources(1, 1, 2)},
    ],
)
def test_more_is_better(hosts: dict[str, Resources]) -> None:
    assert order(hosts) == "ba"


def test_numbers_are_normalised() -> None:
    """A thousand MiB more do not outweigh all the processors and the disk."""
    assert order({"a": Resources(8, 1024, 100), "b": Resources(4, 2048, 50)}) == "ab"


def test_nearly_equal_is_not_worth_much() -> None:
    assert order({"a": Resources(9, 9216, 90), "b": Resources(10, 1024, 100)}) == "ab"


def test_multipliers() -> None:
    two = {"a": Resources(8, 1024, 100), "b": Resources(4, 2048, 50)}
    assert order(two, scheduler__memory_weight_multiplier=3) == "ba"
    fill_up = {
        f"scheduler__{name}_weight_multiplier": -1.0 for name in ("memory", "vcpus", "disk")
    }
    assert order(two, **fill_up) == "ba"


def test_equals_keep_their_order_and_none_is_no_error() -> None:
    same = Resources(1, 1, 1)
    assert order({"c": same, "a": same, "b": same}) == "cab"
    assert order({}) == ""


def test_only_enabled_weighers_count() -> None:
    two = {"a": Resources(8, 1, 100), "b": Resources(4, 2, 50)}
    assert order(two, scheduler__enabled_weighers=["memory"]) == "ba"
