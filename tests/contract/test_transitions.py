"""The one table of states holds, and nothing goes around it."""

import ast
import pathlib

import pytest

import nova_lite
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import states
from nova_lite import transitions
from nova_lite.compute import operations as compute_operations

PACKAGE = pathlib.Path(nova_lite.__file__).parent

WRITERS_OF_TASK_STATE = {
    "api/servers/create.py",  # of a server that is not written yet
    "conductor/build.py",
    "conductor/updates.py",
    "db/queries/instances.py",
    "db/queries/operations.py",
}


def test_every_action_has_an_operation_on_the_host() -> None:
    folder = pathlib.Path(next(iter(compute_operations.__path__)))
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    # A create is the conductor's word; the host's part of it is to build.
    actions = {"build" if action == "create" else action for action in transitions.TABLE}
    assert actions == files


def test_every_task_state_belongs_to_one_action_with_one_restart_policy() -> None:
    owners: dict[states.TaskState, list[transitions.Transition]] = {}
    for transition in transitions.TABLE.values():
        for task in transition.doing:
            owners.setdefault(task, []).append(transition)
    assert set(owners) == set(states.TaskState)
    assert all(len(found) == 1 for found in owners.values())
    assert all(isinstance(t.restart, transitions.Restart) for t in transitions.TABLE.values())


def test_what_owns_the_task_has_an_end() -> None:
    """Law 5: who takes a server's task says what the server is afterwards; it may
    stay what it is only if that is a state to stay in."""
    for transition in transitions.TABLE.values():
        is_at_rest = transition.vm_states is not None and not (
            transition.vm_states & {states.VmState.BUILDING}
        )
        if transition.takes_task_state and not is_at_rest:
            assert transition.success is not None
            assert transition.failure is not None


def test_delete_is_always_allowed() -> None:
    """I7."""
    for vm_state in states.VmState:
        for task_state in (None, *states.TaskState):
            transitions.DELETE.check(server(vm_state, task_state))


@pytest.mark.parametrize("transition", [transitions.ATTACH_VOLUME, transitions.DETACH_VOLUME])
def test_volumes_come_and_go_only_at_rest(transition: transitions.Transition) -> None:
    transition.check(server(states.VmState.ACTIVE, None))
    with pytest.raises(exceptions.InstanceInvalidState, match="task_state deleting"):
        transition.check(server(states.VmState.ACTIVE, states.TaskState.DELETING))
    with pytest.raises(exceptions.InstanceInvalidState, match="vm_state error"):
        transition.check(server(states.VmState.ERROR, None))


def test_only_few_modules_write_task_state() -> None:
    """Law 4: one door for state."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        if any(_writes_task_state(node) for node in ast.walk(ast.parse(path.read_text()))):
            found.add(str(path.relative_to(PACKAGE)))
    assert found <= WRITERS_OF_TASK_STATE


def _writes_task_state(node: ast.AST) -> bool:
    """``x.task_state = …`` or ``instances.update(…, task_state=…)`` and its like."""
    if isinstance(node, ast.Assign):
        targets = [t for target in node.targets for t in ast.walk(target)]
        return any(isinstance(t, ast.Attribute) and t.attr == "task_state" for t in targets)
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        return name in ("values", "update", "own_task", "Instance") and any(
            keyword.arg == "task_state" for keyword in node.keywords
        )
    return False


def server(vm_state: states.VmState, task_state: states.TaskState | None) -> objects.Instance:
    return objects.Instance(
        uuid="6f70656e-7374-6163-6b2d-6e6f76616c69",
        project_id="p",
        user_id="u",
        display_name="x",
        flavor=objects.Flavor(flavorid="1", name="m1", memory_mib=1, vcpus=1),
        vm_state=vm_state.value,
        task_state=task_state.value if task_state else None,
    )
