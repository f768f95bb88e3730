"""The journal: every operation on a server, who owns it, and how far it is.

An operation's ticket is its id, its attempt and its owner. Each change below
is one compare-and-swap on the ticket, so a message that is late or doubled
finds its ticket void and raises :exc:`OperationSuperseded`.
"""

import collections.abc
import datetime
import typing

import sqlalchemy as sa
from oslo_utils import timeutils
from oslo_utils import uuidutils

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import states
from nova_lite import transitions
from nova_lite.db import session
from nova_lite.db.models import cell
from nova_lite.db.queries import instances

_actions = cell.instance_actions
_events = cell.instance_actions_events

# The device's phase excludes them during an attach.
_ALONE = frozenset({transitions.DETACH_VOLUME.action, transitions.SWAP_VOLUME.action})
_STORED_FIELDS = [name for name in objects.Operation.fields if name not in ("id", "steps")]

STEP_RESERVE = "reserve"
"""The API still prepares it (volumes are being reserved)."""
STEP_CAST = "cast"
"""Handed to its owner by a message that the owner has not confirmed yet."""
STEP_BEGUN = "begun"
"""The owner has confirmed."""


def start(
    connection: session.Connection,
    ctxt: context.RequestContext,
    instance: objects.Instance,
    transition: transitions.Transition,
    *,
    owner: str,
    step: str = STEP_CAST,
    arguments: dict[str, typing.Any] | None = None,
    alone: bool = False,
) -> objects.Operation:
    """Open a journal entry and, if the action has a task state, take the
    server's task.

    :param alone: nobody else may be at the volume in ``arguments``.
    :raises nova_lite.exceptions.InstanceInvalidState: the server's state does
        not allow the action, or changed since ``instance`` was read.
    :raises nova_lite.exceptions.OperationInProgress: it is being deleted already, or
        somebody is at the volume.
    """
    transition.check(instance)
    is_delete = transition is transitions.DELETE
    if is_delete and instance.task_state == states.TaskState.DELETING:
        raise exceptions.OperationInProgress(action=transition.action, instance_uuid=instance.uuid)
    operation = new(ctxt, instance.uuid, transition.action, owner, step, arguments)
    taken = instances.take(
        connection,
        instance,
        operation.id if transition.takes_task_state else None,
        transition.doing[0] if transition.takes_task_state else None,
        always=transition.is_always_allowed,
    )
    if not taken:
        raise exceptions.InstanceInvalidState(
            action=transition.action,
            instance_uuid=instance.uuid,
            attribute="state",
            state="changed meanwhile",
        )
    if alone:
        others = at_volume(connection, instance.uuid, operation.arguments["volume_id"])
        if others:
            raise exceptions.OperationInProgress(action=min(others), instance_uuid=instance.uuid)
    if is_delete:
        superseded = _supersede_others(connection, instance.uuid)
        if superseded:
            operation.arguments = {**operation.arguments, "superseded": superseded}
    insert(connection, ctxt, [operation])
    return operation


def new(
    ctxt: context.RequestContext,
    instance_uuid: str,
    action: str,
    owner: str,
    step: str = STEP_CAST,
    arguments: dict[str, typing.Any] | None = None,
) -> objects.Operation:
    """An operation that is not written yet."""
    now = timeutils.utcnow()
    return objects.Operation(
        id=uuidutils.generate_uuid(),
        instance_uuid=instance_uuid,
        action=action,
        request_id=ctxt.request_id,
        project_id=ctxt.project_id,
        user_id=ctxt.user_id,
        owner=owner,
        step=step,
        arguments=arguments or {},
        started_at=now,
        heartbeat_at=now,
    )


def insert(
    connection: session.Connection,
    ctxt: context.RequestContext,
    operations: collections.abc.Sequence[objects.Operation],
) -> None:
    """Write new operations."""
    stored_context = context.without_secrets(ctxt)
    connection.execute(
        _actions.insert(),
        [
            {
                **{name: getattr(operation, name) for name in _STORED_FIELDS},
                "operation_id": operation.id,
                "context": stored_context,
            }
            for operation in operations
        ],
    )


def begin(
    connection: session.Connection,
    operation: objects.Operation,
    task_state: str | None,
) -> None:
    """The owner confirms that it starts: only the first message of a ticket
    gets through.

    :raises nova_lite.exceptions.OperationSuperseded: the ticket is void.
    """
    _change(connection, operation, seen_step=STEP_CAST, step=STEP_BEGUN)
    if task_state is not None:
        own_task(connection, operation, task_state=task_state)


def own_task(
    connection: session.Connection, operation: objects.Operation, **fields: typing.Any
) -> None:
    """Change the server while the operation owns its task.

    :raises nova_lite.exceptions.OperationSuperseded: it does not.
    """
    if not instances.update(connection, operation.instance_uuid, owned_by=operation.id, **fields):
        raise exceptions.OperationSuperseded(operation_id=operation.id)


def report(
    connection: session.Connection,
    operation: objects.Operation,
    steps: list[objects.Step],
    task_state: str | None,
) -> None:
    """Sign of life: the current step, and the steps that are over.

    :raises nova_lite.exceptions.OperationSuperseded: the ticket is void.
    """
    # An owner that waits to begin names none, and its report may come after its begin.
    now = {} if operation.step == STEP_CAST else {"step": operation.step}
    _change(connection, operation, **now)
    if task_state is not None:
        own_task(connection, operation, task_state=task_state)
    _insert_steps(connection, operation.id, steps)


def hand_over(
    connection: session.Connection,
    operation: objects.Operation,
    *,
    owner: str,
    step: str = STEP_CAST,
    arguments: dict[str, typing.Any] | None = None,
) -> objects.Operation:
    """Give the operation to another owner under a new ticket; the old ticket
    is void from now on.

    :returns: the operation with its new owner and attempt.
    :raises nova_lite.exceptions.OperationSuperseded: the ticket is void.
    """
    changed = operation.obj_clone()
    changed.owner, changed.step = owner, step
    changed.attempt = operation.attempt + 1
    if arguments is not None:
        changed.arguments = arguments
    _change(
        connection,
        operation,
        owner=owner,
        step=step,
        attempt=changed.attempt,
        arguments=changed.arguments,
    )
    return changed


def finish(
    connection: session.Connection,
    operation: objects.Operation,
    status: states.OperationStatus,
    *,
    message: str | None = None,
    steps: list[objects.Step] = [],  # noqa: B006 (never changed)
) -> None:
    """Close the journal entry. The caller closes the server's task in the same
    transaction (:func:`own_task`).

    :raises nova_lite.exceptions.OperationSuperseded: the ticket is void.
    """
    _change(
        connection,
        operation,
        status=str(status),
        message=message,
        finished_at=timeutils.utcnow(),
    )
    _insert_steps(connection, operation.id, steps)


def give_up(connection: session.Connection, operation: objects.Operation, message: str) -> None:
    """Close the entry of an operation that never began, and let go of the server's
    task: the server is as it was.

    :raises nova_lite.exceptions.OperationSuperseded: the ticket is void.
    """
    finish(connection, operation, states.OperationStatus.ERROR, message=message)
    if transitions.TABLE[operation.action].takes_task_state:
        own_task(connection, operation, task_state=None, operation_id=None)


def add_steps(
    connection: session.Connection,
    operation: objects.Operation,
    steps: list[objects.Step],
) -> None:
    """Record steps that are over."""
    _insert_steps(connection, operation.id, steps)


def get_by_id(connection: session.Connection, operation_id: str) -> objects.Operation | None:
    """One operation without its steps, or None."""
    row = connection.execute(
        _actions.select().where(_actions.c.operation_id == operation_id)
    ).first()
    return _from_row(row) if row else None


def list_by_id(
    connection: session.Connection, operation_ids: collections.abc.Collection[str]
) -> list[objects.Operation]:
    """Operations without their steps, whatever their status."""
    if not operation_ids:
        return []
    rows = connection.execute(_actions.select().where(_actions.c.operation_id.in_(operation_ids)))
    return [_from_row(row) for row in rows]


def get(
    connection: session.Connection, instance_uuid: str, request_id: str
) -> objects.Operation | None:
    """One operation of a server with its steps, or None."""
    row = connection.execute(
        _actions.select().where(
            _actions.c.instance_uuid == instance_uuid, _actions.c.request_id == request_id
        )
    ).first()
    if row is None:
        return None
    operation = _from_row(row)
    operation.steps = [
        objects.Step(
            name=event.name,
            started_at=event.started_at,
            finished_at=event.finished_at,
            result=event.result,
            message=event.message,
            host=event.host,
        )
        for event in connection.execute(
            _events.select()
            .where(_events.c.operation_id == operation.id)
            .order_by(_events.c.started_at, _events.c.id)
        )
    ]
    return operation


def list_for_instance(
    connection: session.Connection, instance_uuid: str
) -> list[objects.Operation]:
    """A server's operations, newest first, without steps."""
    rows = connection.execute(
        _actions.select()
        .where(_actions.c.instance_uuid == instance_uuid)
        .order_by(_actions.c.started_at.desc(), _actions.c.id.desc())
    )
    return [_from_row(row) for row in rows]


def list_running(connection: session.Connection, instance_uuid: str) -> list[objects.Operation]:
    """What is under way for a server, without steps."""
    rows = connection.execute(
        _actions.select().where(
            _actions.c.instance_uuid == instance_uuid,
            _actions.c.status == str(states.OperationStatus.RUNNING),
        )
    )
    return [_from_row(row) for row in rows]


def at_volume(connection: session.Connection, instance_uuid: str, volume_id: str) -> set[str]:
    """The actions that are under way for a volume of a server and that exclude each
    other; mostly none."""
    return {
        operation.action
        for operation in list_running(connection, instance_uuid)
        if operation.action in _ALONE and operation.arguments.get("volume_id") == volume_id
    }


def running(
    connection: session.Connection,
    *,
    owner: str | None = None,
    owner_prefix: str | None = None,
    silent_since: datetime.datetime | None = None,
) -> list[tuple[objects.Operation, context.RequestContext]]:
    """Operations under way with the context they run in, oldest first: those
    of one owner, of owners whose names begin alike, or those without a sign of
    life since a time."""
    query = _actions.select().where(_actions.c.status == str(states.OperationStatus.RUNNING))
    if owner is not None:
        query = query.where(_actions.c.owner == owner)
    if owner_prefix is not None:
        query = query.where(_actions.c.owner.startswith(owner_prefix, autoescape=True))
    if silent_since is not None:
        query = query.where(_actions.c.heartbeat_at < silent_since)
    return [
        (_from_row(row), context.RequestContext.from_dict(row.context))
        for row in connection.execute(query.order_by(_actions.c.id))
    ]


def _change(
    connection: session.Connection,
    operation: objects.Operation,
    *,
    seen_step: str | None = None,
    **fields: typing.Any,
) -> None:
    query = _actions.update().where(
        _actions.c.operation_id == operation.id,
        _actions.c.attempt == operation.attempt,
        _actions.c.owner == operation.owner,
        _actions.c.status == str(states.OperationStatus.RUNNING),
    )
    if seen_step is not None:
        query = query.where(_actions.c.step == seen_step)
    fields["heartbeat_at"] = timeutils.utcnow()
    if connection.execute(query.values(**fields)).rowcount != 1:
        raise exceptions.OperationSuperseded(operation_id=operation.id)


def _supersede_others(
    connection: session.Connection, instance_uuid: str
) -> list[dict[str, typing.Any]]:
    """Stop what is under way. Nobody adds to it: the server is taken already.

    :returns: as :attr:`nova_lite.objects.Operation.superseded` has it, with what an
        earlier delete had stopped, which may have failed before it came to that.
    """
    is_running = _actions.c.status == str(states.OperationStatus.RUNNING)
    rows = connection.execute(
        _actions.select().where(
            _actions.c.instance_uuid == instance_uuid,
            is_running | (_actions.c.action == transitions.DELETE.action),
        )
    )
    others = [_from_row(row) for row in rows]
    running = [other for other in others if other.status == states.OperationStatus.RUNNING]
    if running:
        connection.execute(
            _actions.update()
            .where(_actions.c.operation_id.in_([other.id for other in running]), is_running)
            .values(
                status=str(states.OperationStatus.ERROR),
                message="Stopped: the server was deleted.",
                finished_at=timeutils.utcnow(),
            )
        )
    return [
        *({"action": other.action, "arguments": other.arguments} for other in running),
        *(kept for other in others for kept in other.arguments.get("superseded", [])),
    ]


def _insert_steps(
    connection: session.Connection, operation_id: str, steps: list[objects.Step]
) -> None:
    if not steps:
        return
    connection.execute(
        _events.insert(),
        [
            {
                "operation_id": operation_id,
                **{
                    name: getattr(step, name)
                    for name in (
                        "name",
                        "started_at",
                        "finished_at",
                        "result",
                        "message",
                        "host",
                    )
                },
            }
            for step in steps
        ],
    )


def _from_row(row: sa.Row[typing.Any]) -> objects.Operation:
    values = dict(row._mapping)
    values.pop("context")
    values["id"] = values.pop("operation_id")
    return objects.Operation(**values)
