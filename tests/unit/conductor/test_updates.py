"""Tickets: late, doubled and foreign messages change nothing."""

import pytest

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import states
from nova_lite import transitions
from nova_lite.conductor import selection
from nova_lite.conductor import updates
from nova_lite.db import session
from nova_lite.db.queries import allocations
from nova_lite.db.queries import instances
from nova_lite.db.queries import nodes
from nova_lite.db.queries import operations
from nova_lite.db.queries import services
from nova_lite.scheduler.allocations import local
from tests.conformance import factories
from tests.fixtures import databases
from tests.fixtures import hosts

CTXT = context.RequestContext(user_id="u", project_id="p", overwrite=False)
WELL = objects.Outcome(succeeded=True, facts={"power_state": 1})


@pytest.fixture
def writer(database: session.Database) -> updates.Updates:
    return updates.Updates(databases.conf_of("sqlite://"), database, local.LocalLedger(database))


def claimed(database: session.Database, server_uuid: str, host: str) -> objects.Selection:
    """A host with what a server holds of it, as a scheduler answers."""
    node = hosts.add_host(database, host)
    room = allocations.Resources(vcpus=1, memory_mib=1024, disk_gib=10)
    assert local.LocalLedger(database).claim(server_uuid, node.uuid, room)
    return objects.Selection(host=host, node=node.hypervisor_hostname, node_uuid=node.uuid)


@pytest.fixture
def build(database: session.Database) -> objects.Operation:
    """A server that host a is about to build."""
    server = factories.instance()
    arguments = selection.arguments_of([claimed(database, server.uuid, "a")])
    operation = operations.new(CTXT, server.uuid, "create", "a", arguments=arguments)
    server.task_state, server.operation_id = "scheduling", operation.id
    server.host = "a"
    with database.cell.write() as tx:
        instances.insert(tx, [server])
        operations.insert(tx, CTXT, [operation])
    return operation


def server_of(database: session.Database, operation: objects.Operation) -> objects.Instance:
    with database.cell.read() as tx:
        return instances.get(tx, operation.instance_uuid)


def delete(database: session.Database, operation: objects.Operation) -> objects.Operation:
    with database.cell.write() as tx:
        server = instances.get(tx, operation.instance_uuid)
        return operations.start(tx, CTXT, server, transitions.DELETE, owner="a")


def test_a_build_begins_once(writer: updates.Updates, build: objects.Operation) -> None:
    writer.begin(build, "block_device_mapping")
    with pytest.raises(exceptions.OperationSuperseded):
        writer.begin(build, "block_device_mapping")


def test_the_same_end_told_twice(
    writer: updates.Updates, build: objects.Operation, database: session.Database
) -> None:
    writer.begin(build, "block_device_mapping")
    writer.finish(build, WELL)
    writer.finish(build, WELL)
    server = server_of(database, build)
    assert (server.vm_state, server.task_state, server.operation_id) == ("active", None, None)


def test_a_success_after_a_delete_is_refused(
    writer: updates.Updates, build: objects.Operation, database: session.Database
) -> None:
    writer.begin(build, "block_device_mapping")
    delete(database, build)
    with pytest.raises(exceptions.OperationSuperseded):
        writer.finish(build, WELL)
    assert server_of(database, build).task_state == states.TaskState.DELETING


def test_an_old_ticket_is_void(
    writer: updates.Updates, build: objects.Operation, database: session.Database
) -> None:
    renewed = writer.resume(build)
    for late in (
        lambda: writer.begin(build, None),
        lambda: writer.report(build, [], None),
        lambda: writer.finish(build, WELL),
        lambda: writer.finish(build, objects.Outcome(succeeded=False, message="no")),
        lambda: writer.save_block_device(build, objects.BlockDeviceMapping(uuid=build.id)),
        lambda: writer.resume(build),
    ):
        with pytest.raises(exceptions.OperationSuperseded):
            late()
    writer.begin(renewed, None)


@pytest.mark.parametrize("told", [1, 2])
def test_what_a_slow_scheduler_claimed_as_well_is_given_back(
    writer: updates.Updates, build: objects.Operation, database: session.Database, told: int
) -> None:
    """The conductor asked a second time, and built on the host of that answer."""
    writer.begin(build, "block_device_mapping")
    claimed(database, build.instance_uuid, "b")
    for _ in range(told):
        writer.finish(build, WELL)
    with database.api.read() as tx:
        held = allocations.get_for_consumer(tx, build.instance_uuid)
        used = {node.host: node.vcpus_used for node in nodes.list_all(tx)}
    assert [each.node_uuid for each in held] == [build.arguments["host"]["node_uuid"]]
    assert used == {"a": 1, "b": 0}


def test_a_copy_of_a_host_is_no_service(
    writer: updates.Updates, database: session.Database
) -> None:
    """It is told, does not start, and no server is sent to it."""
    node = hosts.add_host(database, "a")
    copy = objects.Service(host="b", binary=services.COMPUTE_BINARY)
    with pytest.raises(exceptions.Conflict):
        writer.service(copy, hosts.node("b", uuid=node.uuid))
    with database.api.read() as tx:
        assert [service.host for service in services.list_all(tx)] == ["a"]
    writer.service(copy, hosts.node("b"))


def test_a_void_ticket_gives_nothing_back(
    writer: updates.Updates, build: objects.Operation, database: session.Database
) -> None:
    """The build may be on another host by now."""
    writer.resume(build)
    claimed(database, build.instance_uuid, "b")
    with pytest.raises(exceptions.OperationSuperseded):
        writer.finish(build, WELL)
    with database.api.read() as tx:
        assert len(allocations.get_for_consumer(tx, build.instance_uuid)) == 2


def test_a_delete_is_done_once(
    writer: updates.Updates, build: objects.Operation, database: session.Database
) -> None:
    operation = delete(database, build)
    with pytest.raises(exceptions.OperationInProgress):
        delete(database, build)
    writer.begin(operation, "deleting")
    writer.finish(operation, objects.Outcome(succeeded=True))
    writer.finish(operation, objects.Outcome(succeeded=True))
    with pytest.raises(exceptions.InstanceNotFound):
        server_of(database, build)


def test_a_host_learns_which_of_its_guests_were_deleted(
    writer: updates.Updates, build: objects.Operation, database: session.Database
) -> None:
    """D22: by a record of it; a guest that nobody knows is no such guest."""
    assert writer.host_work("a", [], [build.instance_uuid, build.id]).deleted_guests == []
    operation = delete(database, build)
    writer.finish(operation, objects.Outcome(succeeded=True))
    work = writer.host_work("a", [], [build.instance_uuid, build.id])
    assert work.deleted_guests == [build.instance_uuid]
