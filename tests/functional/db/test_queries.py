"""The queries that lean on a dialect, on SQLite, MariaDB and PostgreSQL."""

import concurrent.futures
import datetime
import threading
import typing

import pytest
import sqlalchemy as sa
from oslo_utils import timeutils

from nova_lite import objects
from nova_lite.db import session
from nova_lite.db.models import api
from nova_lite.db.models import cell
from nova_lite.db.queries import cells
from nova_lite.db.queries import listing
from nova_lite.db.queries import purge
from nova_lite.db.queries import services
from nova_lite.db.queries import upsert
from tests.fixtures import databases
from tests.fixtures import hosts
from tests.fixtures import servers

THREADS = 8


def at_once(url: str, work: typing.Callable[[session.Database], typing.Any]) -> list[typing.Any]:
    """Run ``work`` with a database of its own in each of several threads."""
    together = threading.Barrier(THREADS)

    def run(_number: int) -> typing.Any:
        own = databases.database_at(url)
        try:
            together.wait(60)
            return work(own)
        finally:
            own.dispose()

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def count(database: session.Database, table: sa.Table) -> int:
    scope = database.api if table.metadata is api.metadata else database.cell
    with scope.read() as connection:
        found = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar()
        assert found is not None
        return found


def test_first_heartbeats_at_once_make_one_service(url: str, database: session.Database) -> None:
    def report(own: session.Database) -> str:
        with own.api.read() as connection:
            service = objects.Service(host="a", binary="nova-compute")
            return str(services.report(connection, service).uuid)

    assert len(set(at_once(url, report))) == 1
    assert count(database, api.services) == 1


def test_first_inventories_at_once_make_one_node(url: str, database: session.Database) -> None:
    """Even when the host does not know its uuid yet."""

    def report(own: session.Database) -> str:
        with own.api.read() as connection:
            return str(hosts.report(connection, hosts.node("a")).uuid)

    assert len(set(at_once(url, report))) == 1
    assert count(database, api.compute_nodes) == 1
    assert count(database, api.host_mappings) == 1


def test_default_cells_at_once_make_one(url: str, database: session.Database) -> None:
    def ensure(own: session.Database) -> cells.Cell:
        with own.api.read() as connection:
            return cells.ensure_default(connection)

    assert len(set(at_once(url, ensure))) == 1
    assert count(database, api.cell_mappings) == 1


def test_reports_in_a_transaction(database: session.Database) -> None:
    """The race is lost without an error that would spoil the transaction."""
    with database.api.write() as tx:
        cell_id = cells.ensure_default(tx).id
        values = {"uuid": cells.DEFAULT_UUID, "name": cells.DEFAULT_NAME, "disabled": False}
        assert not upsert.insert_if_absent(tx, api.cell_mappings, values)
        upsert.insert_or_update(tx, api.cell_mappings, values, ("name",), {"disabled": True})
        assert cells.list_all(tx) == [
            cells.Cell(cell_id, cells.DEFAULT_UUID, cells.DEFAULT_NAME, disabled=True)
        ]


def test_times_keep_their_microseconds(database: session.Database) -> None:
    with database.api.read() as connection:
        made = services.report(connection, objects.Service(host="a", binary="x"))
        assert services.get(connection, made.uuid).last_seen_up == made.last_seen_up
    assert abs((timeutils.utcnow() - made.last_seen_up).total_seconds()) < 60


@pytest.mark.parametrize("descends", [False, True])
@pytest.mark.parametrize("key", ["launched_at", "host", "task_state"])
def test_pages_reach_every_server(database: session.Database, key: str, descends: bool) -> None:
    """NULL is the smallest on every database, in the order and after the marker."""
    uuids = [servers.add_server(database, deleted=False, terminated_at=None) for _ in range(5)]
    values = {"launched_at": timeutils.utcnow(), "host": "a", "task_state": "deleting"}
    for uuid in uuids[::2]:
        with database.cell.write() as tx:
            tx.execute(cell.instances.update().where(cell.instances.c.uuid == uuid).values(values))
    order = listing.Order(((key, descends),))
    walked: list[listing.Server] = []
    with database.cell.read() as tx:
        whole = listing.list_page(tx, [], order, limit=10)
        for _ in uuids:
            marker = walked[-1].uuid if walked else None
            walked += listing.list_page(tx, [], order, limit=1, marker=marker)
    assert [server.uuid for server in walked] == [server.uuid for server in whole]
    assert {server.uuid for server in walked} == set(uuids)
    has_value = [getattr(server, key) is not None for server in whole]
    assert has_value == sorted(has_value, reverse=descends)


@pytest.mark.parametrize("descends", [False, True])
@pytest.mark.parametrize("key", ["display_name", "display_description"])
def test_texts_are_in_the_order_of_their_code_points(
    database: session.Database, key: str, descends: bool
) -> None:
    """In that of Python, which puts what is only asked for among what is in the cell;
    a marker may be of either."""
    if database.cell.url.get_backend_name() == "postgresql":
        # The database of the tests may be in the order of the code points itself.
        with database.cell.write() as tx:
            of_people = f'ALTER COLUMN {key} TYPE varchar(255) COLLATE "und-x-icu"'
            tx.execute(sa.text(f"ALTER TABLE instances {of_people}"))
    texts = ("a", "B", "c", "D", "Ä", "", "a ", "a\t", "é", "€", "B", "b")
    for text in texts:
        uuid = servers.add_server(database, deleted=False, terminated_at=None)
        with database.cell.write() as tx:
            tx.execute(
                cell.instances.update().where(cell.instances.c.uuid == uuid).values({key: text})
            )
    order = listing.Order(((key, descends),))
    with database.cell.read() as tx:
        whole = listing.list_page(tx, [], order, limit=20)
        assert whole == order.sort(list(whole))
        assert [getattr(server, key) for server in whole] == sorted(texts, reverse=descends)
        for number, server in enumerate(whole):
            rest = whole[number + 1 :]
            for marker in (server, server.uuid):
                assert listing.list_page(tx, [], order, limit=20, marker=marker) == rest


def test_purge_waits_for_hosts_that_were_not_up_since(database: session.Database) -> None:
    old, new = datetime.datetime(2026, 5, 30), datetime.datetime(2026, 5, 31)
    before = datetime.datetime(2026, 6, 1)
    gone = [
        servers.add_server(database, deleted=True, terminated_at=at, host=host)
        for at, host in ((old, "a"), (new, "b"), (new, None))
    ]
    servers.add_server(database, deleted=True, terminated_at=new, host="a")
    servers.add_server(database, deleted=True, terminated_at=before, host="a")
    servers.add_server(database, deleted=False, terminated_at=None, host="a")
    swept_until = {"a": new, "c": old}
    with database.cell.read() as connection:
        assert purge.deleted_servers(connection, before, 10, swept_until) == gone
        assert purge.awaited(connection, before, swept_until) == {"a": 1}
        assert len(purge.deleted_servers(connection, before, 10, {})) == 4
        assert purge.awaited(connection, before, {}) == {}


def test_hosts_that_were_up_long_enough_are_not_waited_for(database: session.Database) -> None:
    before = datetime.datetime(2026, 6, 1)
    minute = datetime.timedelta(minutes=1)
    for host, seen in (("a", before), ("b", before + minute), ("c", None)):
        hosts.add_host(database, host)
        with database.api.write() as connection:
            connection.execute(
                sa.update(api.services)
                .where(api.services.c.host == host)
                .values(last_seen_up=seen)
            )
    with database.api.read() as connection:
        services.report(connection, objects.Service(host="d", binary="nova-conductor"))
        found = purge.swept_until(connection, before, minute)
    assert found == {"a": before - minute, "c": datetime.datetime(1970, 1, 1)}


def test_purge_removes_deleted_servers_and_nothing_else(database: session.Database) -> None:
    before = datetime.datetime(2026, 6, 1)
    old, new = datetime.datetime(2026, 5, 31), datetime.datetime(2026, 6, 1)
    gone = servers.add_server(database, deleted=True, terminated_at=old)
    servers.add_server(database, deleted=True, terminated_at=new)
    servers.add_server(database, deleted=False, terminated_at=None)
    with database.cell.read() as connection:
        found = purge.deleted_servers(connection, before, 10, {})
    assert found == [gone]
    database.api.transact(purge.purge_request_specs, found)
    database.cell.transact(purge.purge_servers, found)
    tables = [*cell.metadata.sorted_tables, api.request_specs]
    assert {table.name: count(database, table) for table in tables} == {
        table.name: 2 for table in tables
    }
