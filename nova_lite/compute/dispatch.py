"""From an operation to the code that does it, in a green thread of its own."""

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
from nova_lite.compute.operations import create_image
from nova_lite.compute.operations import delete
from nova_lite.compute.operations import detach_volume
from nova_lite.compute.operations import extend_volume
from nova_lite.compute.operations import snapshot_volumes
from nova_lite.compute.operations import start
from nova_lite.compute.operations import stop
from nova_lite.compute.operations import swap_volume

LOG = logging.getLogger(__name__)

_DOING = {
    transitions.CREATE.action: states.TaskState.BLOCK_DEVICE_MAPPING,
    transitions.DELETE.action: states.TaskState.DELETING,
}

_OPERATIONS: dict[
    str, collections.abc.Callable[[compute_host.ComputeHost, compute_task.InstanceTask], None]
] = {
    transitions.DELETE.action: delete.run,
    transitions.ATTACH_VOLUME.action: attach_volume.run,
    transitions.DETACH_VOLUME.action: detach_volume.run,
    transitions.EXTEND_VOLUME.action: extend_volume.run,
    transitions.SWAP_VOLUME.action: swap_volume.run,
    transitions.STOP.action: stop.run,
    transitions.START.action: start.run,
    transitions.CREATE_IMAGE.action: create_image.run,
    transitions.SNAPSHOT_VOLUMES.action: snapshot_volumes.run,
}


class Dispatcher:
    """Starts operations; at most so many builds at a time."""

    def __init__(self, host: compute_host.ComputeHost) -> None:
        self._host = host
        self._builds = concurrency.Semaphore(host.conf.compute.max_concurrent_builds)

    def start(
        self,
        ctxt: context.RequestContext,
        operation: objects.Operation,
        instance: objects.Instance,
        devices: list[objects.BlockDeviceMapping],
        spec: objects.RequestSpec | None = None,
        admin_password: str | None = None,
    ) -> None:
        """Start an operation and return at once.

        :param spec: of a server to be built.
        :param admin_password: of a server to be built, if it is known.
        """
        concurrency.spawn(self._run, ctxt, operation, instance, devices, spec, admin_password)

    def _run(
        self,
        ctxt: context.RequestContext,
        operation: objects.Operation,
        instance: objects.Instance,
        devices: list[objects.BlockDeviceMapping],
        spec: objects.RequestSpec | None,
        admin_password: str | None,
    ) -> None:
        ctxt.update_store()  # the request id on every line of the log
        what = f"{operation.action} of {instance.uuid}"
        doing = _DOING.get(operation.action)
        try:
            with self._host.tasks.begin(ctxt, operation, instance, devices, doing) as task:
                task.admin_password = admin_password
                self._do(task, spec)
        except exceptions.OperationSuperseded:
            LOG.info("%s is over, or somebody else's", what)
        except exceptions.NovaLiteError as error:
            LOG.warning("%s failed: %s", what, error.message)
        except Exception:
            LOG.exception("%s failed", what)
        else:
            if operation.action == transitions.DELETE.action:
                # Not earlier: until now the database counted it too.
                self._host.resources.release(instance.uuid)
            LOG.info("%s done", what)

    def _do(self, task: compute_task.InstanceTask, spec: objects.RequestSpec | None) -> None:
        action = task.operation.action
        if action == transitions.CREATE.action and spec is not None:
            with self._builds:
                build.run(self._host, task, spec)
        elif action in _OPERATIONS:
            _OPERATIONS[action](self._host, task)
        else:
            raise exceptions.InvalidInput(reason=f"no operation {action}")
