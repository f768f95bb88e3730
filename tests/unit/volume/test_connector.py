"""When volumes are connected one at a time (S193, S215)."""

import contextlib
import subprocess
import sys
import typing
from unittest import mock

import pytest

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
