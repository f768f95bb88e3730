"""``/servers/{server_id}/os-instance-actions``: the journal, as users see it."""

import datetime
import typing

from oslo_utils import timeutils

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.api import microversion
from nova_lite.api import paging
from nova_lite.api import request
from nova_lite.api import validation
from nova_lite.api.instance_actions import policy
from nova_lite.api.instance_actions import schemas
from nova_lite.api.instance_actions import views
from nova_lite.api.servers import load
from nova_lite.db.queries import operations


def _project(req: request.Request, server_id: str) -> str:
    """The server's project; from 2.21 on also of a deleted server."""
    if req.version >= microversion.ACTIONS_OF_DELETED:
        return load.deleted_project(req, server_id)
    return load.record(req, server_id).project_id


@validation.answers({200: schemas.LISTED})
def index(req: request.Request, server_id: str) -> dict[str, typing.Any]:
    """``GET …/os-instance-actions``, newest first."""
    req.authorize(policy.LIST, {"project_id": _project(req, server_id)})
    query = req.query(schemas.INDEX)
    with req.database.cell.read() as tx:
        journal = operations.list_for_instance(tx, server_id)
    if req.version < microversion.PAGED_ACTIONS:
        return {"instanceActions": [views.action(req.version, entry) for entry in journal]}
    page = _page(req, query, journal)
    body: dict[str, typing.Any] = {
        "instanceActions": [views.action(req.version, entry) for entry in page]
    }
    path = f"servers/{server_id}/os-instance-actions"
    links = paging.next_links(req, query, path, page, page[-1].request_id if page else None)
    if links:
        body["links"] = links
    return body


def _page(
    req: request.Request, query: request.Query, journal: list[objects.Operation]
) -> list[objects.Operation]:
    marker = paging.marker(query)
    if marker is not None:
        ids = [entry.request_id for entry in journal]
        if marker not in ids:
            raise exceptions.InvalidInput(f"Marker [{marker}] not found")
        journal = journal[ids.index(marker) + 1 :]
    if "changes-since" in query:
        since = _time(query["changes-since"][0])
        journal = [entry for entry in journal if views.changed_at(entry) >= since]
    if "changes-before" in query:
        before = _time(query["changes-before"][0])
        journal = [entry for entry in journal if views.changed_at(entry) <= before]
    return journal[: paging.limit(req, query)]


def _time(text: str) -> datetime.datetime:
    when: datetime.datetime = timeutils.normalize_time(timeutils.parse_isotime(text))
    return when


@validation.answers({200: schemas.SHOWN})
def show(req: request.Request, server_id: str, request_id: str) -> dict[str, typing.Any]:
    """``GET …/os-instance-actions/{request_id}``."""
    req.authorize(policy.SHOW, {"project_id": _project(req, server_id)})
    with req.database.cell.read() as tx:
        operation = operations.get(tx, server_id, request_id)
    if operation is None:
        raise exceptions.NotFound(f"Action {request_id} not found")
    return {"instanceAction": views.detail(req, operation)}
