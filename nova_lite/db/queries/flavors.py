"""Flavors, their extra specs and who may use private ones."""

import collections.abc
import typing

import sqlalchemy as sa
from oslo_utils import timeutils

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.db import session
from nova_lite.db.models import api

TABLE = api.flavors
ACCESS = api.flavor_projects

_FIELDS = tuple(objects.Flavor.fields)
_COLUMNS = [TABLE.c[name] for name in _FIELDS]

SORT_COLUMNS = {
    "created_at": TABLE.c.created_at,
    "description": TABLE.c.description,
    "disabled": TABLE.c.disabled,
    "ephemeral_gb": TABLE.c.ephemeral_gib,
    "flavorid": TABLE.c.flavorid,
    "id": TABLE.c.id,
    "is_public": TABLE.c.is_public,
    "memory_mb": TABLE.c.memory_mib,
    "name": TABLE.c.name,
    "root_gb": TABLE.c.root_gib,
    "rxtx_factor": TABLE.c.rxtx_factor,
    "swap": TABLE.c.swap_mib,
    "updated_at": TABLE.c.updated_at,
    "vcpu_weight": TABLE.c.id,
    "vcpus": TABLE.c.vcpus,
}


class FlavorExists(exceptions.Conflict):
    """Another flavor has that name or id."""

    template = "Flavor with {attribute} {value} already exists."


class FlavorAccessExists(exceptions.Conflict):
    """The project may use the flavor already."""

    template = (
        "Flavor access already exists for flavor {flavor_id} and project {project_id} combination."
    )


class FlavorAccessNotFound(exceptions.NotFound):
    """The project may not use the flavor anyway."""

    template = "Flavor access not found for {flavor_id} / {project_id} combination."


class FlavorExtraSpecNotFound(exceptions.NotFound):
    """The flavor has no such extra spec."""

    template = "Flavor {flavor_id} has no extra specs with key {key}."


def _visible_to(project_id: str | None) -> sa.ColumnElement[bool]:
    """Public flavors and those the project was given."""
    given = sa.select(ACCESS.c.flavor_id).where(ACCESS.c.project_id == project_id)
    return TABLE.c.is_public | TABLE.c.id.in_(given)


def _flavor(row: sa.Row[typing.Any]) -> objects.Flavor:
    return objects.Flavor(**row._mapping)


def get(
    tx: session.Connection, flavor_id: str, *, project_id: str | None = None
) -> objects.Flavor:
    """The flavor with ``flavorid``.

    :param project_id: only if this project may see it; None sees all.
    :raises exceptions.FlavorNotFound: there is none.
    """
    query = sa.select(*_COLUMNS).where(TABLE.c.flavorid == flavor_id)
    if project_id is not None:
        query = query.where(_visible_to(project_id))
    row = tx.execute(query).one_or_none()
    if row is None:
        raise exceptions.FlavorNotFound(flavor_id=flavor_id)
    return _flavor(row)


def list_page(
    tx: session.Connection,
    *,
    project_id: str | None = None,
    is_public: bool | None = None,
    min_disk_gib: int = 0,
    min_ram_mib: int = 0,
    sort_key: str = "flavorid",
    sort_descending: bool = False,
    marker: str | None = None,
    limit: int | None = None,
) -> list[objects.Flavor]:
    """Flavors in order.

    :param project_id: only those this project may see; None sees all.
    :param marker: flavorid after which the page starts.
    :raises exceptions.FlavorNotFound: the marker's flavor does not exist.
    """
    query = sa.select(*_COLUMNS).where(
        TABLE.c.root_gib >= min_disk_gib, TABLE.c.memory_mib >= min_ram_mib
    )
    if project_id is not None:
        query = query.where(_visible_to(project_id))
    if is_public is not None:
        query = query.where(TABLE.c.is_public == is_public)
    columns = [SORT_COLUMNS[sort_key], TABLE.c.id]
    order = [column.desc() if sort_descending else column.asc() for column in columns]
    flavors = [_flavor(row) for row in tx.execute(query.order_by(*order))]
    if marker is not None:
        ids = [flavor.flavorid for flavor in flavors]
        if marker not in ids:
            raise exceptions.FlavorNotFound(flavor_id=marker)
        flavors = flavors[ids.index(marker) + 1 :]
    return flavors[:limit]


def create(tx: session.Connection, flavor: objects.Flavor) -> objects.Flavor:
    """Add a flavor.

    :raises FlavorExists: its name or flavorid is taken.
    """
    for attribute, column in (("name", TABLE.c.name), ("ID", TABLE.c.flavorid)):
        value = flavor.name if attribute == "name" else flavor.flavorid
        if tx.execute(sa.select(TABLE.c.id).where(column == value)).first():
            raise FlavorExists(attribute=attribute, value=value)
    values = {name: getattr(flavor, name) for name in _FIELDS if name != "id"}
    result = tx.execute(sa.insert(TABLE).values(**values, created_at=timeutils.utcnow()))
    flavor.id = result.inserted_primary_key[0] if result.inserted_primary_key else None
    return flavor


def update_description(tx: session.Connection, flavor_id: str, description: str | None) -> None:
    """Set the one thing of a flavor that may change."""
    tx.execute(
        sa.update(TABLE)
        .where(TABLE.c.flavorid == flavor_id)
        .values(description=description, updated_at=timeutils.utcnow())
    )


def set_extra_specs(
    tx: session.Connection, flavor_id: str, extra_specs: collections.abc.Mapping[str, str]
) -> None:
    """Replace all extra specs."""
    tx.execute(
        sa.update(TABLE)
        .where(TABLE.c.flavorid == flavor_id)
        .values(extra_specs=dict(extra_specs), updated_at=timeutils.utcnow())
    )


def delete(tx: session.Connection, flavor_id: str) -> None:
    """Remove a flavor; servers keep their copy.

    :raises exceptions.FlavorNotFound: there is none.
    """
    row = tx.execute(sa.select(TABLE.c.id).where(TABLE.c.flavorid == flavor_id)).one_or_none()
    if row is None:
        raise exceptions.FlavorNotFound(flavor_id=flavor_id)
    tx.execute(sa.delete(ACCESS).where(ACCESS.c.flavor_id == row.id))
    tx.execute(sa.delete(TABLE).where(TABLE.c.id == row.id))


def list_access(tx: session.Connection, flavor: objects.Flavor) -> list[str]:
    """The projects that were given a private flavor."""
    query = sa.select(ACCESS.c.project_id).where(ACCESS.c.flavor_id == flavor.id)
    return list(tx.scalars(query.order_by(ACCESS.c.project_id)))


def add_access(tx: session.Connection, flavor: objects.Flavor, project_id: str) -> None:
    """Give a private flavor to a project.

    :raises FlavorAccessExists: it has it.
    """
    if project_id in list_access(tx, flavor):
        raise FlavorAccessExists(flavor_id=flavor.flavorid, project_id=project_id)
    tx.execute(sa.insert(ACCESS).values(flavor_id=flavor.id, project_id=project_id))


def remove_access(tx: session.Connection, flavor: objects.Flavor, project_id: str) -> None:
    """Take a private flavor from a project.

    :raises FlavorAccessNotFound: it did not have it.
    """
    result = tx.execute(
        sa.delete(ACCESS).where(ACCESS.c.flavor_id == flavor.id, ACCESS.c.project_id == project_id)
    )
    if result.rowcount == 0:
        raise FlavorAccessNotFound(flavor_id=flavor.flavorid, project_id=project_id)
