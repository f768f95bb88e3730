"""The allocation ledger under competition, on SQLite, MariaDB and PostgreSQL."""

import collections.abc
import concurrent.futures
import multiprocessing
import threading

import pytest
import sqlalchemy as sa

from nova_lite import context
from nova_lite import exceptions
from nova_lite.db import session
from nova_lite.db.models import api
from nova_lite.db.queries import allocations
from nova_lite.db.queries import nodes
from nova_lite.scheduler import manager
from nova_lite.scheduler.allocations import local
from nova_lite.scheduler.allocations import Resources
from tests.fixtures import databases
from tests.fixtures import hosts
from tests.fixtures import servers

SMALL = Resources(vcpus=1, memory_mib=1024, disk_gib=10)
PROCESSES = 4
THREADS = 25


@pytest.fixture(params=databases.BACKENDS)
def url(request: pytest.FixtureRequest) -> collections.abc.Iterator[str]:
    with databases.fresh_url(request.param) as fresh:
        yield fresh


@pytest.fixture
def database(url: str) -> collections.abc.Iterator[session.Database]:
    database = databases.database_at(url)
    databases.create_tables(database)
    yield database
    database.dispose()


def in_threads(count: int, work: collections.abc.Callable[[], bool]) -> int:
    """Run ``work`` in so many threads at the same moment; how many succeeded."""
    together = threading.Barrier(count)

    def run(_number: int) -> bool:
        together.wait(60)
        return work()

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return sum(pool.map(run, range(count)))


def in_processes(function: collections.abc.Callable[..., int], *args: object) -> int:
    """Run ``function`` in :data:`PROCESSES` processes; the sum of their answers."""
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(PROCESSES, mp_context=spawn) as pool:
        futures = [pool.submit(function, *args) for _ in range(PROCESSES)]
        return sum(future.result(120) for future in futures)


def claim_in_threads(url: str, node_uuid: str) -> int:
    def claim() -> bool:
        # A database a thread: its turns on SQLite are made for green threads.
        database = databases.database_at(url)
        try:
            return local.LocalLedger(database).claim(hosts.new_uuid(), node_uuid, SMALL)
        finally:
            database.dispose()

    return in_threads(THREADS, claim)


def schedule_in_threads(url: str) -> int:
    def schedule() -> bool:
        database = databases.database_at(url)
        scheduler = manager.SchedulerManager(databases.conf_of(url), database)
        try:
            scheduler.select_destinations(context.admin_context(), [hosts.spec()], 2)
        except exceptions.NoValidHost:
            return False
        finally:
            database.dispose()
        return True

    return in_threads(THREADS, schedule)


def used(database: session.Database) -> dict[str, Resources]:
    with database.api.read() as connection:
        return {
            node.host: Resources(node.vcpus_used, node.memory_mib_used, node.disk_gib_used)
            for node in nodes.list_all(connection)
        }


def drifts(database: session.Database) -> tuple[allocations.Drift, ...]:
    with database.api.read() as connection:
        return allocations.audit(connection).drifts


def test_a_hundred_claims_against_room_for_ten_give_ten(
    url: str, database: session.Database
) -> None:
    node = hosts.add_host(database)
    assert in_processes(claim_in_threads, url, node.uuid) == 10
    assert used(database) == {"host-a": Resources(10, 10240, 100)}
    assert drifts(database) == ()


def test_parallel_schedulers_never_oversell(url: str, database: session.Database) -> None:
    """A hundred requests by four processes, room for ten on three hosts."""
    room = {"host-a": 5, "host-b": 3, "host-c": 2}
    for host, vcpus in room.items():
        hosts.add_host(database, host, vcpus=vcpus)
    assert in_processes(schedule_in_threads, url) == 10
    assert {host: taken.vcpus for host, taken in used(database).items()} == room
    assert drifts(database) == ()


def test_one_consumer_claiming_at_once_in_many_threads_counts_once(
    url: str, database: session.Database
) -> None:
    node = hosts.add_host(database)
    consumer = hosts.new_uuid()

    def claim() -> bool:
        own = databases.database_at(url)
        try:
            return local.LocalLedger(own).claim(consumer, node.uuid, SMALL)
        finally:
            own.dispose()

    assert in_threads(10, claim) == 10
    assert used(database) == {"host-a": SMALL}
    assert drifts(database) == ()


def test_claims_and_releases_at_once_end_at_nothing(url: str, database: session.Database) -> None:
    """Consumers take and give back on two hosts in opposite orders: deadlocks,
    if there are any, are not the caller's problem."""
    pair = [hosts.add_host(database, host, vcpus=100).uuid for host in ("host-a", "host-b")]
    turns = iter(range(1000))

    def take_and_give() -> bool:
        own = databases.database_at(url)
        ledger = local.LocalLedger(own)
        try:
            for _ in range(5):
                consumer = hosts.new_uuid()
                for node_uuid in pair if next(turns) % 2 else reversed(pair):
                    ledger.claim(consumer, node_uuid, Resources(vcpus=1))
                ledger.release(consumer)
        finally:
            own.dispose()
        return True

    assert in_threads(10, take_and_give) == 10
    assert set(used(database).values()) == {Resources()}
    assert drifts(database) == ()


def test_parallel_releases_give_back_once(url: str, database: session.Database) -> None:
    node = hosts.add_host(database)
    ledger = local.LocalLedger(database)
    keeper, leaver = hosts.new_uuid(), hosts.new_uuid()
    for consumer in (keeper, leaver):
        assert ledger.claim(consumer, node.uuid, SMALL)

    def release() -> bool:
        own = databases.database_at(url)
        try:
            local.LocalLedger(own).release(leaver)
        finally:
            own.dispose()
        return True

    in_threads(10, release)
    assert used(database) == {"host-a": SMALL}


def test_a_claim_that_does_not_fit_leaves_no_trace(database: session.Database) -> None:
    node = hosts.add_host(database, memory_mib=1000)
    assert not local.LocalLedger(database).claim(hosts.new_uuid(), node.uuid, SMALL)
    assert used(database) == {"host-a": Resources()}
    assert drifts(database) == ()
    with database.api.read() as connection:
        count = connection.execute(sa.select(sa.func.count()).select_from(api.allocations))
        assert count.scalar() == 0


@pytest.mark.parametrize(("ratio", "fits"), [(0.9, 9), (1.1, 11), (1.5, 15), (0.7, 7)])
def test_the_database_counts_capacity_as_python_does(
    database: session.Database, ratio: float, fits: int
) -> None:
    """Ten cores at a ratio: the filter and the claim agree on the last one."""
    node = hosts.add_host(database, vcpus=10, vcpus_ratio=ratio)
    ledger = local.LocalLedger(database)
    assert ledger.claim(hosts.new_uuid(), node.uuid, Resources(vcpus=fits))
    assert not ledger.claim(hosts.new_uuid(), node.uuid, Resources(vcpus=1))


def test_audit_and_repair(database: session.Database) -> None:
    node = hosts.add_host(database)
    ledger = local.LocalLedger(database)
    orphan = hosts.new_uuid()
    assert ledger.claim(orphan, node.uuid, SMALL)
    with database.api.write() as tx:
        tx.execute(sa.update(api.compute_nodes).values(vcpus_used=7))
        found = allocations.audit(tx)
    assert found.drifts == (allocations.Drift(node.uuid, "host-a", "vcpus", 7, 1),)
    assert found.orphans == (allocations.Orphan(orphan, node.uuid, "no such server"),)
    assert database.api.transact(allocations.repair) == found
    assert used(database) == {"host-a": Resources()}
    with database.api.read() as connection:
        assert allocations.audit(connection) == allocations.Audit((), ())


def test_repair_while_servers_come_and_go(url: str, database: session.Database) -> None:
    """What is under way is counted once, before or after."""
    node = hosts.add_host(database, vcpus=100)
    consumers = [hosts.new_uuid() for _ in range(8)]
    with database.api.write() as tx:
        for consumer in consumers:
            servers.add_mapping(tx, consumer)
    unused = iter(consumers)

    def come_and_go() -> bool:
        own = databases.database_at(url)
        ledger, consumer = local.LocalLedger(own), next(unused)
        try:
            for _ in range(10):
                ledger.claim(consumer, node.uuid, Resources(vcpus=1))
                ledger.release(consumer)
            ledger.claim(consumer, node.uuid, Resources(vcpus=1))
        finally:
            own.dispose()
        return True

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        workers = pool.submit(in_threads, len(consumers), come_and_go)
        while not workers.done():
            assert database.api.transact(allocations.repair) == allocations.Audit((), ())
        assert workers.result() == len(consumers)
    assert used(database) == {"host-a": Resources(vcpus=8)}
    assert drifts(database) == ()
