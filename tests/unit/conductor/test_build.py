"""Two conductors that both believe a build to be theirs."""

import typing
from unittest import mock

import pytest
from oslo_utils import timeutils

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite.conductor import build
from nova_lite.db import session
from nova_lite.db.queries import allocations
from nova_lite.db.queries import build_requests
from nova_lite.db.queries import cells
from nova_lite.db.queries import instances
from nova_lite.rpc import compute as compute_rpc
from nova_lite.rpc import scheduler as scheduler_rpc
from nova_lite.scheduler.allocations import local
from tests.conformance import factories
from tests.fixtures import databases
from tests.fixtures import hosts

CTXT = context.RequestContext(user_id="u", project_id="p", overwrite=False)


class Conductor:
    """A builder whose scheduler puts every server on one host."""

    def __init__(self, database: session.Database, host: str) -> None:
        self.node = hosts.add_host(database, host)
        self.ledger = local.LocalLedger(database)
        self.scheduler = mock.create_autospec(scheduler_rpc.SchedulerClient, instance=True)
        self.scheduler.select_destinations.side_effect = self.select
        self.compute = mock.create_autospec(compute_rpc.ComputeClient, instance=True)
        conf = databases.conf_of("sqlite://", default__host=f"conductor-{host}")
        self.builder = build.Builder(conf, database, self.ledger, self.scheduler, self.compute)

    def select(
        self, _ctxt: object, specs: list[objects.RequestSpec], _alternates: int
    ) -> list[list[objects.Selection]]:
        """As the scheduler: what the server held before is given back."""
        for spec in specs:
            self.ledger.release(spec.instance_uuid)
            room = allocations.Resources(spec.vcpus, spec.memory_mib, spec.disk_gib)
            assert self.ledger.claim(spec.instance_uuid, self.node.uuid, room)
        here = objects.Selection(
            host=self.node.host, node=self.node.hypervisor_hostname, node_uuid=self.node.uuid
        )
        return [[here] for _ in specs]

    def sent(self) -> int:
        """Builds sent to a host."""
        return int(self.compute.build_and_run_instance.call_count)


def wish(database: session.Database) -> objects.BuildRequest:
    server = factories.instance()
    server.task_state, server.created_at = "scheduling", timeutils.utcnow()
    request = objects.BuildRequest(
        instance_uuid=server.uuid,
        operation_id=hosts.new_uuid(),
        instance=server,
        block_devices=objects.BlockDeviceMappingList(),
        request_spec=hosts.spec(instance_uuid=server.uuid),
    )
    with database.api.write() as tx:
        cells.ensure_default(tx)
        build_requests.create(tx, CTXT, [request])
    return request


def again(request: objects.BuildRequest) -> objects.BuildRequest:
    """The same request as the database gives it to another conductor."""
    return typing.cast(objects.BuildRequest, request.obj_clone())


@pytest.mark.parametrize("fails", [False, True], ids=["places it as well", "finds no host"])
def test_the_slower_conductor_yields(database: session.Database, fails: bool) -> None:
    """Found as a build that was written twice when a conductor was silent for
    long in its question to the scheduler."""
    slow, quick = Conductor(database, "a"), Conductor(database, "b")
    request = wish(database)

    def overtaken(*arguments: typing.Any) -> list[list[objects.Selection]]:
        quick.builder._build(CTXT, [again(request)])
        answer = slow.select(*arguments)
        if fails:
            slow.ledger.release(request.instance_uuid)
            raise exceptions.NoValidHost(reason="none")
        return answer

    slow.scheduler.select_destinations.side_effect = overtaken
    slow.builder._build(CTXT, [request])

    assert (slow.sent(), quick.sent()) == (0, 1)
    with database.cell.read() as tx:
        assert instances.get(tx, request.instance_uuid).host == "b"
    with database.api.read() as tx:
        held = allocations.get_for_consumer(tx, request.instance_uuid)
    assert [allocation.node_uuid for allocation in held] == [quick.node.uuid]
