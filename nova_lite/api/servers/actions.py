"""``POST /servers/{server_id}/action``: the body's one key names the action."""

import collections.abc
import typing

from nova_lite import exceptions
from nova_lite.api import microversion
from nova_lite.api import request
from nova_lite.api import validation
from nova_lite.api.servers import create_image
from nova_lite.api.servers import delete as deletion
from nova_lite.api.servers import load
from nova_lite.api.servers import policy
from nova_lite.api.servers import power
from nova_lite.api.servers import schemas
from nova_lite.api.servers import shapes
from nova_lite.api.shapes import NOTHING
from nova_lite.db.queries import instances

Action: typing.TypeAlias = collections.abc.Callable[
    [request.Request, str], "request.Response | dict[str, typing.Any]"
]


def action(req: request.Request, server_id: str) -> request.Response | dict[str, typing.Any]:
    """Find the action that the body names, and do it."""
    names = list(req.json) if isinstance(req.json, dict) else []
    if len(names) != 1:
        raise exceptions.InvalidInput("Malformed request body: it must name one action")
    if names[0] not in ACTIONS:
        raise exceptions.InvalidInput(f"There is no such action: {names[0]}")
    return ACTIONS[names[0]](req, server_id)


@validation.answers({200: shapes.CONSOLE_OUTPUT})
def console_output(req: request.Request, server_id: str) -> dict[str, typing.Any]:
    """``os-getConsoleOutput``: the last ``length`` lines, or all."""
    server = load.instance(req, server_id)
    req.authorize(policy.CONSOLE_OUTPUT, load.target(server))
    body = req.body(schemas.CONSOLE_OUTPUT)["os-getConsoleOutput"] or {}
    length = body.get("length")
    # -1 is how Nova's clients write "all".
    lines = None if length is None or int(length) == -1 else int(length)
    if server.host is None:
        raise exceptions.Conflict(reason=f"Instance {server_id} is not ready")
    try:
        output = req.services.compute.get_console_output(req.ctxt, server.host, server_id, lines)
    except exceptions.GuestNotFound as error:
        raise exceptions.Conflict(reason=f"Instance {server_id} is not ready") from error
    return {"output": output}


@validation.answers({202: NOTHING})
def force_delete(req: request.Request, server_id: str) -> request.Response:
    """``forceDelete``: the same as DELETE, since nothing is ever deferred."""
    server = load.instance(req, server_id)
    req.authorize(policy.FORCE_DELETE, load.target(server))
    load.refuse_locked(req, server)
    deletion.delete(req, server_id)
    return request.ACCEPTED


@validation.answers({202: NOTHING})
def lock(req: request.Request, server_id: str) -> request.Response:
    """``lock``: only administrators may change the server until ``unlock``.

    The owner's lock of a locked server changes nothing, as in Nova: an
    administrator's lock would become the owner's.
    """
    server = load.instance(req, server_id)
    req.authorize(policy.LOCK, load.target(server))
    body = req.body(schemas.LOCK)["lock"]
    reason = body.get("locked_reason") if isinstance(body, dict) else None
    if req.version < microversion.LOCKED_REASON:
        reason = None
    is_owner = server.project_id == req.ctxt.project_id
    if server.locked and is_owner:
        return request.ACCEPTED
    facts = {**server.system_metadata, "locked_reason": reason}
    # Who locked it says who may unlock it.
    facts["locked_by"] = "owner" if is_owner else "admin"
    _set_lock(req, server_id, locked=True, system_metadata=facts)
    return request.ACCEPTED


@validation.answers({202: NOTHING})
def unlock(req: request.Request, server_id: str) -> request.Response:
    """``unlock``: the owner's lock by the owner, an administrator's by one."""
    server = load.instance(req, server_id)
    req.authorize(policy.UNLOCK, load.target(server))
    if server.system_metadata.get("locked_by") == "admin":
        req.authorize(policy.UNLOCK_OVERRIDE, load.target(server))
    facts = {**server.system_metadata, "locked_reason": None, "locked_by": None}
    _set_lock(req, server_id, locked=False, system_metadata=facts)
    return request.ACCEPTED


def _set_lock(req: request.Request, server_id: str, **fields: typing.Any) -> None:
    with req.database.cell.read() as tx:
        if not instances.update(tx, server_id, **fields):
            raise exceptions.Conflict(reason=f"Instance {server_id} is not ready")


ACTIONS: dict[str, Action] = {
    "os-getConsoleOutput": console_output,
    "forceDelete": force_delete,
    "createImage": create_image.create_image,
    "os-stop": power.stop,
    "os-start": power.start,
    "lock": lock,
    "unlock": unlock,
}
