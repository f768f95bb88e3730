"""``os-stop`` and ``os-start``."""

import collections.abc
import functools

from nova_lite import exceptions
from nova_lite import objects
from nova_lite import transitions
from nova_lite.api import request
from nova_lite.api import validation
from nova_lite.api.servers import load
from nova_lite.api.servers import placement
from nova_lite.api.servers import policy
from nova_lite.api.servers import schemas
from nova_lite.api.shapes import NOTHING
from nova_lite.db.queries import block_devices
from nova_lite.db.queries import operations


@validation.answers({202: NOTHING})
def stop(req: request.Request, server_id: str) -> request.Response:
    """``os-stop``: shut the server down; it keeps its host and its volumes."""
    instance = _load(req, server_id, policy.STOP)
    req.body(schemas.STOP)
    _change(req, instance, transitions.STOP, req.services.compute.stop_instance)
    return request.ACCEPTED


@validation.answers({202: NOTHING})
def start(req: request.Request, server_id: str) -> request.Response:
    """``os-start``: start a server that was stopped."""
    instance = _load(req, server_id, policy.START)
    req.body(schemas.START)
    with req.database.cell.read() as tx:
        devices = block_devices.list_for_instance(tx, instance.uuid)
    send = functools.partial(req.services.compute.start_instance, block_devices=devices)
    _change(req, instance, transitions.START, send)
    return request.ACCEPTED


def _load(req: request.Request, server_id: str, rule: str) -> objects.Instance:
    instance = load.instance(req, server_id)
    req.authorize(rule, load.target(instance))
    load.refuse_locked(req, instance)
    return instance


def _change(
    req: request.Request,
    instance: objects.Instance,
    transition: transitions.Transition,
    send: collections.abc.Callable[..., None],
) -> None:
    """Record the operation, and have the server's host do it.

    :raises exceptions.Conflict: the server's state does not allow it, it never
        ran, or its host is down.
    """
    transition.check(instance)
    if instance.launched_at is None:
        raise exceptions.InstanceInvalidState(
            action=transition.action,
            instance_uuid=instance.uuid,
            attribute="launched_at",
            state="None: it never ran",
        )
    host = placement.host_up(req, instance)
    operation = req.database.cell.transact(
        operations.start, req.ctxt, instance, transition, owner=host
    )
    send(req.ctxt, host, instance, operation)
