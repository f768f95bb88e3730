"""Services: one row a daemon, kept fresh by its heartbeat."""

import datetime
import typing

import sqlalchemy as sa
from oslo_utils import timeutils
from oslo_utils import uuidutils

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.db import session
from nova_lite.db.models import api
from nova_lite.db.queries import upsert
from nova_lite.objects import service as service_object

COMPUTE_BINARY = service_object.COMPUTE_BINARY

_SERVICES = api.services


def report(tx: session.Connection, service: objects.Service) -> objects.Service:
    """Record a sign of life: create the row or refresh it.

    ``disabled`` and ``forced_down`` belong to the administrator: they are
    taken from ``service`` only for a row that is new.

    :returns: the service as the database has it now.
    """
    now = timeutils.utcnow()
    fresh: dict[str, typing.Any] = {
        "last_seen_up": now,
        "availability_zone": service.availability_zone,
        "incarnation": service.incarnation,
    }
    found = tx.execute(
        sa.update(_SERVICES)
        .where(_SERVICES.c.host == service.host, _SERVICES.c.binary == service.binary)
        .values(fresh)
    )
    if found.rowcount == 0:
        created = {
            "uuid": service.uuid or uuidutils.generate_uuid(),
            "host": service.host,
            "binary": service.binary,
            "disabled": service.disabled,
            "disabled_reason": service.disabled_reason,
            "forced_down": service.forced_down,
            "created_at": now,
        }
        # Two first heartbeats of one daemon may race: the later one refreshes.
        upsert.insert_or_update(tx, _SERVICES, created | fresh, ("host", "binary"), fresh)
    reported = get_by_host(tx, service.host, service.binary)
    if reported is None:  # Deleted by an administrator in between.
        raise exceptions.ServiceNotFound(service_id=f"{service.binary} on {service.host}")
    return reported


def list_all(
    tx: session.Connection, *, host: str | None = None, binary: str | None = None
) -> list[objects.Service]:
    """Services in the order of their ids, optionally of one host or binary."""
    query = sa.select(_SERVICES).order_by(_SERVICES.c.id)
    if host is not None:
        query = query.where(_SERVICES.c.host == host)
    if binary is not None:
        query = query.where(_SERVICES.c.binary == binary)
    return [_to_object(row) for row in tx.execute(query)]


def get(tx: session.Connection, service_uuid: str) -> objects.Service:
    """One service.

    :raises ServiceNotFound: there is none.
    """
    row = tx.execute(sa.select(_SERVICES).where(_SERVICES.c.uuid == service_uuid)).first()
    if row is None:
        raise exceptions.ServiceNotFound(service_id=service_uuid)
    return _to_object(row)


def get_by_host(tx: session.Connection, host: str, binary: str) -> objects.Service | None:
    """The service of that kind on that host, or None."""
    row = tx.execute(
        sa.select(_SERVICES).where(_SERVICES.c.host == host, _SERVICES.c.binary == binary)
    ).first()
    return None if row is None else _to_object(row)


def update(
    tx: session.Connection,
    service_uuid: str,
    *,
    disabled: bool | None = None,
    disabled_reason: str | None = None,
    forced_down: bool | None = None,
) -> objects.Service:
    """Change what an administrator may change; None leaves a value alone.

    Enabling a service (``disabled=False``) clears the reason.

    :raises ServiceNotFound: there is no such service.
    """
    changes: dict[str, typing.Any] = {}
    if disabled is not None:
        changes["disabled"] = disabled
        changes["disabled_reason"] = disabled_reason if disabled else None
    elif disabled_reason is not None:
        changes["disabled_reason"] = disabled_reason
    if forced_down is not None:
        changes["forced_down"] = forced_down
    if changes:
        tx.execute(sa.update(_SERVICES).where(_SERVICES.c.uuid == service_uuid).values(changes))
    return get(tx, service_uuid)


def delete(tx: session.Connection, service_uuid: str) -> None:
    """Forget a service; a daemon that still lives comes back by itself.

    :raises ServiceNotFound: there is no such service.
    """
    gone = tx.execute(sa.delete(_SERVICES).where(_SERVICES.c.uuid == service_uuid))
    if gone.rowcount == 0:
        raise exceptions.ServiceNotFound(service_id=service_uuid)


def is_up(service: objects.Service, now: datetime.datetime, down_time_s: float) -> bool:
    """Whether the daemon counts as alive.

    :param now: naive UTC.
    :param down_time_s: seconds of silence after which it does not.
    """
    if service.forced_down:
        return False
    return seen_recently(service.last_seen_up, now, down_time_s)


def seen_recently(
    last_seen_up: datetime.datetime | None, now: datetime.datetime, down_time_s: float
) -> bool:
    """Whether a heartbeat is at most ``down_time_s`` seconds old.

    A heartbeat from the future (clocks differ) is a heartbeat.
    """
    return last_seen_up is not None and (now - last_seen_up).total_seconds() <= down_time_s


def _to_object(row: sa.Row[typing.Any]) -> objects.Service:
    return objects.Service(**row._mapping)
