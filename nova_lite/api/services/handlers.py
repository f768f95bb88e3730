"""``/os-services``: the daemons, and which of them take work."""

import collections.abc
import typing

from oslo_utils import strutils
from oslo_utils import timeutils
from oslo_utils import uuidutils

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.api import microversion
from nova_lite.api import request
from nova_lite.api import timestamps
from nova_lite.api import validation
from nova_lite.api.services import policy
from nova_lite.api.services import schemas
from nova_lite.api.shapes import NOTHING
from nova_lite.db.queries import instances
from nova_lite.db.queries import services

View: typing.TypeAlias = dict[str, typing.Any]

INTERNAL_ZONE = "internal"
"""The zone of daemons that run no servers."""


@validation.answers({200: schemas.LISTED})
def index(req: request.Request) -> View:
    """``GET /os-services``."""
    req.authorize(policy.LIST)
    query = req.query(schemas.INDEX)
    with req.database.api.read() as tx:
        found = services.list_all(
            tx, host=query.get("host", [None])[-1], binary=query.get("binary", [None])[-1]
        )
    return {"services": [_view(req, service) for service in found]}


@validation.answers({200: schemas.UPDATED})
def update(req: request.Request, service_id: str) -> View:
    """``PUT /os-services/{service_id}``; before 2.53 ``service_id`` is a verb."""
    req.authorize(policy.UPDATE)
    if req.version < microversion.UUIDS_OF_SERVICES:
        return _update_by_host(req, service_id)
    service_uuid = _uuid(service_id)
    body = req.body(schemas.UPDATE)
    if "disabled_reason" in body and body.get("status") != "disabled":
        raise exceptions.InvalidInput(
            "Specifying 'disabled_reason' requires that 'status' is 'disabled'."
        )
    status = body.get("status")
    service = _change(
        req,
        service_uuid,
        disabled=None if status is None else status == "disabled",
        disabled_reason=body.get("disabled_reason"),
        forced_down=_flag(body.get("forced_down")),
    )
    return {"service": _view(req, service)}


def _update_by_host(req: request.Request, verb: str) -> View:
    if verb not in _VERBS:
        raise exceptions.NotFound("Unknown action")
    return _VERBS[verb](req)


def _enable(req: request.Request) -> View:
    service = _named(req, req.body(schemas.ENABLE))
    _change(req, service.uuid, disabled=False)
    return {"service": _short(service, status="enabled")}


def _disable(req: request.Request) -> View:
    service = _named(req, req.body(schemas.ENABLE))
    _change(req, service.uuid, disabled=True)
    return {"service": _short(service, status="disabled")}


def _disable_with_reason(req: request.Request) -> View:
    body = req.body(schemas.DISABLE_REASON)
    service = _named(req, body)
    reason = body["disabled_reason"]
    _change(req, service.uuid, disabled=True, disabled_reason=reason)
    return {"service": _short(service, status="disabled", disabled_reason=reason)}


def _force_down(req: request.Request) -> View:
    if req.version < microversion.FORCE_DOWN:
        raise exceptions.NotFound("Unknown action")
    body = req.body(schemas.FORCE_DOWN)
    service = _named(req, body)
    forced_down = bool(_flag(body.get("forced_down", False)))
    _change(req, service.uuid, forced_down=forced_down)
    return {"service": _short(service, forced_down=forced_down)}


_VERBS: dict[str, collections.abc.Callable[[request.Request], View]] = {
    "enable": _enable,
    "disable": _disable,
    "disable-log-reason": _disable_with_reason,
    "force-down": _force_down,
}


@validation.answers({204: NOTHING})
def delete(req: request.Request, service_id: str) -> request.Response:
    """``DELETE /os-services/{service_id}``; not while the host has servers."""
    req.authorize(policy.DELETE)
    service = _by_id(req, service_id)
    if service.binary == services.COMPUTE_BINARY:
        _refuse_with_servers(req, service.host)
    with req.database.api.write() as tx:
        services.delete(tx, service.uuid)
    return request.NO_CONTENT


def _by_id(req: request.Request, service_id: str) -> objects.Service:
    with req.database.api.read() as tx:
        if req.version >= microversion.UUIDS_OF_SERVICES:
            return services.get(tx, _uuid(service_id))
        by_id = {str(service.id): service for service in services.list_all(tx)}
    if service_id not in by_id:
        raise exceptions.ServiceNotFound(service_id=service_id)
    return by_id[service_id]


def _refuse_with_servers(req: request.Request, host: str) -> None:
    """:raises exceptions.Conflict: servers would be left that no host is there for."""
    with req.database.cell.read() as tx:
        is_used = instances.is_on(tx, host)
    if is_used:
        raise exceptions.Conflict(
            reason=f"Host {host} has servers. Delete them first "
            f"(openstack server list --all-projects --host {host}); to give it no new ones, "
            "disable the service."
        )


def _change(req: request.Request, service_uuid: str, **changes: typing.Any) -> objects.Service:
    with req.database.api.write() as tx:
        return services.update(tx, service_uuid, **changes)


def _named(req: request.Request, body: View) -> objects.Service:
    with req.database.api.read() as tx:
        service = services.get_by_host(tx, body["host"], body["binary"])
    if service is None:
        raise exceptions.HostNotFound(host=body["host"])
    return service


def _uuid(service_id: str) -> str:
    if not uuidutils.is_uuid_like(service_id):
        raise exceptions.InvalidInput(f"Invalid uuid {service_id}")
    return service_id


def _flag(value: object) -> bool | None:
    return None if value is None else bool(strutils.bool_from_string(value, strict=True))


def zone_of(req: request.Request, service: objects.Service) -> str:
    """The availability zone a daemon is shown in."""
    if service.binary != services.COMPUTE_BINARY:
        return INTERNAL_ZONE
    return str(service.availability_zone or req.conf.api.default_availability_zone)


def is_up(req: request.Request, service: objects.Service) -> bool:
    """Whether a daemon counts as alive now."""
    return services.is_up(service, timeutils.utcnow(), req.conf.service_down_time_s)


def _short(service: objects.Service, **changed: object) -> View:
    return {"host": service.host, "binary": service.binary, **changed}


def _view(req: request.Request, service: objects.Service) -> View:
    by_uuid = req.version >= microversion.UUIDS_OF_SERVICES
    view: View = {
        "id": service.uuid if by_uuid else service.id,
        "binary": service.binary,
        "host": service.host,
        "zone": zone_of(req, service),
        "status": "disabled" if service.disabled else "enabled",
        "state": "up" if is_up(req, service) else "down",
        "updated_at": timestamps.precise(service.last_seen_up),
        "disabled_reason": service.disabled_reason,
    }
    if req.version >= microversion.FORCE_DOWN:
        view["forced_down"] = service.forced_down
    return view
