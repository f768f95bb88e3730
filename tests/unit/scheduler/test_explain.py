"""``explain_destinations``: what would be said of each host; nothing is claimed."""

import typing

from nova_lite import conf as configuration
from nova_lite import context
from nova_lite import objects
from nova_lite.db import session
from nova_lite.db.queries import nodes
from nova_lite.scheduler import manager
from nova_lite.scheduler.allocations import local
from nova_lite.scheduler.allocations import Resources
from tests.fixtures import hosts
from tests.fixtures import statements


def explain(
    database: session.Database, spec: objects.RequestSpec, **options: typing.Any
) -> list[tuple[str, str | None]]:
    chooser = manager.SchedulerManager(configuration.new(files=[], **options), database)
    verdicts = chooser.explain_destinations(context.admin_context(), spec)
    assert all(verdict.reason for verdict in verdicts)
    return [(verdict.host, verdict.rule) for verdict in verdicts]


def used(database: session.Database) -> int:
    with database.api.read() as connection:
        return sum(node.vcpus_used for node in nodes.list_all(connection))


def test_suitable_hosts_come_first_and_best_first(database: session.Database) -> None:
    for host, memory in (("small", 2048), ("none", 512), ("big", 8192)):
        hosts.add_host(database, host, memory_mib=memory)
    hosts.add_host(database, "elsewhere", availability_zone="mars")
    found = explain(database, hosts.spec(availability_zone="nova"))
    assert found[:2] == [("big", None), ("small", None)]
    assert sorted(found[2:]) == [("elsewhere", "availability_zone"), ("none", "resources")]


def test_nothing_is_claimed_or_given_back(database: session.Database) -> None:
    """Not even what the server of that id holds."""
    node = hosts.add_host(database, "a")
    spec = hosts.spec()
    local.LocalLedger(database).claim(spec.instance_uuid, node.uuid, Resources(1, 1024, 10))
    with statements.counted(database.api) as said:
        assert explain(database, spec) == [("a", None)]
    assert said == ["SELECT"]
    assert used(database) == 1


def test_it_says_what_a_selection_would_say(database: session.Database) -> None:
    """A host that is refused here is one that a selection does not choose."""
    for host, vcpus in (("a", 1), ("b", 4), ("c", 2)):
        hosts.add_host(database, host, vcpus=vcpus)
    spec = hosts.spec(vcpus=2)
    suitable = {host for host, rule in explain(database, spec) if rule is None}
    chooser = manager.SchedulerManager(configuration.new(files=[]), database)
    [selections] = chooser.select_destinations(context.admin_context(), [spec], 9)
    assert {selection.host for selection in selections} == suitable == {"b", "c"}


def test_no_hosts_no_verdicts(database: session.Database) -> None:
    assert explain(database, hosts.spec()) == []


def test_a_forced_host(database: session.Database) -> None:
    for host in ("a", "b"):
        hosts.add_host(database, host)
    found = dict(explain(database, hosts.spec(force_host="b")))
    assert found["b"] is None
    assert found["a"] is not None
