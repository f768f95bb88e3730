"""The writes that computes may ask for. Each shows the ticket of its operation."""

from oslo_config import cfg
from oslo_utils import timeutils

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import states
from nova_lite import transitions
from nova_lite.conductor import owner
from nova_lite.conductor import selection
from nova_lite.db import session
from nova_lite.db.queries import block_devices
from nova_lite.db.queries import build_requests
from nova_lite.db.queries import instances
from nova_lite.db.queries import nodes
from nova_lite.db.queries import operations
from nova_lite.db.queries import services
from nova_lite.scheduler import allocations


class Updates:
    """Writes the journal, the servers and their devices for the computes."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: session.Database,
        ledger: allocations.AllocationLedger,
    ) -> None:
        self._conf = conf
        self._database = database
        self._ledger = ledger

    def begin(
        self, operation: objects.Operation, task_state: str | None
    ) -> list[objects.BlockDeviceMapping] | None:
        """The first message of a ticket gets through, all others do not.

        :returns: the devices the operation is about as they are now (none if its volume
            is gone), or None if what was sent cannot have changed.
        """
        return self._database.cell.transact(_begin, operation, task_state)

    def resume(self, operation: objects.Operation) -> objects.Operation:
        """A new ticket for an owner that was restarted."""
        return self._database.cell.transact(operations.hand_over, operation, owner=operation.owner)

    def report(
        self,
        operation: objects.Operation,
        steps: list[objects.Step],
        task_state: str | None,
    ) -> None:
        """A sign of life."""
        self._database.cell.transact(operations.report, operation, steps, task_state)

    def save_block_device(
        self, operation: objects.Operation, device: objects.BlockDeviceMapping
    ) -> None:
        """A device in the middle of an operation."""

        def write(connection: session.Connection) -> None:
            operations.report(connection, operation, [], None)
            block_devices.save(connection, [device])

        self._database.cell.transact(write)

    def finish(self, operation: objects.Operation, outcome: objects.Outcome) -> None:
        """The end of an operation, in one transaction.

        What a server held is given back before its entry is closed: if we die
        between the two, the entry is still open and is done again.
        """
        transition = transitions.TABLE[operation.action]
        deleted = outcome.succeeded and transition.success == states.VmState.DELETED
        if deleted:
            self.release_everything(operation.instance_uuid)
        elif transition is transitions.CREATE and not outcome.succeeded:
            self._release_failed_host(operation)
        try:
            self._database.cell.transact(_finish, operation, outcome, deleted)
        except exceptions.OperationSuperseded:
            if not self._is_finished(operation, outcome):
                raise
        if transition is transitions.CREATE and outcome.succeeded:
            # A scheduler that was slow to answer, and was asked again, has claimed too.
            chosen = selection.current(operation.arguments)
            self._ledger.keep_only(operation.instance_uuid, chosen.node_uuid)

    def _is_finished(self, operation: objects.Operation, outcome: objects.Outcome) -> bool:
        """Whether the same ticket has finished this way before: then only our
        answer got lost, and it is told again. (A delete closes the entry too,
        but never as a success.)"""
        with self._database.cell.read() as connection:
            now = operations.get_by_id(connection, operation.id)
        return (
            now is not None
            and now.status == _status_of(outcome)
            and (now.attempt, now.owner) == (operation.attempt, operation.owner)
        )

    def release_everything(self, instance_uuid: str) -> None:
        """What the API database holds for a server that is gone."""
        self._ledger.release(instance_uuid)
        self._database.api.transact(build_requests.forget, instance_uuid)

    def _release_failed_host(self, operation: objects.Operation) -> None:
        with self._database.cell.read() as connection:
            now = operations.get_by_id(connection, operation.id)
        if now is None or now.attempt != operation.attempt:
            raise exceptions.OperationSuperseded(operation_id=operation.id)
        self._ledger.release(operation.instance_uuid)

    def host_work(
        self, host: str, operation_ids: list[str], guest_uuids: list[str]
    ) -> objects.HostWork:
        """Everything a host is responsible for, or asks about."""
        with self._database.cell.read() as connection:
            servers = instances.list_on_host(connection, host)
            here = {server.uuid for server in servers}
            deleted = instances.which_are_deleted(connection, set(guest_uuids) - here)
            devices = block_devices.list_for_instances(connection, [*here, *deleted])
            running = [operation for operation, _ in operations.running(connection, owner=host)]
            asked = operations.list_by_id(
                connection, set(operation_ids) - {operation.id for operation in running}
            )
        return objects.HostWork(
            instances=servers,
            block_devices=[device for found in devices.values() for device in found],
            operations=running + asked,
            deleted_guests=sorted(deleted),
        )

    def service(self, service: objects.Service, node: objects.ComputeNode | None) -> None:
        """A heartbeat, with the host's inventory if it comes along.

        :raises nova_lite.exceptions.Conflict: the host is a copy of another that is up.
        """
        down_time_s = self._conf.service_down_time_s
        with self._database.api.read() as connection:
            # First: a copy is no service that is up.
            if node is not None:
                nodes.report(connection, node, down_time_s=down_time_s)
            services.report(connection, service)

    def power_state(
        self, ctxt: context.RequestContext, instance_uuid: str, power_state: int
    ) -> None:
        """What the hypervisor said of a guest that nobody works on."""
        with self._database.cell.read() as connection:
            instances.update(connection, instance_uuid, power_state=power_state)


def _begin(
    connection: session.Connection, operation: objects.Operation, task_state: str | None
) -> list[objects.BlockDeviceMapping] | None:
    operations.begin(connection, operation, task_state)
    if not transitions.TABLE[operation.action].rereads_devices:
        return None
    volume_id = operation.arguments.get("volume_id")
    if volume_id is None:
        return block_devices.list_for_instance(connection, operation.instance_uuid)
    device = block_devices.get_by_volume(connection, operation.instance_uuid, volume_id)
    return [] if device is None else [device]


def _finish(
    connection: session.Connection,
    operation: objects.Operation,
    outcome: objects.Outcome,
    deleted: bool,
) -> None:
    transition = transitions.TABLE[operation.action]
    status = _status_of(outcome)
    operations.finish(connection, operation, status, message=outcome.message, steps=outcome.steps)
    vm_state = transition.success if outcome.succeeded else transition.failure
    fields = dict(outcome.facts)
    if transition.takes_task_state:
        fields.update(task_state=None, operation_id=None)
    if vm_state is not None:
        fields["vm_state"] = str(vm_state)
    if outcome.succeeded and transition is transitions.CREATE:
        fields["launched_at"] = timeutils.utcnow()
    if deleted:
        operations.own_task(connection, operation, **fields)
        instances.mark_deleted(connection, operation.instance_uuid)
        # A host that was away needs to know what it is still connected to.
        block_devices.remove_all(
            connection,
            operation.instance_uuid,
            keep_connected=owner.is_conductor(operation.owner),
        )
        return
    if transition.takes_task_state:
        operations.own_task(connection, operation, **fields)
    elif fields:
        instances.update(connection, operation.instance_uuid, **fields)
    block_devices.save(connection, outcome.changed_devices)
    for uuid in outcome.removed_devices:
        block_devices.remove(connection, uuid)
    if vm_state == states.VmState.ERROR:
        instances.add_fault(
            connection,
            operation.instance_uuid,
            outcome.message or "Unknown error",
            outcome.details,
        )


def _status_of(outcome: objects.Outcome) -> states.OperationStatus:
    return states.OperationStatus.SUCCESS if outcome.succeeded else states.OperationStatus.ERROR
