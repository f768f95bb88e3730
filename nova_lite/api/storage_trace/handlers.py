"""``/servers/{server_id}/nova-lite-storage-trace``: where a server's storage comes from
and who has it, for administrators. Ours: Nova has no such resource."""

import typing

from nova_lite import exceptions
from nova_lite.api import request
from nova_lite.api import validation
from nova_lite.api.servers import load
from nova_lite.api.storage_trace import policy
from nova_lite.api.storage_trace import schemas


@validation.answers({200: schemas.SHOWN})
def show(req: request.Request, server_id: str) -> dict[str, typing.Any]:
    """``GET …/nova-lite-storage-trace``; asks Cinder, Glance and the host."""
    server = load.instance(req, server_id)
    req.authorize(policy.SHOW, load.target(server))
    if server.id is None:
        raise exceptions.Conflict(reason=f"Instance {server_id} is not built yet")
    # Imported here: few requests want it.
    from nova_lite.audit import collect
    from nova_lite.audit import trace

    services = req.services
    collector = collect.Collector(req.conf, req.database, services.cinder, services.compute)
    tracer = trace.Tracer(collector, services.glance)
    return {"storage_trace": tracer.trace(req.ctxt, server_id)}
