"""The whole pipeline in one process of green threads.

Green threads need a process that was made cooperative before anything else: run
this folder by itself (``pytest tests/functional/pipeline``), as tools/test does. In a
run of other tests it is skipped.
"""

import os
import sys

from nova_lite import concurrency

ALONE = os.environ.get("NOVA_LITE_GREEN") == "1" or all(
    "functional/pipeline" in argument for argument in sys.argv[1:] if "/" in argument
)
if ALONE and any("functional/pipeline" in argument for argument in sys.argv):
    concurrency.monkey_patch()

import collections.abc  # noqa: E402
import pathlib  # noqa: E402

import pytest  # noqa: E402

from tests.fixtures import pipeline  # noqa: E402

HERE = pathlib.Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if concurrency.is_patched():
        return
    skip = pytest.mark.skip(reason="needs green threads: run tests/functional/pipeline by itself")
    for item in items:
        if item.path.is_relative_to(HERE) and item.path.name != "test_costs.py":
            item.add_marker(skip)


@pytest.fixture
def world(tmp_path: pathlib.Path) -> collections.abc.Iterator[pipeline.World]:
    """Two hosts."""
    with pipeline.World(tmp_path, ["a", "b"]) as world:
        yield world


@pytest.fixture
def one_host(tmp_path: pathlib.Path) -> collections.abc.Iterator[pipeline.World]:
    """One host."""
    with pipeline.World(tmp_path, ["a"]) as world:
        yield world
