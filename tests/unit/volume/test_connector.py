"""When volumes are connected one at a time (S193, S215)."""

import contextlib
import pathlib
import subprocess
import sys
import threading
import typing
from concurrent import futures
from unittest import mock

import pytest

from nova_lite import conf as conf_module
from nova_lite.volume import connector
from nova_lite.volume import records
from tests.unit.volume import test_creation


def volume_of(**fields: typing.Any) -> records.Volume:
    return test_creation.volume_of(**fields)


@pytest.mark.parametrize(
    ("shared_targets", "service_uuid"), [(False, "s1"), (True, None), (False, None)]
)
def test_without_shared_targets_os_brick_is_not_even_imported(
    shared_targets: bool, service_uuid: str | None
) -> None:
    code = (
        "import sys\n"
        "from nova_lite.volume import connector, records\n"
        f"volume = records.Volume('v', 'available', 1, False, False, None, None, {{}}, (),"
        f" {service_uuid!r}, {shared_targets!r}, False, None)\n"
        "with connector.guard_connection(volume): pass\n"
        "sys.exit('os_brick' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], timeout=60, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("shared_targets", [True, None])
def test_shared_targets_are_left_to_os_brick(shared_targets: bool | None) -> None:
    from os_brick.initiator import utils

    with mock.patch.object(utils, "guard_connection", autospec=True) as guard:
        guard.return_value = contextlib.nullcontext()
        volume = volume_of(shared_targets=shared_targets, service_uuid="s1")
        with connector.guard_connection(volume):
            pass
    guard.assert_called_once_with({"service_uuid": "s1", "shared_targets": shared_targets})


@pytest.mark.parametrize(("shared_targets", "at_once"), [(None, False), (False, True)])
def test_two_volumes_of_one_service(
    tmp_path: pathlib.Path, shared_targets: bool | None, at_once: bool
) -> None:
    """S193: with shared targets nobody comes in before the other one is out."""
    connector.set_lock_path(conf_module.new(files=[], default__state_path=str(tmp_path)))
    both_are_in = threading.Barrier(2)

    def connect(volume_id: str) -> bool:
        volume = volume_of(id=volume_id, shared_targets=shared_targets, service_uuid="s1")
        with connector.guard_connection(volume):
            try:
                both_are_in.wait(0.3 if not at_once else 30)
            except threading.BrokenBarrierError:
                return False
        return True

    with futures.ThreadPoolExecutor(2) as pool:
        assert list(pool.map(connect, ["v1", "v2"])) == [at_once, at_once]
