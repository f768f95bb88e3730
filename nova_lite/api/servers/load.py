"""Finding the server of a path: in the cell, or still only asked for."""

import typing

from oslo_utils import uuidutils

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.api import request
from nova_lite.api.servers import policy
from nova_lite.db.queries import build_requests
from nova_lite.db.queries import instances
from nova_lite.db.queries import listing


def record(req: request.Request, server_id: str) -> listing.Server:
    """The server for showing.

    :raises exceptions.InstanceNotFound: there is none, or it is another project's.
    """
    _check_id(server_id)
    found = _record_in_cell(req, server_id) or _record_asked_for(req, server_id)
    # The conductor may have moved it between the two looks.
    found = found or _record_in_cell(req, server_id)
    if found is None or not _is_visible(req, found.project_id):
        raise exceptions.InstanceNotFound(instance_uuid=server_id)
    return found


def instance(req: request.Request, server_id: str) -> objects.Instance:
    """The server for doing something with it, as :func:`record`."""
    _check_id(server_id)
    found = (
        _instance_in_cell(req, server_id)
        or _instance_asked_for(req, server_id)
        or _instance_in_cell(req, server_id)
    )
    if found is None or not _is_visible(req, found.project_id):
        raise exceptions.InstanceNotFound(instance_uuid=server_id)
    return found


def deleted_project(req: request.Request, server_id: str) -> str:
    """The project of a server, also one that is deleted.

    :raises exceptions.InstanceNotFound: as :func:`record`.
    """
    _check_id(server_id)
    with req.database.cell.read() as tx:
        found = listing.list_page(
            tx, [listing.TABLE.c.uuid == server_id], listing.Order(), limit=1
        )
    if found and _is_visible(req, found[0].project_id):
        return found[0].project_id
    return record(req, server_id).project_id


def target(found: listing.Server | objects.Instance) -> dict[str, typing.Any]:
    """What policy checks are about."""
    return {"project_id": found.project_id, "user_id": found.user_id}


def refuse_locked(req: request.Request, found: listing.Server | objects.Instance) -> None:
    """409 for a locked server, except for those who may override locks."""
    if found.locked and not req.can(policy.UNLOCK_OVERRIDE, target(found)):
        raise exceptions.Conflict(reason=f"Instance {found.uuid} is locked")


def _check_id(server_id: str) -> None:
    # Clients look up names this way first; a name is not an id.
    if not uuidutils.is_uuid_like(server_id):
        raise exceptions.InstanceNotFound(instance_uuid=server_id)


def _is_visible(req: request.Request, project_id: str) -> bool:
    # What a service may do to servers of others, its policies say.
    is_trusted = req.ctxt.is_admin or "service" in req.ctxt.roles
    return bool(is_trusted or req.ctxt.project_id == project_id)


def _record_in_cell(req: request.Request, server_id: str) -> listing.Server | None:
    with req.database.cell.read() as tx:
        return listing.get(tx, server_id)


def _record_asked_for(req: request.Request, server_id: str) -> listing.Server | None:
    with req.database.api.read() as tx:
        found = build_requests.get(tx, server_id)
    return listing.of_build_request(found) if found else None


def _instance_in_cell(req: request.Request, server_id: str) -> objects.Instance | None:
    try:
        with req.database.cell.read() as tx:
            return instances.get(tx, server_id)
    except exceptions.InstanceNotFound:
        return None


def _instance_asked_for(req: request.Request, server_id: str) -> objects.Instance | None:
    with req.database.api.read() as tx:
        found = build_requests.get(tx, server_id)
    return found.instance if found else None
