"""Deleting a server: withdraw the wish for it, or have its host delete it."""

from nova_lite import exceptions
from nova_lite import transitions
from nova_lite.api import request
from nova_lite.api.servers import placement
from nova_lite.db.queries import block_devices
from nova_lite.db.queries import build_requests
from nova_lite.db.queries import instances
from nova_lite.db.queries import operations
from nova_lite.volume import removal

CONDUCTOR = "conductor"
"""Owner of deletes that no host can do."""


def delete(req: request.Request, server_id: str) -> None:
    """Delete a server wherever it is; one that is being deleted is left to it."""
    if _withdraw(req, server_id):
        return
    with req.database.cell.read() as tx:
        instance = instances.get(tx, server_id)
    host = instance.host if placement.is_up(req, instance.host) else None
    try:
        operation = req.database.cell.transact(
            operations.start,
            req.ctxt,
            instance,
            transitions.DELETE,
            owner=host or CONDUCTOR,
        )
    except exceptions.OperationInProgress:
        return
    if host is None:
        req.services.conductor.delete_instance(req.ctxt, instance, operation)
        return
    with req.database.cell.read() as tx:
        devices = block_devices.list_for_instance(tx, server_id)
    req.services.compute.terminate_instance(req.ctxt, host, instance, operation, devices)


def _withdraw(req: request.Request, server_id: str) -> bool:
    """Take back a build request and what is reserved for it. What Cinder does not release
    now is the reaper's; the request stays until then.

    A conductor that works on it notices when it completes the request, and
    then forgets the server; so taking the row here decides.

    :returns: False if there is no build request (any more).
    """
    with req.database.api.read() as tx:
        if build_requests.get(tx, server_id) is None:
            return False
    withdrawn = req.database.api.transact(build_requests.withdraw, server_id)
    if withdrawn is None:
        return False
    if not withdrawn.is_ours:
        return True
    devices = withdrawn.request.block_devices.objects
    if not removal.release_reserved(req.ctxt, req.services.cinder, devices):
        req.database.api.transact(build_requests.delete, server_id)
    return True
