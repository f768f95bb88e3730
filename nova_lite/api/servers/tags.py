"""``/servers/{server_id}/tags`` (2.26)."""

import typing
import urllib.parse

from nova_lite import exceptions
from nova_lite.api import microversion
from nova_lite.api import request
from nova_lite.api import validation
from nova_lite.api.servers import load
from nova_lite.api.servers import policy
from nova_lite.api.servers import schemas
from nova_lite.api.servers import shapes
from nova_lite.api.shapes import NOTHING
from nova_lite.db.queries import instances
from nova_lite.db.queries import listing

MAX_TAGS = 50


@microversion.available("2.26")
@validation.answers({200: shapes.TAGS})
def index(req: request.Request, server_id: str) -> dict[str, typing.Any]:
    """``GET …/tags``."""
    return {"tags": _load(req, server_id, policy.TAGS_INDEX).tags}


@microversion.available("2.26")
@validation.answers({204: NOTHING})
def show(req: request.Request, server_id: str, tag: str) -> request.Response:
    """``GET …/tags/{tag}``: 204 if the server has it."""
    _require(_load(req, server_id, policy.TAGS_SHOW), tag)
    return request.NO_CONTENT


@microversion.available("2.26")
@validation.answers({201: NOTHING, 204: NOTHING})
def update(req: request.Request, server_id: str, tag: str) -> request.Response:
    """``PUT …/tags/{tag}``: 201, or 204 if the server has it already."""
    server = _load(req, server_id, policy.TAGS_UPDATE)
    schemas.TAG.check(tag, req.version, where="tag")
    if tag in server.tags:
        return request.NO_CONTENT
    if len(server.tags) >= MAX_TAGS:
        raise exceptions.InvalidInput(
            f"The number of tags exceeded the per-server limit {MAX_TAGS}"
        )
    _store(req, server, [*server.tags, tag])
    # Quoted: any text may be a tag, and a header is ASCII in one line.
    location = req.url("servers", server_id, "tags", urllib.parse.quote(tag, safe=""))
    return request.Response(201, None, {"Location": location})


@microversion.available("2.26")
@validation.answers({200: shapes.TAGS})
def replace(req: request.Request, server_id: str) -> dict[str, typing.Any]:
    """``PUT …/tags``."""
    server = _load(req, server_id, policy.TAGS_REPLACE)
    tags = list(dict.fromkeys(req.body(schemas.TAGS)["tags"]))
    _store(req, server, tags)
    return {"tags": tags}


@microversion.available("2.26")
@validation.answers({204: NOTHING})
def delete(req: request.Request, server_id: str, tag: str) -> request.Response:
    """``DELETE …/tags/{tag}``."""
    server = _load(req, server_id, policy.TAGS_DELETE)
    _require(server, tag)
    _store(req, server, [other for other in server.tags if other != tag])
    return request.NO_CONTENT


@microversion.available("2.26")
@validation.answers({204: NOTHING})
def delete_all(req: request.Request, server_id: str) -> request.Response:
    """``DELETE …/tags``."""
    _store(req, _load(req, server_id, policy.TAGS_DELETE_ALL), [])
    return request.NO_CONTENT


def _load(req: request.Request, server_id: str, rule: str) -> listing.Server:
    server = load.record(req, server_id)
    req.authorize(rule, load.target(server))
    return server


def _require(server: listing.Server, tag: str) -> None:
    if tag not in server.tags:
        raise exceptions.NotFound(f"Server {server.uuid} has no tag '{tag}'")


def _store(req: request.Request, server: listing.Server, tags: list[str]) -> None:
    with req.database.cell.read() as tx:
        if not instances.update(tx, server.uuid, tags=tags):
            raise exceptions.Conflict(reason=f"Instance {server.uuid} is not ready")
