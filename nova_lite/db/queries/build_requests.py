"""Servers that are asked for and not in a cell yet (API database)."""

import collections.abc
import datetime
import typing

import sqlalchemy as sa
from oslo_utils import timeutils

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite.db import session
from nova_lite.db.models import api
from nova_lite.objects import wire

_table = api.build_requests
_mappings = api.instance_mappings
_specs = api.request_specs

API_OWNER = "api"
"""Owns a build request while the API prepares it."""
WITHDRAWN_OWNER = "withdrawn"
"""Owns a build request that is taken back: it goes when nothing is held for it any more."""


def create(
    connection: session.Connection,
    ctxt: context.RequestContext,
    requests: collections.abc.Sequence[objects.BuildRequest],
    *,
    owner: str | None = None,
) -> None:
    """Record the wish for servers: build request, mapping and request spec of
    each, in three statements whatever their number.

    :param owner: who prepares them still; None if they can be built.
    """
    now = timeutils.utcnow()
    connection.execute(
        _mappings.insert(),
        [
            {
                "instance_uuid": request.instance_uuid,
                "cell_id": None,
                "project_id": request.instance.project_id,
                "user_id": request.instance.user_id,
                "vcpus": request.instance.flavor.vcpus,
                "memory_mib": request.instance.flavor.memory_mib,
                "created_at": now,
            }
            for request in requests
        ],
    )
    connection.execute(
        _specs.insert(),
        [
            {"instance_uuid": request.instance_uuid, "spec": request.request_spec.to_json()}
            for request in requests
        ],
    )
    connection.execute(
        _table.insert(),
        [
            {
                "instance_uuid": request.instance_uuid,
                "project_id": request.instance.project_id,
                "operation_id": request.operation_id,
                "request_id": ctxt.request_id,
                "instance": request.instance.to_json(),
                "block_devices": request.block_devices.to_json(),
                "context": context.without_secrets(ctxt),
                "owner": owner,
                "attempt": 0,
                "created_at": now,
                "heartbeat_at": now,
            }
            for request in requests
        ],
    )


def renew(
    connection: session.Connection, requests: collections.abc.Sequence[objects.BuildRequest]
) -> None:
    """Sign of life of the API while it prepares requests.

    :raises nova_lite.exceptions.Conflict: one has been withdrawn.
    """
    uuids = [request.instance_uuid for request in requests]
    result = connection.execute(
        _table.update()
        .where(_table.c.instance_uuid.in_(uuids), _table.c.owner == API_OWNER)
        .values(heartbeat_at=timeutils.utcnow())
    )
    if result.rowcount != len(uuids):
        raise _withdrawn_meanwhile(uuids)


def set_ready(
    connection: session.Connection, requests: collections.abc.Iterable[objects.BuildRequest]
) -> None:
    """The preparation is over: store the block devices, and let it be built.

    :raises nova_lite.exceptions.Conflict: one has been withdrawn.
    """
    for request in requests:
        if not _end_preparation(connection, request, {API_OWNER}, None):
            raise _withdrawn_meanwhile([request.instance_uuid])


def set_failed(
    connection: session.Connection, requests: collections.abc.Iterable[objects.BuildRequest]
) -> None:
    """The preparation has failed and could not be undone: store what is still held, for
    the reaper."""
    for request in requests:
        _end_preparation(connection, request, {API_OWNER, WITHDRAWN_OWNER}, WITHDRAWN_OWNER)


def _end_preparation(
    connection: session.Connection,
    request: objects.BuildRequest,
    seen_owners: collections.abc.Collection[str],
    owner: str | None,
) -> bool:
    result = connection.execute(
        _table.update()
        .where(_table.c.instance_uuid == request.instance_uuid, _table.c.owner.in_(seen_owners))
        .values(
            owner=owner,
            block_devices=request.block_devices.to_json(),
            heartbeat_at=timeutils.utcnow(),
        )
    )
    return result.rowcount == 1


def _withdrawn_meanwhile(instance_uuids: collections.abc.Sequence[str]) -> exceptions.Conflict:
    return exceptions.Conflict(
        reason=f"The request for {', '.join(instance_uuids)} was withdrawn while volumes were "
        "being reserved for it."
    )


def get(connection: session.Connection, instance_uuid: str) -> objects.BuildRequest | None:
    """One build request, or None."""
    row = connection.execute(_joined().where(_table.c.instance_uuid == instance_uuid)).first()
    return _from_row(row) if row else None


def list_for_project(
    connection: session.Connection, project_id: str | None
) -> list[objects.BuildRequest]:
    """The build requests of a project (None: of all), newest first."""
    query = _joined().order_by(_table.c.created_at.desc())
    if project_id is not None:
        query = query.where(_table.c.project_id == project_id)
    return [_from_row(row) for row in connection.execute(query)]


def claim(
    connection: session.Connection,
    instance_uuids: collections.abc.Sequence[str],
    owner: str,
) -> bool:
    """A conductor takes build requests nobody works on.

    :returns: whether it got all of them; if not, look which by :func:`owned`.
    """
    result = connection.execute(
        _table.update()
        .where(_table.c.instance_uuid.in_(instance_uuids), _table.c.owner.is_(None))
        .values(owner=owner, attempt=_table.c.attempt + 1, heartbeat_at=timeutils.utcnow())
    )
    return result.rowcount == len(instance_uuids)


def owned(
    connection: session.Connection,
    instance_uuids: collections.abc.Sequence[str],
    owner: str,
) -> set[str]:
    """Which of the servers ``owner`` is to build."""
    rows = connection.execute(
        sa.select(_table.c.instance_uuid).where(
            _table.c.instance_uuid.in_(instance_uuids), _table.c.owner == owner
        )
    )
    return {row.instance_uuid for row in rows}


def take_over(
    connection: session.Connection,
    instance_uuid: str,
    seen_owner: str | None,
    owner: str | None,
    silent_since: datetime.datetime,
) -> bool:
    """Take a build request whose owner is silent; False if somebody else did."""
    result = connection.execute(
        _table.update()
        .where(
            _table.c.instance_uuid == instance_uuid,
            _table.c.owner.is_not_distinct_from(seen_owner),
            _table.c.heartbeat_at < silent_since,
        )
        .values(owner=owner, heartbeat_at=timeutils.utcnow())
    )
    return result.rowcount == 1


class Silent(typing.NamedTuple):
    """A build request that nobody has worked on for a while."""

    request: objects.BuildRequest
    context: context.RequestContext
    owner: str | None
    attempt: int


def silent(connection: session.Connection, since: datetime.datetime) -> list[Silent]:
    """Build requests without a sign of life since a time."""
    rows = connection.execute(_joined().where(_table.c.heartbeat_at < since))
    return [
        Silent(
            _from_row(row),
            context.RequestContext.from_dict(row.context),
            row.owner,
            row.attempt,
        )
        for row in rows
    ]


def complete(
    connection: session.Connection,
    instance_uuids: collections.abc.Sequence[str],
    cell_id: int,
) -> set[str]:
    """The servers are in a cell now: forget the build requests.

    :returns: those whose user has deleted them meanwhile.
    """
    connection.execute(
        _mappings.update()
        .where(_mappings.c.instance_uuid.in_(instance_uuids))
        .values(cell_id=cell_id)
    )
    result = connection.execute(
        _table.delete().where(
            _table.c.instance_uuid.in_(instance_uuids),
            _table.c.owner.is_distinct_from(WITHDRAWN_OWNER),
        )
    )
    if result.rowcount == len(instance_uuids):
        return set()
    mapped = sa.select(_mappings.c.instance_uuid).where(
        _mappings.c.instance_uuid.in_(instance_uuids)
    )
    kept = sa.select(_table.c.instance_uuid).where(_table.c.instance_uuid.in_(instance_uuids))
    known = {row.instance_uuid for row in connection.execute(mapped)}
    being_withdrawn = {row.instance_uuid for row in connection.execute(kept)}
    return set(instance_uuids) - (known - being_withdrawn)


class Withdrawn(typing.NamedTuple):
    """A build request that is taken back."""

    request: objects.BuildRequest
    is_ours: bool
    """Whether who asked takes it back. If not, others do: whoever prepares it, and alone
    knows what is held for it by then, or who has withdrawn it before."""


def withdraw(connection: session.Connection, instance_uuid: str) -> Withdrawn | None:
    """The API takes a wish back: nobody builds it any more, and when what is
    reserved for it is released, :func:`delete` follows. If whose that is dies between
    the two, the reaper does the rest.

    :returns: None if there is no build request (any more).
    """
    is_it = _table.c.instance_uuid == instance_uuid
    row = connection.execute(sa.select(_table.c.owner).where(is_it).with_for_update()).first()
    if row is None:
        return None
    if row.owner != WITHDRAWN_OWNER:
        connection.execute(
            _table.update()
            .where(is_it)
            .values(owner=WITHDRAWN_OWNER, heartbeat_at=timeutils.utcnow())
        )
    request = _from_row(connection.execute(_joined().where(is_it)).one())
    return Withdrawn(request, row.owner not in (API_OWNER, WITHDRAWN_OWNER))


def delete(connection: session.Connection, instance_uuid: str) -> bool:
    """Withdraw the wish: build request, mapping and spec go.

    :returns: False if there was no build request any more; nothing is changed then.
    """
    result = connection.execute(_table.delete().where(_table.c.instance_uuid == instance_uuid))
    if result.rowcount == 0:
        return False
    forget(connection, instance_uuid)
    return True


def forget(connection: session.Connection, instance_uuid: str) -> None:
    """Remove what the API database knows of a server that is gone."""
    for table in (_mappings, _specs):
        connection.execute(table.delete().where(table.c.instance_uuid == instance_uuid))


def get_spec(connection: session.Connection, instance_uuid: str) -> objects.RequestSpec | None:
    """The request spec a server was built with, or None."""
    row = connection.execute(
        sa.select(_specs.c.spec).where(_specs.c.instance_uuid == instance_uuid)
    ).first()
    return wire.from_json(row.spec) if row else None


def _joined() -> sa.Select[typing.Any]:
    return sa.select(_table, _specs.c.spec).join(
        _specs, _specs.c.instance_uuid == _table.c.instance_uuid
    )


def _from_row(row: sa.Row[typing.Any]) -> objects.BuildRequest:
    return objects.BuildRequest(
        instance_uuid=row.instance_uuid,
        operation_id=row.operation_id,
        instance=wire.from_json(row.instance),
        block_devices=wire.from_json(row.block_devices),
        request_spec=wire.from_json(row.spec),
    )
