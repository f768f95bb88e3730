import random
import typing
from unittest import mock

import pytest
from oslo_serialization import jsonutils

from nova_lite import conf as configuration
from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite.db import session
from nova_lite.db.queries import allocations
from nova_lite.db.queries import nodes
from nova_lite.scheduler import manager
from nova_lite.scheduler.allocations import local
from nova_lite.scheduler.allocations import Resources
from tests.fixtures import hosts
from tests.fixtures import statements


def scheduler(
    database: session.Database, ledger: local.LocalLedger | None = None, **options: typing.Any
) -> manager.SchedulerManager:
    return manager.SchedulerManager(configuration.new(files=[], **options), database, ledger)


def select(
    database: session.Database,
    *specs: objects.RequestSpec,
    alternates: int = 2,
    ledger: local.LocalLedger | None = None,
) -> list[list[str]]:
    answer = scheduler(database, ledger).select_destinations(
        context.admin_context(), list(specs), alternates
    )
    return [[selection.host for selection in selections] for selections in answer]


def servers_on(database: session.Database) -> dict[str, int]:
    with database.api.read() as connection:
        return {node.host: node.vcpus_used for node in nodes.list_all(connection)}


class Rival(local.LocalLedger):
    """A ledger where another request takes these hosts just before us."""

    def __init__(self, database: session.Database, *node_uuids: str) -> None:
        super().__init__(database)
        self._rivals = list(node_uuids)

    def claim(self, consumer_uuid: str, node_uuid: str, resources: Resources) -> bool:
        if node_uuid in self._rivals:
            self._rivals.remove(node_uuid)
            assert super().claim(hosts.new_uuid(), node_uuid, Resources(vcpus=10))
        return super().claim(consumer_uuid, node_uuid, resources)


def test_the_best_host_first_and_alternates_after_it(database: session.Database) -> None:
    """S147: the reply has a host and its alternates for each server."""
    for host, memory in (("small", 2048), ("big", 8192), ("middle", 4096)):
        hosts.add_host(database, host, memory_mib=memory)
    assert select(database, hosts.spec()) == [["big", "middle", "small"]]
    assert select(database, hosts.spec(), alternates=0) == [["big"]]


def test_only_the_first_host_is_claimed(database: session.Database) -> None:
    spec = hosts.spec()
    for host in ("a", "b", "c"):
        hosts.add_host(database, host)
    [[first, *_others]] = select(database, spec)
    assert servers_on(database) == {host: int(host == first) for host in ("a", "b", "c")}


def test_a_selection_says_where(database: session.Database) -> None:
    node = hosts.add_host(database, "a", availability_zone="zone-1")
    [[selection]] = scheduler(database).select_destinations(
        context.admin_context(), [hosts.spec()], 2
    )
    assert selection == objects.Selection(
        host="a", node="a.example.org", node_uuid=node.uuid, availability_zone="zone-1"
    )


def test_servers_of_one_call_see_each_other(database: session.Database) -> None:
    for host in ("a", "b"):
        hosts.add_host(database, host, vcpus=2)
    answer = select(database, *(hosts.spec() for _ in range(4)))
    assert sorted(selections[0] for selections in answer) == ["a", "a", "b", "b"]
    # When the last but one is placed, one of the hosts is full already.
    assert answer[-1][1:] == []


def test_a_lost_claim_takes_the_next_host(database: session.Database) -> None:
    best = hosts.add_host(database, "best", memory_mib=20480)
    hosts.add_host(database, "other")
    assert select(database, hosts.spec(), ledger=Rival(database, best.uuid)) == [["other"]]


def test_all_claims_lost(database: session.Database) -> None:
    both = [hosts.add_host(database, host).uuid for host in ("a", "b")]
    with pytest.raises(exceptions.NoValidHost) as caught:
        select(database, hosts.spec(), ledger=Rival(database, *both))
    assert "2 hosts were considered: claim refused 2 (taken meanwhile)." in str(caught.value)


def test_all_or_nothing(database: session.Database) -> None:
    hosts.add_host(database, "a", vcpus=2)
    with pytest.raises(exceptions.NoValidHost, match="There was room for 2 of 3 servers"):
        select(database, *(hosts.spec() for _ in range(3)))
    assert servers_on(database) == {"a": 0}


def test_an_unexpected_error_gives_back_and_is_not_hidden(database: session.Database) -> None:
    hosts.add_host(database, "a")
    ledger = local.LocalLedger(database)
    claim = ledger.claim
    specs = [hosts.spec(), hosts.spec()]

    def break_down(consumer: str, node_uuid: str, resources: Resources) -> bool:
        claimed = claim(consumer, node_uuid, resources)
        if consumer == specs[1].instance_uuid:  # After it took effect: the worst moment.
            raise ConnectionError("gone")
        return claimed

    with (
        mock.patch.object(ledger, "claim", autospec=True, side_effect=break_down),
        pytest.raises(ConnectionError, match="gone"),
    ):
        select(database, *specs, ledger=ledger)
    assert servers_on(database) == {"a": 0}


def test_an_undo_that_fails_does_not_hide_the_error(
    database: session.Database, caplog: pytest.LogCaptureFixture
) -> None:
    hosts.add_host(database, "a", vcpus=2)
    ledger = local.LocalLedger(database)
    release, specs = ledger.release, [hosts.spec() for _ in range(3)]

    def fail_once(consumer: str, node_uuid: str | None = None) -> None:
        if consumer == specs[0].instance_uuid:
            raise ConnectionError("gone")
        release(consumer, node_uuid)

    with (
        mock.patch.object(ledger, "release", autospec=True, side_effect=fail_once),
        pytest.raises(exceptions.NoValidHost),
    ):
        select(database, *specs, ledger=ledger)
    assert servers_on(database) == {"a": 1}
    assert f"Could not give back what was claimed for {specs[0].instance_uuid}" in caplog.text


def test_a_request_driven_again_counts_once(database: session.Database) -> None:
    for host in ("a", "b"):
        hosts.add_host(database, host)
    spec = hosts.spec()
    for _ in range(5):
        select(database, spec)
    assert sum(servers_on(database).values()) == 1
    with database.api.read() as connection:
        assert len(allocations.get_for_consumer(connection, spec.instance_uuid)) == 1


def test_a_request_driven_again_may_use_its_own_room(database: session.Database) -> None:
    hosts.add_host(database, "a", vcpus=1)
    spec = hosts.spec()
    assert select(database, spec) == [["a"]]
    assert select(database, spec) == [["a"]]


def test_allocations_on_two_hosts_are_both_given_back(database: session.Database) -> None:
    ledger = local.LocalLedger(database)
    spec = hosts.spec()
    for host in ("a", "b"):
        node = hosts.add_host(database, host)
        ledger.claim(spec.instance_uuid, node.uuid, Resources(1, 1024, 10))
    select(database, spec)
    assert sum(servers_on(database).values()) == 1


def test_sql_budget(database: session.Database) -> None:
    """One read, and a transaction of two statements."""
    hosts.add_host(database, "a")
    hosts.add_host(database, "b")
    spec = hosts.spec()
    chooser = scheduler(database)
    with statements.counted(database.api) as said:
        chooser.select_destinations(context.admin_context(), [spec], 2)
    assert said == ["SELECT", "BEGIN", "INSERT", "UPDATE", "COMMIT"]
    with statements.counted(database.api) as said:
        chooser.select_destinations(context.admin_context(), [spec], 2)
    release = ["BEGIN", "DELETE", "UPDATE", "COMMIT"]
    assert said == ["SELECT", *release, "BEGIN", "INSERT", "UPDATE", "COMMIT"]


def test_sql_budget_of_many(database: session.Database) -> None:
    hosts.add_host(database, "a")
    with statements.counted(database.api) as said:
        select(database, *(hosts.spec() for _ in range(5)))
    assert said == ["SELECT"] + 5 * ["BEGIN", "INSERT", "UPDATE", "COMMIT"]


def test_users_learn_counts_and_administrators_hosts(database: session.Database) -> None:
    hosts.add_host(database, "secret-1", memory_mib=512)
    hosts.add_host(database, "secret-2", memory_mib=512)
    with database.api.write() as tx:
        hosts.report(tx, hosts.node("secret-3"))
    with pytest.raises(exceptions.NoValidHost) as caught:
        select(database, hosts.spec())
    error = caught.value
    assert str(error) == (
        "No valid host was found. 3 hosts were considered: "
        "resources refused 2 (memory), service refused 1 (down)."
    )
    assert error.facts["verdicts"] == [
        {
            "host": "secret-1",
            "rule": "resources",
            "reason": "memory: 1024 MiB wanted, 512 free",
        },
        {
            "host": "secret-2",
            "rule": "resources",
            "reason": "memory: 1024 MiB wanted, 512 free",
        },
        {
            "host": "secret-3",
            "rule": "service",
            "reason": "down: no compute service ever reported from here",
        },
    ]
    # What RPC does to it.
    facts = jsonutils.loads(jsonutils.dumps(error.facts))
    again = exceptions.NoValidHost(error.message, **facts)
    assert (str(again), again.facts) == (str(error), error.facts)


def test_no_hosts_at_all(database: session.Database) -> None:
    with pytest.raises(exceptions.NoValidHost, match="No compute host has reported yet"):
        select(database, hosts.spec())


def test_other_services_of_a_host_do_not_count(database: session.Database) -> None:
    """Neither do they double the host, nor does a dead one take it out."""
    from nova_lite.db.queries import services

    hosts.add_host(database, "a")
    with database.api.write() as tx:
        report = objects.Service(host="a", binary="nova-conductor", disabled=True)
        services.report(tx, report)
    assert select(database, hosts.spec()) == [["a"]]


def test_a_subset_is_chosen_at_random(
    database: session.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for host, memory in (("small", 2048), ("big", 8192), ("middle", 4096)):
        hosts.add_host(database, host, memory_mib=memory)
    chooser = scheduler(database, scheduler__host_subset_size=2)
    monkeypatch.setattr(random, "randrange", lambda stop: stop - 1)
    [selections] = chooser.select_destinations(context.admin_context(), [hosts.spec()], 2)
    assert [selection.host for selection in selections] == ["middle", "big", "small"]


def test_equal_hosts_are_not_always_asked_in_the_same_order(database: session.Database) -> None:
    for host in "abcdefgh":
        hosts.add_host(database, host, vcpus=100, memory_mib=102400, disk_gib=1000)
    chooser = scheduler(database)
    orders = set()
    for _ in range(20):
        spec = hosts.spec()
        [selections] = chooser.select_destinations(context.admin_context(), [spec], 7)
        orders.add(selections[0].host)
        chooser.select_destinations(context.admin_context(), [], 0)
        local.LocalLedger(database).release(spec.instance_uuid)
    assert len(orders) > 1


@pytest.mark.parametrize("option", ["enabled_filters", "enabled_weighers"])
def test_an_unknown_rule_is_an_error_at_start(database: session.Database, option: str) -> None:
    with pytest.raises(ValueError, match=rf"\[scheduler\] {option}: there is no .* 'lunar'"):
        scheduler(database, **{f"scheduler__{option}": ["lunar"]})
