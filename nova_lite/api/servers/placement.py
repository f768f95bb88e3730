"""Where a server is, and whether that host can be asked."""

from oslo_utils import timeutils

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.api import request
from nova_lite.db.queries import services


def is_up(req: request.Request, host: str | None) -> bool:
    """Whether the compute service of a host is alive."""
    if host is None:
        return False
    with req.database.api.read() as tx:
        service = services.get_by_host(tx, host, services.COMPUTE_BINARY)
    return service is not None and services.is_up(
        service, timeutils.utcnow(), req.conf.service_down_time_s
    )


def host_up(req: request.Request, instance: objects.Instance) -> str:
    """The server's host, which answers.

    :raises exceptions.Conflict: it has none, or its host is down.
    """
    if instance.host is None:
        raise exceptions.Conflict(reason=f"Instance {instance.uuid} is not ready")
    if not is_up(req, instance.host):
        raise exceptions.HostUnavailable(instance_uuid=instance.uuid)
    return str(instance.host)
