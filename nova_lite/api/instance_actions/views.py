"""How an entry of the journal looks to a client."""

import dataclasses
import datetime
import typing

from oslo_utils import timeutils

from nova_lite import objects
from nova_lite import transitions
from nova_lite.api import microversion
from nova_lite.api import request
from nova_lite.api import timestamps
from nova_lite.api.instance_actions import policy
from nova_lite.api.servers import views as server_views

View: typing.TypeAlias = dict[str, typing.Any]


@dataclasses.dataclass(frozen=True)
class Shown:
    """What of an event this request may see."""

    events: bool
    traceback: bool
    host_id: bool
    host: bool
    details: bool

    @classmethod
    def to(cls, req: request.Request, project_id: str) -> "Shown":
        """By policy and version."""
        is_allowed = req.can(policy.EVENTS, {"project_id": project_id})
        with_hosts = req.version >= microversion.HOST_IN_EVENTS
        return cls(
            events=is_allowed or req.version >= microversion.EVENTS_FOR_ALL,
            traceback=is_allowed,
            host_id=with_hosts,
            host=with_hosts and is_allowed,
            details=req.version >= microversion.DETAILS_IN_EVENTS
            and req.can(policy.EVENT_DETAILS, {"project_id": project_id}),
        )


def action(version: microversion.Version, operation: objects.Operation) -> View:
    """An item of the list."""
    # Not everything in the journal changes a server: audits repair what is around it.
    transition = transitions.TABLE.get(operation.action)
    view: View = {
        "action": transition.name if transition else operation.action,
        "instance_uuid": operation.instance_uuid,
        "request_id": operation.request_id,
        "user_id": operation.user_id,
        "project_id": operation.project_id,
        "start_time": timestamps.precise(operation.started_at),
        "message": operation.message or _progress(operation),
    }
    if version >= microversion.PAGED_ACTIONS:
        view["updated_at"] = timestamps.precise(changed_at(operation))
    return view


def _progress(operation: objects.Operation) -> str | None:
    """How far an action is that is under way, if its steps are known (D1)."""
    transition = transitions.TABLE.get(operation.action)
    if operation.status != "running" or transition is None:
        return None
    if operation.step not in transition.steps:
        return None
    number = transition.steps.index(operation.step) + 1
    waited_s = int((timeutils.utcnow() - operation.started_at).total_seconds())
    return f"Step {number} of {len(transition.steps)}: {operation.step}, after {waited_s} s"


def changed_at(operation: objects.Operation) -> datetime.datetime:
    """When an entry of the journal changed last."""
    changed: datetime.datetime = (
        operation.finished_at or operation.heartbeat_at or operation.started_at
    )
    return changed


def detail(req: request.Request, operation: objects.Operation) -> View:
    """One action with its events."""
    view = action(req.version, operation)
    shown = Shown.to(req, operation.project_id)
    if shown.events:
        steps = [*operation.steps, *_current(operation)]
        view["events"] = [_event(operation, step, shown) for step in steps]
    return view


def _current(operation: objects.Operation) -> list[objects.Step]:
    """The step under way, which is not over and so not in the journal yet."""
    if operation.status != "running" or not operation.step:
        return []
    step = objects.Step(
        name=operation.step,
        started_at=operation.heartbeat_at or operation.started_at,
        host=operation.owner,
    )
    return [step]


def _event(operation: objects.Operation, step: objects.Step, shown: Shown) -> View:
    view: View = {
        "event": step.name,
        "start_time": timestamps.precise(step.started_at),
        "finish_time": timestamps.precise(step.finished_at),
        "result": step.result,
    }
    if shown.traceback:
        # Tracebacks are for logs; here is what a person can read of the error.
        view["traceback"] = step.message if step.result == "Error" else None
    if shown.host_id:
        view["hostId"] = server_views.host_id(operation.project_id, step.host)
    if shown.host:
        view["host"] = step.host
    if shown.details:
        view["details"] = step.message
    return view
