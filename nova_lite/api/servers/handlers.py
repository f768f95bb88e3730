"""``/servers``: list, show, update, delete. Creating is in :mod:`create`."""

import typing

from oslo_utils import timeutils

from nova_lite import exceptions
from nova_lite.api import microversion
from nova_lite.api import paging
from nova_lite.api import request
from nova_lite.api import validation
from nova_lite.api.servers import delete as deletion
from nova_lite.api.servers import filters
from nova_lite.api.servers import load
from nova_lite.api.servers import policy
from nova_lite.api.servers import schemas
from nova_lite.api.servers import shapes
from nova_lite.api.servers import views
from nova_lite.api.shapes import NOTHING
from nova_lite.db.queries import build_requests
from nova_lite.db.queries import instances
from nova_lite.db.queries import listing
from nova_lite.db.queries import services


@validation.answers({200: shapes.LISTED})
def index(req: request.Request) -> dict[str, typing.Any]:
    """``GET /servers``."""
    req.authorize(policy.INDEX)
    query = req.query(schemas.INDEX)
    page = _page(req, query, policy.INDEX_ALL)
    items = [views.brief(req, server) for server in page]
    return _collection(req, query, "servers", items)


@validation.answers({200: shapes.DETAILED})
def detail(req: request.Request) -> dict[str, typing.Any]:
    """``GET /servers/detail``."""
    req.authorize(policy.DETAIL)
    query = req.query(schemas.INDEX)
    page = _page(req, query, policy.DETAIL_ALL)
    with req.database.cell.read() as tx:
        in_cell = [server for server in page if not server.volumes]
        if in_cell:
            listing.add_volumes(tx, in_cell)
            listing.add_faults(tx, in_cell)
    shown = views.Shown.to(req)
    hosts = _host_statuses(req) if shown.host_status else {}
    items = [
        views.full(req, server, shown, host_status=_host_status(hosts, server)) for server in page
    ]
    return _collection(req, query, "servers/detail", items)


def _page(
    req: request.Request, query: request.Query, all_projects_rule: str
) -> list[listing.Server]:
    """One page of servers, with those that are only asked for among them."""
    selected = filters.select(req, query, all_projects_rule)
    order = filters.order(req, query)
    limit = paging.limit(req, query)
    marker = paging.marker(query)
    asked_for = _asked_for(req, selected)
    start: str | listing.Server | None = next((s for s in asked_for if s.uuid == marker), marker)
    with req.database.cell.read() as tx:
        at_marker = listing.find(tx, start) if isinstance(start, str) else start
        # Nobody learns by a marker whether another project's server exists.
        is_ours = at_marker and selected.project_id in (None, at_marker.project_id)
        if marker is not None and not is_ours:
            raise exceptions.InvalidInput(f"marker [{marker}] not found")
        in_cell = listing.list_page(tx, selected.conditions, order, limit=limit, marker=start)
    if at_marker is not None:
        asked_for = order.after(at_marker, asked_for)
    if not asked_for:
        return in_cell
    # A server that moved between the two looks is in both.
    known = {server.uuid for server in in_cell}
    return order.sort([*in_cell, *(s for s in asked_for if s.uuid not in known)])[:limit]


def _asked_for(req: request.Request, selected: filters.Selected) -> list[listing.Server]:
    with req.database.api.read() as tx:
        requests = build_requests.list_for_project(tx, selected.project_id)
    servers = (listing.of_build_request(request_) for request_ in requests)
    return [server for server in servers if selected.asked_for(server)]


def _collection(
    req: request.Request, query: request.Query, path: str, items: list[views.View]
) -> dict[str, typing.Any]:
    body: dict[str, typing.Any] = {"servers": items}
    links = paging.next_links(req, query, path, items, items[-1]["id"] if items else None)
    if links:
        body["servers_links"] = links
    return body


@validation.answers({200: shapes.SHOWN})
def show(req: request.Request, server_id: str) -> dict[str, typing.Any]:
    """``GET /servers/{server_id}``."""
    server = load.record(req, server_id)
    req.authorize(policy.SHOW, load.target(server))
    return {"server": _full(req, server)}


def _full(req: request.Request, server: listing.Server) -> views.View:
    shown = views.Shown.to(req)
    hosts = _host_statuses(req) if shown.host_status and server.host else {}
    view = views.full(req, server, shown, host_status=_host_status(hosts, server))
    return views.alone(req, view)


def _host_statuses(req: request.Request) -> dict[str, str]:
    """UP, DOWN or MAINTENANCE of every compute host."""
    with req.database.api.read() as tx:
        found = services.list_all(tx, binary=services.COMPUTE_BINARY)
    now = timeutils.utcnow()
    return {
        service.host: "MAINTENANCE"
        if service.disabled
        else "UP"
        if services.is_up(service, now, req.conf.service_down_time_s)
        else "DOWN"
        for service in found
    }


def _host_status(hosts: dict[str, str], server: listing.Server) -> str:
    return hosts.get(server.host, "UNKNOWN") if server.host else ""


_UPDATED_COLUMNS = {
    "name": "display_name",
    "description": "display_description",
    "hostname": "hostname",
    "accessIPv4": "access_ip_v4",
    "accessIPv6": "access_ip_v6",
}


@validation.answers({200: shapes.UPDATED})
def update(req: request.Request, server_id: str) -> dict[str, typing.Any]:
    """``PUT /servers/{server_id}``: name, description, hostname, access addresses."""
    body = req.body(schemas.UPDATE)["server"]
    server = load.record(req, server_id)
    req.authorize(policy.UPDATE, load.target(server))
    if body.get("OS-DCF:diskConfig") == "AUTO":
        raise exceptions.InvalidInput("OS-DCF:diskConfig AUTO is not supported; use MANUAL.")
    changes = {column: body[name] for name, column in _UPDATED_COLUMNS.items() if name in body}
    if "display_name" in changes:
        changes["display_name"] = changes["display_name"].strip()
    if changes:
        with req.database.cell.read() as tx:
            if not instances.update(tx, server_id, **changes):
                raise exceptions.Conflict(
                    reason=f"Instance {server_id} is being scheduled; try again in a moment."
                )
        server = load.record(req, server_id)
    if req.version >= microversion.STRICT_AND_UNIFORM:
        return {"server": _full(req, server)}
    return {"server": views.alone(req, views.plain(req, server, views.Shown.to(req)))}


@validation.answers({204: NOTHING})
def delete(req: request.Request, server_id: str) -> request.Response:
    """``DELETE /servers/{server_id}``. Wins over whatever else runs."""
    server = load.instance(req, server_id)
    req.authorize(policy.DELETE, load.target(server))
    load.refuse_locked(req, server)
    deletion.delete(req, server_id)
    return request.NO_CONTENT
