import datetime

import pytest
import sqlalchemy as sa
from oslo_utils import timeutils

from nova_lite import exceptions
from nova_lite.db import session
from nova_lite.db.models import api
from nova_lite.db.queries import allocations
from nova_lite.db.queries import nodes
from tests.fixtures import hosts
from tests.fixtures import statements


def test_the_first_report_creates(database: session.Database) -> None:
    inventory = hosts.node("a", cpu_info={"model": "x"}, host_ip="192.0.2.1", vcpus_used=5)
    with database.api.write() as tx:
        made = hosts.report(tx, inventory)
        assert nodes.get(tx, inventory.uuid) == made
    assert (made.cpu_info, made.host_ip, made.vcpus) == ({"model": "x"}, "192.0.2.1", 10)
    # What is used is not the host's to say.
    assert made.vcpus_used == 0
    assert made.updated_at.tzinfo is None


def test_an_unchanged_inventory_is_not_written(database: session.Database) -> None:
    inventory = hosts.node("a", cpu_info={"features": ["b", "a"]}, memory_mib_ratio=1.1)
    with database.api.read() as connection:
        made = hosts.report(connection, inventory)
        with statements.counted(database.api) as said:
            assert hosts.report(connection, inventory) == made
    assert said == ["SELECT"]


def test_a_changed_inventory_keeps_what_is_used(database: session.Database) -> None:
    inventory = hosts.node("a")
    with database.api.write() as tx:
        made = hosts.report(tx, inventory)
        allocations.claim(tx, hosts.new_uuid(), made.uuid, allocations.Resources(1, 1024, 10))
        inventory.memory_mib = 20480
        changed = hosts.report(tx, inventory)
        assert nodes.get(tx, made.uuid) == changed
    assert (changed.memory_mib, changed.memory_mib_used, changed.running_vms) == (20480, 1024, 1)
    assert changed.updated_at > made.updated_at


def test_a_host_that_lost_its_uuid_gets_it_back(database: session.Database) -> None:
    """Else its capacity would be sold twice."""
    with database.api.write() as tx:
        made = hosts.report(tx, hosts.node("a"))
        again = hosts.report(tx, hosts.node("a", vcpus=12))
        assert len(nodes.list_all(tx)) == 1
    assert (again.uuid, again.vcpus) == (made.uuid, 12)


def test_a_host_may_be_renamed(database: session.Database) -> None:
    inventory = hosts.node("a")
    with database.api.write() as tx:
        made = hosts.report(tx, inventory)
        inventory.host = "b"
        renamed = hosts.report(tx, inventory)
        assert [(node.uuid, node.host) for node in nodes.list_all(tx)] == [(made.uuid, "b")]
    assert renamed.host == "b"


@pytest.mark.parametrize("silent_s", [0, 59, 61])
def test_a_host_with_the_identity_of_one_that_lives_is_refused(
    database: session.Database, silent_s: int
) -> None:
    """A copy of its disk: the two would share a row, and the room in it."""
    made = hosts.add_host(database, "a")
    seen = timeutils.utcnow() - datetime.timedelta(seconds=silent_s)
    twin = hosts.node("b", uuid=made.uuid)
    with database.api.write() as tx:
        tx.execute(sa.update(api.services).values(last_seen_up=seen))
        if silent_s > hosts.DOWN_TIME_S:
            assert hosts.report(tx, twin).host == "b"
        else:
            with pytest.raises(exceptions.Conflict, match=r"of host a, .*compute_id"):
                hosts.report(tx, twin)
            assert nodes.get(tx, made.uuid).host == "a"


def test_a_uuid_and_a_name_of_two_nodes(database: session.Database) -> None:
    """A known uuid decides; the name then belongs to somebody else already."""
    first, second = hosts.node("a"), hosts.node("b")
    with database.api.write() as tx:
        hosts.report(tx, first)
        hosts.report(tx, second)
        first.vcpus = 3
        assert hosts.report(tx, first).uuid == first.uuid
        assert [node.vcpus for node in nodes.list_all(tx)] == [3, 10]


def test_list(database: session.Database) -> None:
    with database.api.write() as tx:
        for host in ("b", "a"):
            hosts.report(tx, hosts.node(host))
        assert [node.host for node in nodes.list_all(tx)] == ["b", "a"]
        assert [node.host for node in nodes.list_all(tx, host="a")] == ["a"]


def test_unknown_node(database: session.Database) -> None:
    with (
        database.api.read() as connection,
        pytest.raises(exceptions.HostNotFound, match="host nobody"),
    ):
        nodes.get(connection, "nobody")
