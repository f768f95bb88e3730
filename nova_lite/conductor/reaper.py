"""Finds work whose owner is silent, and has it done or ends it.

Nothing else guarantees progress: messages may be lost and processes die at
any point. Each kind of silence has one answer, and every answer first takes the
work by compare-and-swap, so that several conductors do not get in each other's
way.
"""

import datetime
import logging

from oslo_config import cfg
from oslo_utils import timeutils

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import transitions
from nova_lite.conductor import abandon
from nova_lite.conductor import build
from nova_lite.conductor import delete
from nova_lite.conductor import owner
from nova_lite.conductor import updates
from nova_lite.db import session
from nova_lite.db.queries import block_devices
from nova_lite.db.queries import build_requests
from nova_lite.db.queries import instances
from nova_lite.db.queries import operations
from nova_lite.db.queries import services
from nova_lite.image import glance
from nova_lite.image import unfinished
from nova_lite.rpc import compute as compute_rpc
from nova_lite.volume import cinder
from nova_lite.volume import removal

LOG = logging.getLogger(__name__)

MAX_RESENDS = 3
PATIENCE_WITH_WITHDRAWN = datetime.timedelta(hours=1)
"""How long a server that its user has deleted before it was built is kept for what Cinder
does not release: then it goes, as any server does."""

NEVER_COMPLETED = "the request was never completed"
# For users, who are not told names of hosts.
HOST_SILENT = "the server's host does not answer"


class Reaper:
    """Looks for silent owners, periodically and when a conductor starts."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: session.Database,
        builder: build.Builder,
        deleter: delete.Deleter,
        writer: updates.Updates,
        compute: compute_rpc.ComputeClient,
        client: cinder.CinderClient,
        images: glance.GlanceClient,
    ) -> None:
        self._host = conf.host
        self._silence_s = conf.conductor.operation_silence_s
        self._down_time_s = conf.service_down_time_s
        self._database = database
        self._builder = builder
        self._deleter = deleter
        self._updates = writer
        self._compute = compute
        self._cinder = client
        self._glance = images

    def inherit(self, started_at: datetime.datetime) -> None:
        """At start: what the previous run of this conductor was doing is taken
        up at once, without waiting for its silence to be long enough.

        :param started_at: when this run began to serve; what has a sign of
            life since then is our own, under the same name.
        """
        predecessor = owner.this_conductor(self._host)
        with self._database.cell.read() as connection:
            work = operations.running(
                connection, owner_prefix=predecessor, silent_since=started_at
            )
        for operation, ctxt in work:
            self._guarded(ctxt, operation)
        with self._database.api.read() as connection:
            requests = build_requests.silent(connection, started_at)
        for silent in requests:
            if silent.owner is not None and silent.owner.startswith(predecessor):
                self._take_up_request(silent, started_at)

    def reap(self) -> None:
        """Take up everything that has been silent for too long."""
        since = timeutils.utcnow() - datetime.timedelta(seconds=self._silence_s)
        with self._database.api.read() as connection:
            requests = build_requests.silent(connection, since)
        for silent in requests:
            self._take_up_request(silent, since)
        with self._database.cell.read() as connection:
            work = operations.running(connection, silent_since=since)
        for operation, ctxt in work:
            self._guarded(ctxt, operation)

    # Servers that are not in a cell yet

    def _take_up_request(self, silent: build_requests.Silent, since: datetime.datetime) -> None:
        is_unwanted = silent.owner in (owner.API, owner.WITHDRAWN)
        with self._database.api.read() as connection:
            # Withdrawn: an API that was only slow learns of it. None: free to be
            # claimed, by the claim that counts attempts.
            new_owner = owner.WITHDRAWN if is_unwanted else None
            taken = build_requests.take_over(
                connection, silent.request.instance_uuid, silent.owner, new_owner, since
            )
        if not taken:
            return
        try:
            if is_unwanted:
                self._forget_request(silent)
            else:
                self._builder.redrive(silent, owner.new_claim(self._host))
        except exceptions.NovaLiteError as error:
            LOG.warning(
                "Build request %s stays for the next round: %s",
                silent.request.instance_uuid,
                error.message,
            )
        except Exception:
            # One that breaks us must not keep the others waiting.
            LOG.exception("Build request %s failed", silent.request.instance_uuid)

    def _forget_request(self, silent: build_requests.Silent) -> None:
        """The API died before it answered, so nobody has been promised a server; or it
        was withdrawn, and Cinder could not release everything then. Volumes are kept: they
        may be somebody else's to use by now."""
        ctxt, uuid = silent.context, silent.request.instance_uuid
        devices = silent.request.block_devices.objects
        held = removal.release_reserved(ctxt, self._cinder, devices, keep=True)
        removal.release_strays(ctxt, self._cinder, uuid, devices)
        if held:
            age = timeutils.utcnow() - silent.request.instance.created_at
            if age < PATIENCE_WITH_WITHDRAWN:
                raise exceptions.RemoteServiceError(service="Cinder", reason="; ".join(held))
            LOG.warning("Left behind of %s: %s", uuid, "; ".join(held))
        self._database.api.transact(build_requests.delete, uuid)
        LOG.info("Forgot the request for %s", uuid)

    # Operations in the journal

    def _guarded(self, ctxt: context.RequestContext, operation: objects.Operation) -> None:
        try:
            self._take_up(ctxt, operation)
        except exceptions.OperationSuperseded:
            LOG.debug("Operation %s is somebody else's now", operation.id)
        except exceptions.NovaLiteError as error:
            LOG.warning("Operation %s stays for the next round: %s", operation.id, error.message)
        except Exception:
            LOG.exception("Operation %s failed", operation.id)

    def _take_up(self, ctxt: context.RequestContext, operation: objects.Operation) -> None:
        if owner.is_conductor(operation.owner):
            self._own_work(ctxt, operation)
        elif operation.owner == owner.API:
            self._abandon(ctxt, operation, NEVER_COMPLETED)
        elif self._is_up(operation.owner):
            if operation.step == operations.STEP_CAST:
                self._resend(ctxt, operation)
            # Begun on a host that is up: the host itself looks after it
            # (nova_lite.compute.recovery).
        else:
            self._host_is_down(ctxt, operation)

    def _own_work(self, ctxt: context.RequestContext, operation: objects.Operation) -> None:
        if operation.action == transitions.DELETE.action:
            self._deleter.delete(ctxt, operation)
            return
        if operation.action != transitions.CREATE.action:
            # Taken to be given up, by a conductor that died over it.
            self._abandon(ctxt, operation, NEVER_COMPLETED)
            return
        with self._database.cell.read() as connection:
            instance = instances.get(connection, operation.instance_uuid)
        taken = self._database.cell.transact(
            operations.hand_over,
            operation,
            owner=owner.new_claim(self._host),
            step=build.STEP_RESCHEDULE,
        )
        self._builder.go_on(ctxt, instance, taken)

    def _is_up(self, host: str) -> bool:
        with self._database.api.read() as connection:
            service = services.get_by_host(connection, host, services.COMPUTE_BINARY)
        return service is not None and services.is_up(
            service, timeutils.utcnow(), self._down_time_s
        )

    def _resend(self, ctxt: context.RequestContext, operation: objects.Operation) -> None:
        """The host never confirmed: the message is lost, or will find its
        ticket void. A delete is not done without a host that is up, for the guest
        runs there."""
        resends = operation.arguments.get("resends", 0) + 1
        if resends > MAX_RESENDS and operation.action != transitions.DELETE.action:
            self._host_is_down(ctxt, operation)
            return
        arguments = {**operation.arguments, "resends": resends}

        def renew(
            connection: session.Connection,
        ) -> tuple[objects.Operation, objects.Instance, list[objects.BlockDeviceMapping]]:
            renewed = operations.hand_over(
                connection, operation, owner=operation.owner, arguments=arguments
            )
            return (
                renewed,
                instances.get(connection, operation.instance_uuid),
                block_devices.list_for_instance(connection, operation.instance_uuid),
            )

        renewed, instance, devices = self._database.cell.transact(renew)
        LOG.info("Sending %s of %s again", operation.action, operation.instance_uuid)
        self._send(ctxt, renewed, instance, devices)

    def _send(
        self,
        ctxt: context.RequestContext,
        operation: objects.Operation,
        instance: objects.Instance,
        devices: list[objects.BlockDeviceMapping],
    ) -> None:
        host = operation.owner
        if operation.action == transitions.CREATE.action:
            with self._database.api.read() as connection:
                spec = build_requests.get_spec(connection, instance.uuid)
            if spec is not None:
                self._compute.build_and_run_instance(
                    ctxt, host, instance, operation, spec, devices
                )
        elif operation.action == transitions.DELETE.action:
            self._compute.terminate_instance(ctxt, host, instance, operation, devices)
        elif operation.action == transitions.STOP.action:
            self._compute.stop_instance(ctxt, host, instance, operation)
        elif operation.action == transitions.START.action:
            self._compute.start_instance(ctxt, host, instance, operation, devices)
        elif operation.action in unfinished.ACTIONS:
            self._compute.create_image(ctxt, host, instance, operation, devices)
        else:
            send = {
                transitions.ATTACH_VOLUME.action: self._compute.attach_volume,
                transitions.DETACH_VOLUME.action: self._compute.detach_volume,
                transitions.EXTEND_VOLUME.action: self._compute.extend_volume,
                transitions.SWAP_VOLUME.action: self._compute.swap_volume,
            }[operation.action]
            device = _device_of(operation, devices)
            if device is not None:
                send(ctxt, host, instance, operation, device)

    def _host_is_down(self, ctxt: context.RequestContext, operation: objects.Operation) -> None:
        """What was only sent is taken back: its ticket is void for the host.
        What had begun may still run there, so it is not done elsewhere."""
        sent_only = operation.step == operations.STEP_CAST
        if operation.action == transitions.DELETE.action:
            self._deleter.delete(ctxt, operation)
        elif operation.action == transitions.CREATE.action:
            self._move_or_fail_build(ctxt, operation, sent_only)
        elif sent_only:
            self._abandon(ctxt, operation, HOST_SILENT)

    def _move_or_fail_build(
        self, ctxt: context.RequestContext, operation: objects.Operation, sent_only: bool
    ) -> None:
        details = f"host {operation.owner} does not answer"
        with self._database.cell.read() as connection:
            instance = instances.get(connection, operation.instance_uuid)
        if sent_only:
            outcome = objects.Outcome(succeeded=False, message=HOST_SILENT, details=details)
            self._builder.reschedule(ctxt, instance, operation, outcome, same_host=False)
        else:
            self._builder.fail(
                instance,
                operation,
                f"Build stopped at '{operation.step}': {HOST_SILENT}. Delete the server, "
                "or wait until the host is back and try another.",
                f"{details}; last sign of life at {operation.heartbeat_at}",
            )

    def _abandon(
        self, ctxt: context.RequestContext, operation: objects.Operation, reason: str
    ) -> None:
        """Nobody has begun it and nobody will: what was prepared is given back."""
        device = self._take_device(operation)
        outcome = abandon.give_back(ctxt, self._cinder, self._glance, operation, device, reason)
        self._updates.finish(operation, outcome)

    def _take(self, operation: objects.Operation) -> None:
        """The operation is ours from now on."""
        taken = self._database.cell.transact(
            operations.hand_over,
            operation,
            owner=owner.new_claim(self._host),
            step=operation.step,
        )
        operation.owner, operation.attempt = taken.owner, taken.attempt

    def _take_device(self, operation: objects.Operation) -> objects.BlockDeviceMapping | None:
        """The device of a volume operation, which is ours from now on."""
        self._take(operation)
        with self._database.cell.read() as connection:
            devices = block_devices.list_for_instance(connection, operation.instance_uuid)
        return _device_of(operation, devices)


def _device_of(
    operation: objects.Operation, devices: list[objects.BlockDeviceMapping]
) -> objects.BlockDeviceMapping | None:
    volume_id = operation.arguments.get("volume_id")
    return next((device for device in devices if device.volume_id == volume_id), None)
