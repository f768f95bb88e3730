"""Cells and which host is in which. A milestone has one cell; the mapping is
there so that a second one is a row and not a redesign."""

import dataclasses

import sqlalchemy as sa

from nova_lite.db import session
from nova_lite.db.models import api
from nova_lite.db.queries import upsert

DEFAULT_NAME = "cell1"
# Fixed, so that two first starts at the same time make one cell.
DEFAULT_UUID = "6c6c6531-0000-4000-8000-000000000001"

_CELLS = api.cell_mappings
_HOSTS = api.host_mappings


@dataclasses.dataclass(frozen=True)
class Cell:
    """One cell database."""

    id: int
    uuid: str
    name: str
    disabled: bool


@dataclasses.dataclass(frozen=True)
class HostMapping:
    """A compute host and its cell."""

    host: str
    cell_name: str


def ensure_default(tx: session.Connection) -> Cell:
    """The cell that every deployment has, created when it is not there."""
    cells = list_all(tx)
    if not cells:
        upsert.insert_if_absent(
            tx, _CELLS, {"uuid": DEFAULT_UUID, "name": DEFAULT_NAME, "disabled": False}
        )
        cells = list_all(tx)
    return cells[0]


def list_all(tx: session.Connection) -> list[Cell]:
    """All cells, in the order of their ids."""
    return [Cell(**row._mapping) for row in tx.execute(sa.select(_CELLS).order_by(_CELLS.c.id))]


def map_host(tx: session.Connection, host: str, cell_id: int) -> None:
    """Record that ``host`` is in the cell; a host that is mapped stays."""
    upsert.insert_if_absent(tx, _HOSTS, {"host": host, "cell_id": cell_id})


def list_hosts(tx: session.Connection) -> list[HostMapping]:
    """All mapped hosts, by name."""
    query = (
        sa.select(_HOSTS.c.host, _CELLS.c.name.label("cell_name"))
        .join(_CELLS, _CELLS.c.id == _HOSTS.c.cell_id)
        .order_by(_HOSTS.c.host)
    )
    return [HostMapping(**row._mapping) for row in tx.execute(query)]
