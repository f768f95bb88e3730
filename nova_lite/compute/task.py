"""One operation on one server on this host, from its message to its end.

::

    with tasks.begin(ctxt, operation, instance, devices, doing) as task:
        with task.step("spawn"):
            driver.guests.spawn(...)
            task.undo.add("destroy guest", driver.guests.destroy, instance.uuid)

Entering takes the server's lock, writes the write-ahead log and shows the
operation's ticket to the conductor: a message that is late or doubled ends
there, with :exc:`OperationSuperseded`. Leaving well tells the conductor the
outcome. Leaving badly runs the undo stack, and then tells. Every step is in the
log before it runs, and reaches the journal with the next message that goes.
"""

import collections.abc
import contextlib
import logging
import traceback
import typing

from oslo_config import cfg
from oslo_utils import timeutils

from nova_lite import concurrency
from nova_lite import context
from nova_lite import exceptions
from nova_lite import locks
from nova_lite import objects
from nova_lite import revert
from nova_lite import states
from nova_lite.compute import writeahead
from nova_lite.rpc import conductor as conductor_rpc

LOG = logging.getLogger(__name__)

FIRST_RETRY_S = 0.2
LAST_RETRY_S = 10.0


class InstanceTask:
    """What an operation works with while it runs.

    :ivar undo: the undo steps of what was done so far.
    :ivar facts: columns of the server to be written at the end.
    :ivar removed_devices: uuids of devices to be forgotten at the end.
    :ivar is_left: the next sweep goes on with it.
    :ivar superseded: somebody else (a delete) has taken the server: what is in
        Cinder for it is theirs now.
    :ivar admin_password: of a server to be built; in memory only, never logged.
    :ivar end_badly: what to tell the conductor after a failure; the default
        closes the operation with an error, once everything is undone.
    """

    def __init__(
        self,
        ctxt: context.RequestContext,
        operation: objects.Operation,
        instance: objects.Instance,
        devices: list[objects.BlockDeviceMapping],
        entry: writeahead.Entry,
        conductor: conductor_rpc.ConductorClient,
        host: str,
    ) -> None:
        self.ctxt = ctxt
        self.operation = operation
        self.instance = instance
        self.devices = devices
        self.undo = revert.Reverter(f"{operation.action} of {instance.uuid}")
        self.facts: dict[str, typing.Any] = {}
        self.removed_devices: list[str] = []
        self.message: str | None = None
        self.admin_password: str | None = None
        self.end_badly: collections.abc.Callable[[Exception], None] = self._end
        self._changed: dict[str, objects.BlockDeviceMapping] = {}
        self._steps: list[objects.Step] = list(operation.steps)
        self._task_state: str | None = None
        self.is_left = False
        self.superseded = False
        self._entry = entry
        self._conductor = conductor
        self._host = host
        self._reporting = concurrency.Semaphore(1)

    @contextlib.contextmanager
    def step(
        self, name: str, task_state: states.TaskState | None = None
    ) -> collections.abc.Iterator[objects.Step]:
        """A named part of the operation; one line of its timeline.

        The body may give the step a ``message``: what a person should know of
        how it was done.

        :raises nova_lite.exceptions.OperationSuperseded: somebody else (a
            delete) has taken the server meanwhile.
        """
        self.require_ours()
        self._entry.step(name)
        self.operation.step = name
        if task_state is not None:
            self._task_state = task_state.value
        step = objects.Step(name=name, started_at=timeutils.utcnow(), host=self._host)
        try:
            yield step
            step.result = "Success"
        except Exception as error:
            step.result, step.message = "Error", message_for_user(error)
            raise
        finally:
            step.finished_at = timeutils.utcnow()
            self._steps.append(step)

    @property
    def is_half_undone(self) -> bool:
        """Whether something is left to be undone later: it must not be left at all, or
        who was away may be there then. What is refused for good is not tried again."""
        return self.undo.is_blocked or any(
            isinstance(error, exceptions.NovaLiteError) and error.is_temporary
            for error in self.undo.errors
        )

    def require_ours(self) -> None:
        """Called in the middle of long work: stop if it is in vain.

        :raises nova_lite.exceptions.OperationSuperseded: somebody else (a
            delete) has taken the server meanwhile.
        """
        if self.superseded:
            raise exceptions.OperationSuperseded(operation_id=self.operation.id)

    def save_device(self, device: objects.BlockDeviceMapping) -> None:
        """A device has changed: remember it here now, in the database at the end."""
        self._entry.device(device)
        self._changed[device.uuid] = device

    def outcome(self, *, succeeded: bool, details: str | None = None) -> objects.Outcome:
        """What the conductor is to write."""
        return objects.Outcome(
            succeeded=succeeded,
            message=self.message,
            details=details,
            facts=self.facts,
            steps=self._take_steps(),
            changed_devices=[
                device
                for uuid, device in self._changed.items()
                if uuid not in self.removed_devices
            ],
            removed_devices=self.removed_devices,
        )

    def report(self) -> None:
        """Sign of life; learns whether the operation is still ours."""
        with self._reporting:
            steps = self._take_steps()
            try:
                self._conductor.report_operation(
                    self.ctxt, self.operation, steps, self._task_state
                )
            except exceptions.OperationSuperseded:
                self.superseded = True
            except exceptions.RemoteServiceError as error:
                LOG.warning("Could not report %s: %s", self.operation.id, error.message)
                self._steps[:0] = steps

    def succeed(self) -> None:
        """Tell the conductor that all went well, however long that takes."""
        with self._reporting:
            outcome = self.outcome(succeeded=True)
            if self._changed:
                self._entry.outcome(outcome)
            insist(self._conductor.finish_operation, self.ctxt, self.operation, outcome)

    def _end(self, error: Exception) -> None:
        if self.is_half_undone:
            self.leave(error)
        else:
            self.fail(error)

    def leave(self, error: Exception, *, reschedule: bool = False) -> None:
        """What was done here cannot be undone, or ended, now: it is left to the next
        sweep (:mod:`nova_lite.compute.recovery`), and so is telling the conductor.

        :param reschedule: it is to try the next host then.
        """
        self.report()
        self.message = message_for_user(error)
        outcome = self.outcome(succeeded=False, details=details_for_admin(error))
        self._entry.outcome(outcome, reschedule=reschedule, is_half_undone=True)
        self.is_left = True
        LOG.warning(
            "%s of %s is left to the next sweep: %s",
            self.operation.action,
            self.instance.uuid,
            error,
        )

    def fail(self, error: Exception) -> None:
        """Close the operation with an error, unless it is not ours any more."""
        if isinstance(error, exceptions.OperationSuperseded):
            return
        self.message = message_for_user(error)
        outcome = self.outcome(succeeded=False, details=details_for_admin(error))
        self._entry.outcome(outcome)
        insist(self._conductor.finish_operation, self.ctxt, self.operation, outcome)

    def reschedule(self, error: Exception) -> None:
        """Have the conductor try the next host: everything here is undone."""
        self.message = message_for_user(error)
        outcome = self.outcome(succeeded=False, details=details_for_admin(error))
        self._entry.outcome(outcome, reschedule=True)
        insist(
            self._conductor.build_instances,
            self.ctxt,
            self.instance,
            self.operation,
            outcome,
            same_host=False,
            admin_password=self.admin_password,
        )

    def end_log(self) -> None:
        """What the conductor knows, the log of this host need not."""
        if self.is_left:
            self._entry.close()
        else:
            self._entry.remove()

    def _take_steps(self) -> list[objects.Step]:
        steps, self._steps = self._steps, []
        return steps


class Tasks:
    """Opens tasks; knows which operations run here."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        conductor: conductor_rpc.ConductorClient,
        log: writeahead.WriteAheadLog,
        instance_locks: locks.Locks,
    ) -> None:
        self._host = conf.host
        self._progress_interval_s = conf.compute.progress_interval_s
        self._conductor = conductor
        self._log = log
        self._locks = instance_locks
        self.active: set[str] = set()
        """Ids of the operations that run, or wait for their lock, now."""
        self.admin_passwords: dict[str, str] = {}
        """Of builds that are left to the sweep, by operation; in memory only."""

    @contextlib.contextmanager
    def begin(
        self,
        ctxt: context.RequestContext,
        operation: objects.Operation,
        instance: objects.Instance,
        devices: list[objects.BlockDeviceMapping],
        doing: states.TaskState | None = None,
    ) -> collections.abc.Iterator[InstanceTask]:
        """Run the body as an operation on the server.

        :param doing: the task state to begin with, for operations that own
            the server's task.
        :raises nova_lite.exceptions.OperationSuperseded: the ticket is void.
        :raises Exception: whatever the body raised, after the clean-up.
        """
        self.active.add(operation.id)
        try:
            with self._turn_of(ctxt, operation, instance):
                entry = self._log.open(operation.id)
                try:
                    entry.begin(operation, instance, devices)
                    now = self._conductor.begin_operation(ctxt, operation, doing)
                except exceptions.NovaLiteError:
                    # Not what an earlier process left there for recovery.
                    if entry.is_new:
                        entry.remove()
                    else:
                        entry.close()
                    raise
                if now is not None:
                    devices = now
                    entry.devices(devices)
                task = InstanceTask(
                    ctxt, operation, instance, devices, entry, self._conductor, self._host
                )
                yield from self._run(task)
        finally:
            self.active.discard(operation.id)

    @contextlib.contextmanager
    def _turn_of(
        self,
        ctxt: context.RequestContext,
        operation: objects.Operation,
        instance: objects.Instance,
    ) -> collections.abc.Iterator[None]:
        """The server's lock. While another operation has it, signs of life say that
        the message has come, so that the conductor does not take it for lost."""

        def report() -> None:
            with contextlib.suppress(exceptions.NovaLiteError):
                self._conductor.report_operation(ctxt, operation, [], None)

        waiting = concurrency.Periodic("waiting", self._progress_interval_s, report)
        waiting.start()
        try:
            with self._locks.hold(instance.uuid, operation.action):
                waiting.stop()
                yield
        finally:
            waiting.stop()

    def _run(self, task: InstanceTask) -> collections.abc.Iterator[InstanceTask]:
        reporter = concurrency.Periodic("progress", self._progress_interval_s, task.report)
        reporter.start()
        try:
            yield task
            task.succeed()
            task.undo.commit()
        except Exception as error:
            task.superseded |= isinstance(error, exceptions.OperationSuperseded)
            for line in task.undo.revert():
                error.add_note(line)
            with contextlib.suppress(exceptions.OperationSuperseded):
                task.end_badly(error)
            if task.is_left and task.admin_password is not None:
                self.admin_passwords[task.operation.id] = task.admin_password
            task.end_log()
            raise
        else:
            task.end_log()
        finally:
            reporter.stop()


def insist(
    tell: collections.abc.Callable[..., typing.Any], *args: typing.Any, **kwargs: typing.Any
) -> None:
    """Tell the conductor something it must learn, until it answers.

    :raises nova_lite.exceptions.OperationSuperseded: it says that the ticket is void.
    """
    delay_s = FIRST_RETRY_S
    while True:
        try:
            tell(*args, **kwargs)
            return
        except exceptions.RemoteServiceError as error:
            LOG.warning("%s; telling it again in %.1f s", error.message, delay_s)
            concurrency.sleep(delay_s)
            delay_s = min(delay_s * 2, LAST_RETRY_S)


def message_for_user(error: Exception) -> str:
    """What a user may read: our own words; of foreign errors, and of what names
    paths of the host, the class only (CVE-2019-14433)."""
    if isinstance(error, exceptions.NovaLiteError) and error.is_for_users:
        return error.message
    return f"Unexpected error: {type(error).__name__}"


def details_for_admin(error: Exception) -> str:
    """The traceback, for administrators."""
    return "".join(traceback.format_exception(error))
