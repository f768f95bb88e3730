"""``/servers/{server_id}/metadata``."""

import typing

from nova_lite import exceptions
from nova_lite.api import request
from nova_lite.api import validation
from nova_lite.api.servers import load
from nova_lite.api.servers import policy
from nova_lite.api.servers import schemas
from nova_lite.api.servers import shapes
from nova_lite.api.shapes import NOTHING
from nova_lite.db.queries import instances
from nova_lite.db.queries import listing
from nova_lite.db.queries import quotas

Metadata: typing.TypeAlias = dict[str, str]


@validation.answers({200: shapes.METADATA})
def index(req: request.Request, server_id: str) -> dict[str, typing.Any]:
    """``GET …/metadata``."""
    return {"metadata": _load(req, server_id, policy.METADATA_INDEX).metadata}


@validation.answers({200: shapes.METADATA_ITEM})
def show(req: request.Request, server_id: str, key: str) -> dict[str, typing.Any]:
    """``GET …/metadata/{key}``."""
    metadata = _load(req, server_id, policy.METADATA_SHOW).metadata
    return {"meta": {key: _item(metadata, key)}}


@validation.answers({200: shapes.METADATA})
def create(req: request.Request, server_id: str) -> dict[str, typing.Any]:
    """``POST …/metadata``: add to what is there."""
    server = _load(req, server_id, policy.METADATA_CREATE, change=True)
    given = req.body(schemas.METADATA)["metadata"]
    return {"metadata": _store_checked(req, server, {**server.metadata, **given})}


@validation.answers({200: shapes.METADATA})
def replace(req: request.Request, server_id: str) -> dict[str, typing.Any]:
    """``PUT …/metadata``."""
    server = _load(req, server_id, policy.METADATA_REPLACE, change=True)
    given = req.body(schemas.METADATA)["metadata"]
    return {"metadata": _store_checked(req, server, given)}


@validation.answers({200: shapes.METADATA_ITEM})
def update(req: request.Request, server_id: str, key: str) -> dict[str, typing.Any]:
    """``PUT …/metadata/{key}``."""
    server = _load(req, server_id, policy.METADATA_UPDATE, change=True)
    given = req.body(schemas.METADATA_ITEM)["meta"]
    if key not in given:
        raise exceptions.InvalidInput("Request body and URI mismatch")
    _store_checked(req, server, {**server.metadata, **given})
    return {"meta": given}


@validation.answers({204: NOTHING})
def delete(req: request.Request, server_id: str, key: str) -> request.Response:
    """``DELETE …/metadata/{key}``."""
    server = _load(req, server_id, policy.METADATA_DELETE, change=True)
    _item(server.metadata, key)
    _store(req, server, {k: v for k, v in server.metadata.items() if k != key})
    return request.NO_CONTENT


def _load(
    req: request.Request, server_id: str, rule: str, *, change: bool = False
) -> listing.Server:
    server = load.record(req, server_id)
    req.authorize(rule, load.target(server))
    if change:
        load.refuse_locked(req, server)
    return server


def _item(metadata: Metadata, key: str) -> str:
    if key not in metadata:
        raise exceptions.NotFound("Metadata item was not found")
    return metadata[key]


def check_count(req: request.Request, project_id: str | None, count: int) -> None:
    """Ask for the project's limit, unless there is no metadata.

    :raises exceptions.QuotaExceeded: that is more items than it allows.
    """
    if count == 0:
        return
    with req.database.api.read() as tx:
        _, limits = quotas.read(tx, req.conf, str(project_id))
    limit = limits["metadata_items"]
    if 0 <= limit < count:
        raise exceptions.QuotaExceeded(f"Maximum number of metadata items exceeds {limit}")


def _store_checked(req: request.Request, server: listing.Server, metadata: Metadata) -> Metadata:
    check_count(req, server.project_id, len(metadata))
    return _store(req, server, metadata)


def _store(req: request.Request, server: listing.Server, metadata: Metadata) -> Metadata:
    with req.database.cell.read() as tx:
        if not instances.update(tx, server.uuid, metadata=metadata):
            raise exceptions.Conflict(reason=f"Instance {server.uuid} is not ready")
    return metadata
