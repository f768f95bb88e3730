"""The compute's endpoint: each message starts its operation in a green thread,
so that the worker that received it is free at once."""

import collections.abc
import logging

from nova_lite import concurrency
from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import states
from nova_lite import transitions
from nova_lite.compute import host as compute_host
from nova_lite.compute import task as compute_task
from nova_lite.compute.operations import attach_volume
from nova_lite.compute.operations import build
from nova_lite.compute.operations import delete
from nova_lite.compute.operations import detach_volume
from nova_lite.rpc import compute as compute_rpc
from nova_lite.rpc import transport

LOG = logging.getLogger(__name__)

Devices = list[objects.BlockDeviceMapping]
Run = collections.abc.Callable[[compute_task.InstanceTask], None]


class ComputeManager(compute_rpc.ComputeEndpoint):
    """Receives the compute's messages."""

    def __init__(self, host: compute_host.ComputeHost) -> None:
        self._host = host
        self._builds = concurrency.Semaphore(host.conf.compute.max_concurrent_builds)

    def build_and_run_instance(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
        request_spec: objects.RequestSpec,
        block_devices: Devices,
    ) -> None:
        """Build a server, when its turn comes."""

        def run(task: compute_task.InstanceTask) -> None:
            with self._builds:
                build.run(self._host, task, request_spec)

        doing = states.TaskState.BLOCK_DEVICE_MAPPING
        self._spawn(run, ctxt, operation, instance, block_devices, doing)

    def terminate_instance(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
        block_devices: Devices,
    ) -> None:
        """Delete a server."""
        self.resume(ctxt, operation, instance, block_devices)

    def attach_volume(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
        block_device: objects.BlockDeviceMapping,
    ) -> None:
        """Plug a volume in."""
        self._spawn(
            lambda task: attach_volume.run(self._host, task),
            ctxt,
            operation,
            instance,
            [block_device],
        )

    def detach_volume(
        self,
        ctxt: context.RequestContext,
        instance: objects.Instance,
        operation: objects.Operation,
        block_device: objects.BlockDeviceMapping,
    ) -> None:
        """Take a volume out."""
        self.resume(ctxt, operation, instance, [block_device])

    @transport.expected_errors
    def get_console_output(
        self, ctxt: context.RequestContext, instance_uuid: str, tail_lines: int | None
    ) -> str:
        """The end of a guest's console."""
        if not self._host.driver.capabilities.supports_console_output:
            raise exceptions.UnsupportedByDriver(capability="console output")
        text = self._host.driver.consoles.output(instance_uuid).decode("utf-8", "replace")
        if tail_lines is None:
            return text
        return "\n".join(text.split("\n")[-tail_lines:]) if tail_lines else ""

    def resume(
        self,
        ctxt: context.RequestContext,
        operation: objects.Operation,
        instance: objects.Instance,
        block_devices: Devices,
    ) -> None:
        """Start, or start again, an operation all of whose steps can be repeated."""
        if operation.action == transitions.DELETE.action:
            self._spawn(
                lambda task: delete.run(self._host, task),
                ctxt,
                operation,
                instance,
                block_devices,
                states.TaskState.DELETING,
            )
        else:
            self._spawn(
                lambda task: detach_volume.run(self._host, task),
                ctxt,
                operation,
                instance,
                block_devices,
            )

    def _spawn(
        self,
        run: Run,
        ctxt: context.RequestContext,
        operation: objects.Operation,
        instance: objects.Instance,
        devices: Devices,
        doing: states.TaskState | None = None,
    ) -> None:
        concurrency.spawn(self._run, run, ctxt, operation, instance, devices, doing)

    def _run(
        self,
        run: Run,
        ctxt: context.RequestContext,
        operation: objects.Operation,
        instance: objects.Instance,
        devices: Devices,
        doing: states.TaskState | None,
    ) -> None:
        what = f"{operation.action} of {instance.uuid}"
        try:
            with self._host.tasks.begin(ctxt, operation, instance, devices, doing) as task:
                run(task)
        except exceptions.OperationSuperseded:
            LOG.info("%s is over or somebody else's", what)
        except exceptions.NovaLiteError as error:
            LOG.warning("%s failed: %s", what, error.message)
        except Exception:
            LOG.exception("%s failed", what)
        else:
            LOG.info("%s done", what)
