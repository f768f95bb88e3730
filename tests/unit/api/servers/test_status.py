"""``status`` of every pair of states (RULES B8)."""

import pytest

from nova_lite import states
from nova_lite.api.servers import shapes
from nova_lite.api.servers import status

TABLE = [
    ("building", None, "BUILD"),
    ("building", "scheduling", "BUILD"),
    ("building", "spawning", "BUILD"),
    ("active", None, "ACTIVE"),
    ("active", "deleting", "ACTIVE"),
    ("active", "rebooting", "REBOOT"),
    ("active", "reboot_started_hard", "HARD_REBOOT"),
    ("active", "migrating", "MIGRATING"),
    ("active", "resize_migrated", "RESIZE"),
    ("active", "rebuild_spawning", "REBUILD"),
    ("active", "updating_password", "PASSWORD"),
    ("stopped", None, "SHUTOFF"),
    ("stopped", "resize_prep", "RESIZE"),
    ("stopped", "rebuilding", "REBUILD"),
    ("resized", None, "VERIFY_RESIZE"),
    ("resized", "resize_reverting", "REVERT_RESIZE"),
    ("paused", "migrating", "MIGRATING"),
    ("paused", None, "PAUSED"),
    ("suspended", None, "SUSPENDED"),
    ("rescued", None, "RESCUE"),
    ("error", None, "ERROR"),
    ("error", "rebuilding", "REBUILD"),
    ("deleted", None, "DELETED"),
    ("soft-delete", None, "SOFT_DELETED"),
    ("shelved", None, "SHELVED"),
    ("shelved_offloaded", None, "SHELVED_OFFLOADED"),
    ("nonsense", None, "UNKNOWN"),
]


@pytest.mark.parametrize(("vm_state", "task_state", "expected"), TABLE)
def test_status(vm_state: str, task_state: str | None, expected: str) -> None:
    assert status.of(vm_state, task_state) == expected


def test_every_state_of_ours_has_a_status() -> None:
    for vm_state in states.VmState:
        for task_state in (None, *states.TaskState):
            found = status.of(vm_state.value, task_state.value if task_state else None)
            assert found != "UNKNOWN"
            assert found in shapes._STATUSES


@pytest.mark.parametrize(("vm_state", "task_state", "shown"), TABLE)
def test_a_filter_finds_what_shows_as_it(
    vm_state: str, task_state: str | None, shown: str
) -> None:
    vm_states, task_states = status.vm_states([shown.lower()])
    if shown != "UNKNOWN":
        assert vm_state in vm_states
        assert task_states is None or task_state in task_states


def test_nothing_shows_as_nonsense() -> None:
    assert status.vm_states(["nonsense"]) == (set(), set())
