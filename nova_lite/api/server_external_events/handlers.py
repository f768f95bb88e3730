"""``/os-server-external-events``: what other services tell us of our servers.

Cinder tells that it has made an attached volume larger: that is an operation on the
server, recorded here and done by its host. The other events are Neutron's,
Cyborg's, Ironic's and, of a rebuild that waits for it, Cinder's: nothing here waits for
them, so they are taken note of, and that is what ``completed`` and 200 say.
"""

import logging
import typing

from nova_lite import exceptions
from nova_lite import objects
from nova_lite import transitions
from nova_lite.api import request
from nova_lite.api import validation
from nova_lite.api.server_external_events import policy
from nova_lite.api.server_external_events import schemas
from nova_lite.db import session
from nova_lite.db.queries import block_devices
from nova_lite.db.queries import instances
from nova_lite.db.queries import operations

LOG = logging.getLogger(__name__)

Event: typing.TypeAlias = dict[str, typing.Any]

EXTENDED = "volume-extended"

_NEEDS_TAG = frozenset({EXTENDED, "volume-reimaged", "power-update", "accelerator-request-bound"})
"""Events about a part of the server, which the tag names."""


@validation.answers({200: schemas.CREATED, 207: schemas.CREATED})
def create(req: request.Request) -> request.Response | dict[str, typing.Any]:
    """``POST /os-server-external-events``: each event is answered by itself."""
    req.authorize(policy.CREATE)
    events: list[Event] = req.body(schemas.CREATE)["events"]
    with req.database.cell.read() as tx:
        servers = instances.get_many(tx, {event["server_uuid"] for event in events})
    answers = []
    for event in events:
        code = _take(req, event, servers.get(event["server_uuid"]))
        status = event.get("status", "completed") if code == 200 else "failed"
        answers.append(event | {"status": status, "code": code})
    body = {"events": answers}
    if any(answer["code"] != 200 for answer in answers):
        return request.Response(207, body)
    return body


def _take(req: request.Request, event: Event, server: objects.Instance | None) -> int:
    """Do what an event asks for; its code."""
    if server is None:
        return 404
    if event["name"] in _NEEDS_TAG and not event.get("tag"):
        return 400
    if server.host is None:
        return 422
    LOG.info("Event %s of server %s: %s", event["name"], server.uuid, event.get("tag"))
    if event["name"] == EXTENDED:
        _extend(req, server, event["tag"])
    return 200


def _extend(req: request.Request, server: objects.Instance, volume_id: str) -> None:
    """Record the operation and hand it to the host."""
    started = req.database.cell.transact(_record, req, server, volume_id)
    if started is not None:
        operation, device = started
        ctxt = req.ctxt.as_service()
        req.services.compute.extend_volume(ctxt, server.host, server, operation, device)


def _record(
    tx: session.Connection, req: request.Request, server: objects.Instance, volume_id: str
) -> tuple[objects.Operation, objects.BlockDeviceMapping] | None:
    """None if the server does not have that volume (any more): there is nothing to
    extend, and nothing wrong either."""
    device = block_devices.get_by_volume(tx, server.uuid, volume_id)
    if device is None:
        LOG.warning("Server %s has no volume %s that could grow", server.uuid, volume_id)
        return None
    try:
        operation = operations.start(
            tx,
            req.ctxt,
            server,
            transitions.EXTEND_VOLUME,
            owner=server.host,
            arguments={"volume_id": volume_id},
        )
    except exceptions.InstanceInvalidState:
        # It was deleted this very moment.
        return None
    return operation, device
