"""Messages to the conductor: from the API, and from the computes, for which it
writes the databases."""

import abc

import oslo_messaging

from nova_lite import context
from nova_lite import objects
from nova_lite.rpc import transport

VERSION = "1.0"

REPORT_TIMEOUT_S = 3.0


class ConductorClient(transport.Client):
    """What others ask of the conductor."""

    TOPIC = transport.CONDUCTOR_TOPIC
    VERSION = VERSION

    def schedule_and_build_instances(
        self,
        ctxt: context.RequestContext,
        build_requests: list[objects.BuildRequest],
        *,
        admin_password: str | None,
    ) -> None:
        """Build requests are recorded: build them (cast). The password travels
        with messages only: a build that is taken up from the database has none."""
        self._cast(
            ctxt,
            "schedule_and_build_instances",
            build_requests=build_requests,
            admin_password=admin_password,
        )

    def delete_instance(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
    ) -> None:
        """Delete a server that no host can delete (cast)."""
        self._cast(ctxt, "delete_instance", instance=instance, operation=operation)

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
        """A host could not build a server and has undone what it did: try the
        next host (``same_host``: this one again, since its process died).

        :raises nova_lite.exceptions.OperationSuperseded: the ticket is void.
        """
        self._call(
            ctxt,
            "build_instances",
            instance=instance,
            operation=operation,
            outcome=outcome,
            same_host=same_host,
            admin_password=admin_password,
        )

    def begin_operation(
        self,
        ctxt: context.RequestContext,
        operation: objects.Operation,
        task_state: str | None,
    ) -> list[objects.BlockDeviceMapping] | None:
        """A host is about to start an operation it was sent.

        :returns: for operations on volumes that may have changed since they were sent,
            the devices as they are now; an empty list if their one volume is gone.
        :raises nova_lite.exceptions.OperationSuperseded: the ticket is void.
        """
        return self._call(ctxt, "begin_operation", operation=operation, task_state=task_state)

    def resume_operation(
        self, ctxt: context.RequestContext, operation: objects.Operation
    ) -> objects.Operation:
        """A host that was restarted goes on with its operation under a new
        ticket, which is returned.

        :raises nova_lite.exceptions.OperationSuperseded: the ticket is void.
        """
        return self._call(ctxt, "resume_operation", operation=operation)

    def report_operation(
        self,
        ctxt: context.RequestContext,
        operation: objects.Operation,
        steps: list[objects.Step],
        task_state: str | None,
    ) -> None:
        """Sign of life of a long operation, with the steps that are over.

        :raises nova_lite.exceptions.OperationSuperseded: the ticket is void.
        """
        self._call(
            ctxt, "report_operation", operation=operation, steps=steps, task_state=task_state
        )

    def finish_operation(
        self,
        ctxt: context.RequestContext,
        operation: objects.Operation,
        outcome: objects.Outcome,
    ) -> None:
        """An operation is over; its outcome is written in one transaction.

        :raises nova_lite.exceptions.OperationSuperseded: the ticket is void.
        """
        self._call(ctxt, "finish_operation", operation=operation, outcome=outcome)

    def save_block_device(
        self,
        ctxt: context.RequestContext,
        operation: objects.Operation,
        device: objects.BlockDeviceMapping,
    ) -> None:
        """Store a device in the middle of an operation.

        :raises nova_lite.exceptions.OperationSuperseded: the ticket is void.
        """
        self._call(ctxt, "save_block_device", operation=operation, device=device)

    def get_host_work(
        self,
        ctxt: context.RequestContext,
        host: str,
        operation_ids: list[str],
        guest_uuids: list[str],
    ) -> objects.HostWork:
        """What a host is responsible for, with the operations it owns, those it
        asks about whoever owns them, and which of its guests are of servers
        that were deleted without it."""
        return self._call(
            ctxt,
            "get_host_work",
            host=host,
            operation_ids=operation_ids,
            guest_uuids=guest_uuids,
        )

    def report_service(
        self,
        ctxt: context.RequestContext,
        service: objects.Service,
        node: objects.ComputeNode | None,
    ) -> None:
        """Heartbeat of a daemon without a database, with its inventory when
        that may have changed. Given up early: the next heartbeat comes soon."""
        self._call(ctxt, "report_service", timeout_s=REPORT_TIMEOUT_S, service=service, node=node)

    def report_power_state(
        self, ctxt: context.RequestContext, instance_uuid: str, power_state: int
    ) -> None:
        """The hypervisor says that a guest changed by itself (cast)."""
        self._cast(
            ctxt, "report_power_state", instance_uuid=instance_uuid, power_state=power_state
        )


class ConductorEndpoint(abc.ABC):
    """The receiving side; the conductor's manager implements it. What each
    message means is said at the client's method of the same name."""

    target = oslo_messaging.Target(version=VERSION)

    @abc.abstractmethod
    def schedule_and_build_instances(
        self,
        ctxt: context.RequestContext,
        build_requests: list[objects.BuildRequest],
        *,
        admin_password: str | None,
    ) -> None: ...

    @abc.abstractmethod
    def delete_instance(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
    ) -> None: ...

    @abc.abstractmethod
    def build_instances(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
        outcome: objects.Outcome,
        *,
        same_host: bool,
        admin_password: str | None = None,
    ) -> None: ...

    @abc.abstractmethod
    def begin_operation(
        self,
        ctxt: context.RequestContext,
        operation: objects.Operation,
        task_state: str | None,
    ) -> list[objects.BlockDeviceMapping] | None: ...

    @abc.abstractmethod
    def resume_operation(
        self, ctxt: context.RequestContext, operation: objects.Operation
    ) -> objects.Operation: ...

    @abc.abstractmethod
    def report_operation(
        self,
        ctxt: context.RequestContext,
        operation: objects.Operation,
        steps: list[objects.Step],
        task_state: str | None,
    ) -> None: ...

    @abc.abstractmethod
    def finish_operation(
        self,
        ctxt: context.RequestContext,
        operation: objects.Operation,
        outcome: objects.Outcome,
    ) -> None: ...

    @abc.abstractmethod
    def save_block_device(
        self,
        ctxt: context.RequestContext,
        operation: objects.Operation,
        device: objects.BlockDeviceMapping,
    ) -> None: ...

    @abc.abstractmethod
    def get_host_work(
        self,
        ctxt: context.RequestContext,
        host: str,
        operation_ids: list[str],
        guest_uuids: list[str],
    ) -> objects.HostWork: ...

    @abc.abstractmethod
    def report_service(
        self,
        ctxt: context.RequestContext,
        service: objects.Service,
        node: objects.ComputeNode | None,
    ) -> None: ...

    @abc.abstractmethod
    def report_power_state(
        self, ctxt: context.RequestContext, instance_uuid: str, power_state: int
    ) -> None: ...
