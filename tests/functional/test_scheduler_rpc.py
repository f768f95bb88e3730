"""The scheduler asked over RPC, on the in-memory transport."""

import collections.abc

import pytest

from nova_lite import context
from nova_lite import exceptions
from nova_lite.db import session
from nova_lite.db.queries import services
from nova_lite.rpc import scheduler as scheduler_rpc
from nova_lite.rpc import transport
from nova_lite.scheduler import service
from tests.fixtures import databases
from tests.fixtures import hosts


@pytest.fixture
def database() -> collections.abc.Iterator[session.Database]:
    with databases.fresh_url("sqlite") as url:
        database = databases.database_at(url)
        databases.create_tables(database)
        yield database
        database.dispose()


@pytest.fixture
def client(database: session.Database) -> collections.abc.Iterator[scheduler_rpc.SchedulerClient]:
    conf = databases.conf_of("sqlite://", rpc__response_timeout_s=20)
    transport.set_default_url(conf, "fake://")
    bus = transport.Transport(conf)
    part = service.SchedulerService(conf, database, bus)
    part.start()
    yield scheduler_rpc.SchedulerClient(bus)
    part.stop()
    bus.close()


def test_an_answer(client: scheduler_rpc.SchedulerClient, database: session.Database) -> None:
    for host in ("a", "b"):
        hosts.add_host(database, host)
    answer = client.select_destinations(
        context.admin_context(), [hosts.spec(), hosts.spec()], alternates=2
    )
    assert [{selection.host for selection in selections} for selections in answer] == [
        {"a", "b"},
        {"a", "b"},
    ]


def test_verdicts_cross_the_process_border(
    client: scheduler_rpc.SchedulerClient, database: session.Database
) -> None:
    hosts.add_host(database, "secret", memory_mib=512)
    with pytest.raises(exceptions.NoValidHost) as caught:
        client.select_destinations(context.admin_context(), [hosts.spec()], alternates=2)
    assert caught.value.message == (
        "No valid host was found. 1 host was considered: resources refused 1 (memory)."
    )
    assert caught.value.facts["verdicts"] == [
        {"host": "secret", "rule": "resources", "reason": "memory: 1024 MiB wanted, 512 free"}
    ]


def test_the_scheduler_is_listed(
    client: scheduler_rpc.SchedulerClient, database: session.Database
) -> None:
    with database.api.read() as connection:
        [reported] = services.list_all(connection)
    assert reported.binary == "nova-scheduler"
