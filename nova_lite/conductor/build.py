"""Building servers: choose a host, write the server down, send it there; and
the next host when that one fails."""

import logging

from oslo_config import cfg
from oslo_utils import timeutils

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import states
from nova_lite import transitions
from nova_lite.blockdev import naming
from nova_lite.conductor import owner
from nova_lite.conductor import selection
from nova_lite.db import session
from nova_lite.db.queries import block_devices
from nova_lite.db.queries import build_requests
from nova_lite.db.queries import instances
from nova_lite.db.queries import operations
from nova_lite.rpc import compute as compute_rpc
from nova_lite.rpc import scheduler as scheduler_rpc
from nova_lite.scheduler import allocations

LOG = logging.getLogger(__name__)

CELL_ID = 1
"""The one cell; the mapping table is there so that a second can be added."""

STEP_RESCHEDULE = "reschedule"


class Builder:
    """Drives builds from the request to the host, and from host to host."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: session.Database,
        ledger: allocations.AllocationLedger,
        scheduler: scheduler_rpc.SchedulerClient,
        compute: compute_rpc.ComputeClient,
    ) -> None:
        self._host = conf.host
        self._max_attempts = conf.conductor.max_attempts
        self._database = database
        self._ledger = ledger
        self._scheduler = scheduler
        self._compute = compute

    # The first attempt

    def schedule_and_build(
        self,
        ctxt: context.RequestContext,
        requests: list[objects.BuildRequest],
        admin_password: str | None = None,
    ) -> None:
        """Build what is asked for, unless somebody does so already or the
        user has withdrawn it."""
        claim = owner.new_claim(self._host)
        uuids = [request.instance_uuid for request in requests]
        with self._database.api.read() as connection:
            if not build_requests.claim(connection, uuids, claim):
                ours = build_requests.owned(connection, uuids, claim)
                requests = [request for request in requests if request.instance_uuid in ours]
        if requests:
            self._build(ctxt, requests, admin_password)

    def redrive(self, silent: build_requests.Silent, since_owner: str) -> None:
        """Take up a build request that a lost message or a dead conductor left;
        ``since_owner`` owns it now."""
        request = silent.request
        if silent.attempt >= self._max_attempts:
            error = exceptions.MaxRetriesExceeded(
                attempts=silent.attempt, reason="the conductor stopped each time"
            )
            self._bury(silent.context, [request], error)
            return
        with self._database.cell.read() as connection:
            written = instances.exists(connection, request.instance_uuid)
        if written:
            # Only the last lines of an earlier try are missing. If its message
            # was not sent either, the journal's entry is taken up like any other.
            self._complete([request.instance_uuid])
            return
        LOG.info("Taking up the build of %s", request.instance_uuid)
        with self._database.api.read() as connection:
            if not build_requests.claim(connection, [request.instance_uuid], since_owner):
                return
        self._build(silent.context, [request])

    def _build(
        self,
        ctxt: context.RequestContext,
        requests: list[objects.BuildRequest],
        admin_password: str | None = None,
    ) -> None:
        started_at = timeutils.utcnow()
        try:
            hosts = self._select(ctxt, [request.request_spec for request in requests])
        except (exceptions.NoValidHost, exceptions.RemoteServiceError) as error:
            self._bury(ctxt, requests, error)
            return
        step = objects.Step(
            name="schedule",
            started_at=started_at,
            finished_at=timeutils.utcnow(),
            result="Success",
            host=self._host,
        )
        work = [
            (request, self._operation(ctxt, request, step, chosen))
            for request, chosen in zip(requests, hosts, strict=True)
        ]
        ours = self._write_what_nobody_has(ctxt, work)
        withdrawn = self._complete([request.instance_uuid for request, _ in ours])
        for request, operation in ours:
            if request.instance_uuid in withdrawn:
                self._withdraw(request, operation)
            else:
                self._send(ctxt, operation, request, admin_password)

    def _select(
        self, ctxt: context.RequestContext, specs: list[objects.RequestSpec]
    ) -> list[list[objects.Selection]]:
        """Ask the scheduler, a second time if the first question got lost."""
        try:
            return self._scheduler.select_destinations(ctxt, specs, self._max_attempts - 1)
        except exceptions.RpcTimeout:
            LOG.warning("The scheduler did not answer; asking once more")
            return self._scheduler.select_destinations(ctxt, specs, self._max_attempts - 1)

    def _operation(
        self,
        ctxt: context.RequestContext,
        request: objects.BuildRequest,
        step: objects.Step,
        hosts: list[objects.Selection],
    ) -> objects.Operation:
        """The journal entry of a build; its request has the host's name put in."""
        instance, host = request.instance, hosts[0]
        operation = operations.new(
            ctxt,
            instance.uuid,
            transitions.CREATE.action,
            host.host,
            arguments=selection.arguments_of(hosts),
        )
        operation.id = request.operation_id
        operation.started_at = instance.created_at
        operation.steps = [step]
        _place(instance, host)
        instance.operation_id = operation.id
        devices = request.block_devices.objects
        for device in devices:
            device.instance_uuid = instance.uuid
        properties = request.request_spec.image.properties
        instance.root_device_name = naming.assign(devices, properties) or naming.DEFAULT_ROOT
        return operation

    @staticmethod
    def _write(
        connection: session.Connection,
        ctxt: context.RequestContext,
        work: list[tuple[objects.BuildRequest, objects.Operation]],
    ) -> None:
        instances.insert(connection, [request.instance for request, _ in work])
        block_devices.add(
            connection,
            [device for request, _ in work for device in request.block_devices.objects],
        )
        operations.insert(connection, ctxt, [operation for _, operation in work])

    def _write_what_nobody_has(
        self,
        ctxt: context.RequestContext,
        work: list[tuple[objects.BuildRequest, objects.Operation]],
    ) -> list[tuple[objects.BuildRequest, objects.Operation]]:
        """Write the servers, except those that another conductor, which took
        this one for dead, has written meanwhile.

        :returns: what was written.
        """
        try:
            self._database.cell.transact(self._write, ctxt, work)
            return work
        except session.DuplicateKey as error:
            if len(work) == 1:
                self._yield_to_writer(work[0][0], error)
                return []
        return [ours for each in work for ours in self._write_what_nobody_has(ctxt, [each])]

    def _yield_to_writer(self, request: objects.BuildRequest, error: session.DuplicateKey) -> None:
        """The server is where the other conductor has put it, and so must be
        what is claimed for it.

        :raises session.DuplicateKey: no other conductor wrote the server; it is
            another row that exists.
        """
        with self._database.cell.read() as connection:
            written = operations.get_by_id(connection, request.operation_id)
        if written is None:
            raise error
        uuid = request.instance_uuid
        LOG.warning("Another conductor has taken over the build of %s", uuid)
        self._ledger.release(uuid)
        if written.status != states.OperationStatus.ERROR:
            node_uuid = selection.current(written.arguments).node_uuid
            resources = selection.resources_of(request.request_spec)
            if not self._ledger.claim(uuid, node_uuid, resources):
                LOG.error("%s is built without an allocation: its host is full", uuid)

    def _complete(self, instance_uuids: list[str]) -> set[str]:
        return self._database.api.transact(build_requests.complete, instance_uuids, CELL_ID)

    def _withdraw(self, request: objects.BuildRequest, operation: objects.Operation) -> None:
        """The user deleted the server while its host was being chosen; the API
        has released its volumes."""
        LOG.info("%s was deleted before it was built", request.instance_uuid)
        self._ledger.release(request.instance_uuid)

        def forget(connection: session.Connection) -> None:
            operations.finish(
                connection,
                operation,
                states.OperationStatus.ERROR,
                message="Stopped: the server was deleted.",
                steps=operation.steps,
            )
            instances.mark_deleted(connection, request.instance_uuid)
            block_devices.remove_all(connection, request.instance_uuid)

        self._database.cell.transact(forget)

    def _send(
        self,
        ctxt: context.RequestContext,
        operation: objects.Operation,
        request: objects.BuildRequest,
        admin_password: str | None,
    ) -> None:
        self._compute.build_and_run_instance(
            ctxt,
            operation.owner,
            request.instance,
            operation,
            request.request_spec,
            request.block_devices.objects,
            admin_password=admin_password,
        )

    def _bury(
        self,
        ctxt: context.RequestContext,
        requests: list[objects.BuildRequest],
        error: exceptions.NovaLiteError,
    ) -> None:
        """No host: the servers are written in ERROR, so that their user sees
        why, and can delete them with what is reserved for them."""
        message, details = error.message, _verdicts(error)
        LOG.warning("No host for %d servers: %s", len(requests), message)
        for request in requests:
            self._ledger.release(request.instance_uuid)
            instance = request.instance
            instance.vm_state, instance.task_state = states.VmState.ERROR.value, None
            for device in request.block_devices.objects:
                device.instance_uuid = instance.uuid
            operation = operations.new(
                ctxt, instance.uuid, transitions.CREATE.action, owner.ANY, step="schedule"
            )
            operation.id = request.operation_id
            operation.status = states.OperationStatus.ERROR.value
            operation.message = message
            operation.finished_at = timeutils.utcnow()

            def write(
                connection: session.Connection,
                request: objects.BuildRequest = request,
                operation: objects.Operation = operation,
            ) -> None:
                self._write(connection, ctxt, [(request, operation)])
                instances.add_fault(connection, request.instance_uuid, message, details)

            try:
                self._database.cell.transact(write)
            except session.DuplicateKey as duplicate:
                self._yield_to_writer(request, duplicate)
                continue
            if self._complete([request.instance_uuid]):
                self._database.cell.transact(_remove, request.instance_uuid)

    # Further attempts

    def reschedule(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
        outcome: objects.Outcome,
        *,
        same_host: bool,
        admin_password: str | None = None,
    ) -> None:
        """A host has failed and has undone what it did: try the next one.

        :param same_host: its process died and came back: that is no failure of
            the host, so it may try again, as long as attempts are left.
        :raises nova_lite.exceptions.OperationSuperseded: the ticket is void.
        """
        arguments = operation.arguments
        if same_host:
            arguments = {**arguments, "restarts": arguments["restarts"] + 1}
        else:
            arguments = selection.after_failure(arguments, outcome)

        def take(connection: session.Connection) -> objects.Operation:
            taken = operations.hand_over(
                connection,
                operation,
                owner=owner.new_claim(self._host),
                step=STEP_RESCHEDULE,
                arguments=arguments,
            )
            operations.add_steps(connection, operation, outcome.steps)
            block_devices.save(connection, outcome.changed_devices)
            return taken

        taken = self._database.cell.transact(take)
        self.go_on(ctxt, instance, taken, same_host=same_host, admin_password=admin_password)

    def go_on(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
        *,
        same_host: bool = False,
        admin_password: str | None = None,
    ) -> None:
        """Find the next host for a build that this conductor owns, or end it."""
        with self._database.api.read() as connection:
            spec = build_requests.get_spec(connection, instance.uuid)
        if spec is None:
            raise exceptions.OperationSuperseded(operation_id=operation.id)
        host = self._next_host(operation, spec, same_host=same_host)
        if host is None:
            self._give_up(instance, operation)
            return

        arguments = operation.arguments
        if host.node_uuid != arguments["host"]["node_uuid"]:
            arguments = selection.moved_to(arguments, host)

        def hand_over(
            connection: session.Connection,
        ) -> tuple[objects.Operation, list[objects.BlockDeviceMapping]]:
            handed = operations.hand_over(
                connection, operation, owner=host.host, arguments=arguments
            )
            operations.own_task(
                connection,
                handed,
                host=host.host,
                node=host.node,
                task_state=states.TaskState.SCHEDULING.value,
            )
            return handed, block_devices.list_for_instance(connection, instance.uuid)

        try:
            handed, devices = self._database.cell.transact(hand_over)
        except exceptions.OperationSuperseded:
            self._ledger.release(instance.uuid, host.node_uuid)
            raise
        LOG.info("Trying %s on %s", instance.uuid, host.host)
        _place(instance, host)
        self._compute.build_and_run_instance(
            ctxt, host.host, instance, handed, spec, devices, admin_password=admin_password
        )

    def _next_host(
        self, operation: objects.Operation, spec: objects.RequestSpec, *, same_host: bool
    ) -> objects.Selection | None:
        arguments = operation.arguments
        if same_host and arguments["restarts"] < self._max_attempts:
            return selection.current(arguments)
        self._ledger.release(spec.instance_uuid)
        resources = selection.resources_of(spec)
        for host in selection.alternates(arguments):
            if self._ledger.claim(spec.instance_uuid, host.node_uuid, resources):
                return host
        return None

    def _give_up(self, instance: objects.Instance, operation: objects.Operation) -> None:
        failures = operation.arguments["failures"]
        reason = failures[-1]["reason"] if failures else "the host restarted each time"
        error = exceptions.MaxRetriesExceeded(
            attempts=len(failures) + operation.arguments["restarts"], reason=reason
        )
        self.fail(
            instance,
            operation,
            error.message,
            "\n".join(
                f"{failure['host']}: {failure.get('details') or failure['reason']}"
                for failure in failures
            ),
            host=None,
            node=None,
        )

    def fail(
        self,
        instance: objects.Instance,
        operation: objects.Operation,
        message: str,
        details: str,
        **fields: str | None,
    ) -> None:
        """End a build in ERROR. What is reserved for the server stays so until
        its user deletes it.

        :param fields: columns of the server to set as well.
        """

        def write(connection: session.Connection) -> None:
            operations.finish(connection, operation, states.OperationStatus.ERROR, message=message)
            operations.own_task(
                connection,
                operation,
                vm_state=transitions.CREATE.failure,
                task_state=None,
                operation_id=None,
                **fields,
            )
            instances.add_fault(connection, instance.uuid, message, details)

        self._database.cell.transact(write)
        LOG.warning("Build of %s failed: %s", instance.uuid, message)


def _place(instance: objects.Instance, host: objects.Selection) -> None:
    instance.host, instance.node = host.host, host.node
    instance.launched_on = host.host
    if instance.availability_zone is None:
        instance.availability_zone = host.availability_zone


def _remove(connection: session.Connection, instance_uuid: str) -> None:
    instances.mark_deleted(connection, instance_uuid)
    block_devices.remove_all(connection, instance_uuid)


def _verdicts(error: exceptions.NovaLiteError) -> str | None:
    """Host by host, for administrators."""
    verdicts = error.facts.get("verdicts")
    if not isinstance(verdicts, list):
        return None
    return "\n".join(f"{v['host']}: {v['rule']}: {v['reason']}" for v in verdicts)
