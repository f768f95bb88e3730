"""The conductor's endpoint: each message to the part that handles it."""

import logging

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite.conductor import build
from nova_lite.conductor import delete
from nova_lite.conductor import updates
from nova_lite.rpc import conductor as conductor_rpc
from nova_lite.rpc import transport

LOG = logging.getLogger(__name__)


class ConductorManager(conductor_rpc.ConductorEndpoint):
    """Receives the conductor's messages."""

    def __init__(
        self, builder: build.Builder, deleter: delete.Deleter, writer: updates.Updates
    ) -> None:
        self._builder = builder
        self._deleter = deleter
        self._updates = writer

    def schedule_and_build_instances(
        self,
        ctxt: context.RequestContext,
        build_requests: list[objects.BuildRequest],
        *,
        admin_password: str | None,
    ) -> None:
        """Build servers."""
        self._builder.schedule_and_build(ctxt, build_requests, admin_password)

    def delete_instance(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
    ) -> None:
        """Delete a server without its host."""
        try:
            self._deleter.delete(ctxt, operation)
        except exceptions.OperationSuperseded:
            LOG.debug("Delete %s is somebody else's now", operation.id)

    @transport.expected_errors
    def build_instances(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
        outcome: objects.Outcome,
        *,
        same_host: bool,
        admin_password: str | None = None,
    ) -> None:
        """Try the next host."""
        self._builder.reschedule(
            ctxt,
            instance,
            operation,
            outcome,
            same_host=same_host,
            admin_password=admin_password,
        )

    @transport.expected_errors
    def begin_operation(
        self,
        ctxt: context.RequestContext,
        operation: objects.Operation,
        task_state: str | None,
    ) -> list[objects.BlockDeviceMapping] | None:
        """An owner starts."""
        return self._updates.begin(operation, task_state)

    @transport.expected_errors
    def resume_operation(
        self, ctxt: context.RequestContext, operation: objects.Operation
    ) -> objects.Operation:
        """An owner goes on after a restart."""
        return self._updates.resume(operation)

    @transport.expected_errors
    def report_operation(
        self,
        ctxt: context.RequestContext,
        operation: objects.Operation,
        steps: list[objects.Step],
        task_state: str | None,
    ) -> None:
        """An owner is alive."""
        self._updates.report(operation, steps, task_state)

    @transport.expected_errors
    def finish_operation(
        self,
        ctxt: context.RequestContext,
        operation: objects.Operation,
        outcome: objects.Outcome,
    ) -> None:
        """An owner is done."""
        self._updates.finish(operation, outcome)

    @transport.expected_errors
    def save_block_device(
        self,
        ctxt: context.RequestContext,
        operation: objects.Operation,
        device: objects.BlockDeviceMapping,
    ) -> None:
        """A device has changed."""
        self._updates.save_block_device(operation, device)

    def get_host_work(
        self,
        ctxt: context.RequestContext,
        host: str,
        operation_ids: list[str],
        guest_uuids: list[str],
    ) -> objects.HostWork:
        """What a host is responsible for."""
        return self._updates.host_work(host, operation_ids, guest_uuids)

    @transport.expected_errors
    def report_service(
        self,
        ctxt: context.RequestContext,
        service: objects.Service,
        node: objects.ComputeNode | None,
    ) -> None:
        """A daemon is alive."""
        self._updates.service(service, node)

    def report_power_state(
        self, ctxt: context.RequestContext, instance_uuid: str, power_state: int
    ) -> None:
        """A guest changed by itself."""
        self._updates.power_state(ctxt, instance_uuid, power_state)
