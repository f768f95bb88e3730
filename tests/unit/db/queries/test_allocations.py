import pytest

from nova_lite import exceptions
from nova_lite.db import session
from nova_lite.db.queries import allocations
from nova_lite.db.queries import nodes
from nova_lite.db.queries.allocations import Resources
from tests.fixtures import hosts
from tests.fixtures import statements

SMALL = Resources(1, 1024, 10)


def used(tx: session.Connection, node_uuid: str) -> Resources:
    node = nodes.get(tx, node_uuid)
    return Resources(node.vcpus_used, node.memory_mib_used, node.disk_gib_used)


def test_arithmetic() -> None:
    assert Resources(1, 2, 3) + Resources(4, 5, 6) == Resources(5, 7, 9)
    assert Resources(5, 7, 9) - Resources(4, 5, 6) == Resources(1, 2, 3)


def test_claim_twice_counts_once(database: session.Database) -> None:
    node, consumer = hosts.add_host(database).uuid, hosts.new_uuid()
    with database.api.write() as tx:
        allocations.claim(tx, consumer, node, SMALL)
        allocations.claim(tx, consumer, node, SMALL)
        assert used(tx, node) == SMALL
        assert allocations.get_for_consumer(tx, consumer) == [
            allocations.Allocation(consumer, node, SMALL)
        ]


def test_claim_again_on_a_full_host_is_still_held(database: session.Database) -> None:
    node, consumer = hosts.add_host(database, vcpus=1).uuid, hosts.new_uuid()
    for _ in range(2):
        database.api.transact(allocations.claim, consumer, node, SMALL)


@pytest.mark.parametrize(
    "wanted", [Resources(11, 1, 1), Resources(1, 10241, 1), Resources(1, 1, 101)]
)
def test_each_resource_can_refuse(database: session.Database, wanted: Resources) -> None:
    node, consumer = hosts.add_host(database).uuid, hosts.new_uuid()
    with pytest.raises(exceptions.ClaimFailed):
        database.api.transact(allocations.claim, consumer, node, wanted)
    with database.api.read() as connection:
        assert used(connection, node) == Resources()
        assert allocations.get_for_consumer(connection, consumer) == []


def test_reserved_is_not_sold(database: session.Database) -> None:
    node = hosts.add_host(database, memory_mib=2048, memory_mib_reserved=1024).uuid
    database.api.transact(allocations.claim, hosts.new_uuid(), node, SMALL)
    with pytest.raises(exceptions.ClaimFailed):
        database.api.transact(allocations.claim, hosts.new_uuid(), node, SMALL)


def test_what_is_not_wanted_cannot_refuse(database: session.Database) -> None:
    """S156: a host that is over its disk takes a server that needs none."""
    node = hosts.add_host(database, disk_gib=5, disk_gib_reserved=10).uuid
    database.api.transact(allocations.claim, hosts.new_uuid(), node, Resources(1, 1024, 0))


def test_claim_on_a_node_that_is_gone(database: session.Database) -> None:
    with pytest.raises(exceptions.ClaimFailed):
        database.api.transact(allocations.claim, hosts.new_uuid(), hosts.new_uuid(), SMALL)


def test_release_gives_back_what_was_held(database: session.Database) -> None:
    first, second = (hosts.add_host(database, host).uuid for host in "ab")
    consumer = hosts.new_uuid()
    with database.api.write() as tx:
        allocations.claim(tx, consumer, first, SMALL)
        allocations.claim(tx, consumer, second, SMALL + SMALL)
        assert allocations.release(tx, consumer, first)
        assert (used(tx, first), used(tx, second)) == (Resources(), SMALL + SMALL)
        assert allocations.release(tx, consumer)
        assert (used(tx, first), used(tx, second)) == (Resources(), Resources())
        assert not allocations.release(tx, consumer)
        assert (used(tx, first), used(tx, second)) == (Resources(), Resources())


def test_release_of_nothing_costs_one_statement(database: session.Database) -> None:
    with database.api.write() as tx, statements.counted(database.api) as said:
        allocations.release(tx, hosts.new_uuid())
    assert said == ["DELETE"]


def test_move(database: session.Database) -> None:
    node, server, migration = hosts.add_host(database).uuid, hosts.new_uuid(), hosts.new_uuid()
    with database.api.write() as tx:
        allocations.claim(tx, server, node, SMALL)
        assert allocations.move(tx, server, migration, node)
        assert not allocations.move(tx, server, migration, node)
        assert used(tx, node) == SMALL
        assert allocations.get_for_consumer(tx, server) == []
        assert [held.node_uuid for held in allocations.get_for_consumer(tx, migration)] == [node]
