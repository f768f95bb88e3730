"""``/os-hypervisors``."""

import re
import typing

from oslo_utils import strutils

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.api import microversion
from nova_lite.api import paging
from nova_lite.api import request
from nova_lite.api import validation
from nova_lite.api.hypervisors import policy
from nova_lite.api.hypervisors import schemas
from nova_lite.api.hypervisors import views
from nova_lite.api.services import handlers as services_handlers
from nova_lite.db.queries import listing
from nova_lite.db.queries import nodes
from nova_lite.db.queries import services

View: typing.TypeAlias = dict[str, typing.Any]
Pair: typing.TypeAlias = tuple[objects.ComputeNode, objects.Service]


@validation.answers({200: schemas.LISTED})
def index(req: request.Request) -> View:
    """``GET /os-hypervisors``."""
    req.authorize(policy.LIST)
    return _list(req, "os-hypervisors", views.brief)


@validation.answers({200: schemas.DETAILED})
def detail(req: request.Request) -> View:
    """``GET /os-hypervisors/detail``."""
    req.authorize(policy.DETAIL)
    return _list(req, "os-hypervisors/detail", views.detail)


def _list(req: request.Request, path: str, view: typing.Any) -> View:
    query = req.query(schemas.INDEX)
    pairs = _pairs(req)
    if req.version >= microversion.UUIDS_OF_SERVICES:
        pairs = _matching(pairs, query.get("hypervisor_hostname_pattern", [None])[0])
    is_paged = req.version >= microversion.PAGED_HYPERVISORS
    if is_paged:
        pairs = _page(req, query, pairs)
    items = [view(req.version, *pair, up=services_handlers.is_up(req, pair[1])) for pair in pairs]
    if _wants_servers(req, query):
        items = [
            views.with_servers(req.version, item, _servers(req, pair[0]))
            for item, pair in zip(items, pairs, strict=True)
        ]
    body: View = {"hypervisors": items}
    if is_paged and items:
        links = paging.next_links(req, query, path, items, str(items[-1]["id"]))
        body |= {"hypervisors_links": links} if links else {}
    return body


@validation.answers({200: schemas.SHOWN})
def show(req: request.Request, hypervisor_id: str) -> View:
    """``GET /os-hypervisors/{hypervisor_id}``."""
    req.authorize(policy.SHOW)
    query = req.query(schemas.SHOW)
    key = "uuid" if req.version >= microversion.UUIDS_OF_SERVICES else "id"
    found = next((p for p in _pairs(req) if str(getattr(p[0], key)) == hypervisor_id), None)
    if found is None:
        raise exceptions.NotFound(f"Hypervisor with ID '{hypervisor_id}' could not be found.")
    node, service = found
    view = views.detail(req.version, node, service, up=services_handlers.is_up(req, service))
    if _wants_servers(req, query):
        view = views.with_servers(req.version, view, _servers(req, node))
    return {"hypervisor": view}


@microversion.available(until="2.87")
@validation.answers({200: schemas.STATISTICS})
def statistics(req: request.Request) -> View:
    """``GET /os-hypervisors/statistics``."""
    req.authorize(policy.STATISTICS)
    enabled = [node for node, service in _pairs(req) if not service.disabled]
    total = views.usage(enabled)
    total["disk_available_least"] = total["free_disk_gb"]
    return {"hypervisor_statistics": {"count": len(enabled), **total}}


@microversion.available(until="2.52")
@validation.answers({200: schemas.FOUND})
def search(req: request.Request, hypervisor_id: str) -> View:
    """``GET /os-hypervisors/{pattern}/search``."""
    req.authorize(policy.SEARCH)
    return {"hypervisors": [_brief(req, pair) for pair in _found(req, hypervisor_id)]}


@microversion.available(until="2.52")
@validation.answers({200: schemas.WITH_SERVERS})
def servers(req: request.Request, hypervisor_id: str) -> View:
    """``GET /os-hypervisors/{pattern}/servers``."""
    req.authorize(policy.SERVERS)
    return {
        "hypervisors": [
            views.with_servers(req.version, _brief(req, pair), _servers(req, pair[0]))
            for pair in _found(req, hypervisor_id)
        ]
    }


def _brief(req: request.Request, pair: Pair) -> View:
    return views.brief(req.version, *pair, up=services_handlers.is_up(req, pair[1]))


def _found(req: request.Request, pattern: str) -> list[Pair]:
    pairs = _matching(_pairs(req), pattern)
    if not pairs:
        raise exceptions.NotFound(f"No hypervisor matching '{pattern}' could be found.")
    return pairs


def _pairs(req: request.Request) -> list[Pair]:
    """Every node with its daemon; a node whose daemon was forgotten is hidden."""
    with req.database.api.read() as tx:
        all_nodes = nodes.list_all(tx)
        found = services.list_all(tx, binary=services.COMPUTE_BINARY)
    by_host = {service.host: service for service in found}
    return [(node, by_host[node.host]) for node in all_nodes if node.host in by_host]


def _matching(pairs: list[Pair], pattern: str | None) -> list[Pair]:
    if pattern is None:
        return pairs
    part = re.compile(re.escape(pattern), re.IGNORECASE)
    return [pair for pair in pairs if part.search(pair[0].hypervisor_hostname)]


def _page(req: request.Request, query: request.Query, pairs: list[Pair]) -> list[Pair]:
    marker = paging.marker(query)
    if marker is not None:
        by_uuid = req.version >= microversion.UUIDS_OF_SERVICES
        ids = [str(node.uuid if by_uuid else node.id) for node, _ in pairs]
        if marker not in ids:
            raise exceptions.InvalidInput(f"Marker [{marker}] not found")
        pairs = pairs[ids.index(marker) + 1 :]
    return pairs[: paging.limit(req, query)]


def _wants_servers(req: request.Request, query: request.Query) -> bool:
    if req.version < microversion.UUIDS_OF_SERVICES or "with_servers" not in query:
        return False
    return bool(strutils.bool_from_string(query["with_servers"][0], strict=True))


def _servers(req: request.Request, node: objects.ComputeNode) -> views.Servers:
    with req.database.cell.read() as tx:
        found = listing.list_page(
            tx,
            [listing.TABLE.c.host == node.host, listing.TABLE.c.deleted.is_(False)],
            listing.Order(),
            limit=req.conf.api.max_limit,
        )
    return [(server.uuid, server.display_name) for server in found]
