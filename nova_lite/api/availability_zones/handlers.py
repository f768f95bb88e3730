"""``/os-availability-zone``: zones exist because hosts are in them."""

import typing

from nova_lite import objects
from nova_lite.api import request
from nova_lite.api import timestamps
from nova_lite.api import validation
from nova_lite.api.availability_zones import policy
from nova_lite.api.availability_zones import schemas
from nova_lite.api.services import handlers as services_handlers
from nova_lite.db.queries import services

View: typing.TypeAlias = dict[str, typing.Any]


@validation.answers({200: schemas.LISTED})
def index(req: request.Request) -> View:
    """``GET /os-availability-zone``: zones with a host that takes servers are available."""
    req.authorize(policy.LIST)
    zones = _zones(req, binary=services.COMPUTE_BINARY)
    return {
        "availabilityZoneInfo": [
            {"zoneName": name, "zoneState": {"available": _is_open(found)}, "hosts": None}
            for name, found in zones.items()
        ]
    }


@validation.answers({200: schemas.DETAILED})
def detail(req: request.Request) -> View:
    """``GET /os-availability-zone/detail``."""
    req.authorize(policy.DETAIL)
    return {
        "availabilityZoneInfo": [
            {
                "zoneName": name,
                "zoneState": {"available": _is_open(found)},
                "hosts": _hosts(req, found),
            }
            for name, found in _zones(req).items()
        ]
    }


def _zones(req: request.Request, binary: str | None = None) -> dict[str, list[objects.Service]]:
    with req.database.api.read() as tx:
        found = services.list_all(tx, binary=binary)
    zones: dict[str, list[objects.Service]] = {}
    for service in found:
        zones.setdefault(services_handlers.zone_of(req, service), []).append(service)
    return zones


def _is_open(found: list[objects.Service]) -> bool:
    return any(not service.disabled for service in found)


def _hosts(req: request.Request, found: list[objects.Service]) -> View:
    hosts: View = {}
    for service in found:
        hosts.setdefault(service.host, {})[service.binary] = {
            "available": services_handlers.is_up(req, service),
            "active": not service.disabled,
            "updated_at": timestamps.precise(service.last_seen_up),
        }
    return hosts
