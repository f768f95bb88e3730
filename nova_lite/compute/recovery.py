"""What becomes of operations that a process of this host left unfinished.

The write-ahead log says what was being done, the conductor whether it is still
ours, and the transition table what then: undo it and try again, do it again
from the start, or undo it.
"""

import collections.abc
import contextlib
import functools
import logging

from nova_lite import concurrency
from nova_lite import context
from nova_lite import exceptions
from nova_lite import locks
from nova_lite import objects
from nova_lite import revert
from nova_lite import states
from nova_lite import transitions
from nova_lite.blockdev import types
from nova_lite.compute import host as compute_host
from nova_lite.compute import image_undo
from nova_lite.compute import task as compute_task
from nova_lite.compute import writeahead
from nova_lite.compute.operations import attach_volume
from nova_lite.compute.operations import build
from nova_lite.compute.operations import swap_volume
from nova_lite.image import unfinished
from nova_lite.volume import host_side
from nova_lite.volume import removal
from nova_lite.volume import swapping

LOG = logging.getLogger(__name__)

RESTARTED = "the compute service was restarted in the middle of it"

Resume = collections.abc.Callable[
    [
        context.RequestContext,
        objects.Operation,
        objects.Instance,
        list[objects.BlockDeviceMapping],
    ],
    None,
]
"""Runs an operation under a new ticket."""


class Recovery:
    """Takes up what was left: at start, and in each sweep after that."""

    def __init__(
        self,
        host: compute_host.ComputeHost,
        log: writeahead.WriteAheadLog,
        instance_locks: locks.Locks,
        resume: Resume,
    ) -> None:
        self._host = host
        self._log = log
        self._locks = instance_locks
        self._resume = resume
        self._active = host.tasks.active
        self._taken: set[str] = set()
        """Ids of the operations that are being taken up. Not among the active
        ones: a new message of the operation may wait for us to end."""

    def sweep(self) -> None:
        """Take up every operation of this host that nobody works on.

        What cannot be taken up now (Cinder is away, say) stays for the next time.
        """
        found = self._log.load(self._active | self._taken)
        left = {item.operation.id: item for item in found}
        self._taken.update(left)
        try:
            self._take_up_all(left)
        except BaseException:
            for item in found:
                self._put_back(item)
            raise

    def _take_up_all(self, left: dict[str, writeahead.Unfinished]) -> None:
        ctxt = context.admin_context()
        self._host.resources.begin_load()
        work = self._host.conductor.get_host_work(
            ctxt, self._host.conf.host, sorted(left), sorted(self._guests())
        )
        self._host.resources.load(work.instances)
        for operation in work.operations:
            if self._is_lost(operation) and operation.id not in left:
                item = _without_log(operation, work)
                if item is not None:
                    left[operation.id] = item
                    self._taken.add(operation.id)
        for item in left.values():
            # A power cut may have left the log without them.
            item.devices = item.devices or _devices_of(item.operation, work)
            concurrency.spawn(self._take_up, item)
        for instance_uuid in work.deleted_guests:
            devices = [d for d in work.block_devices if d.instance_uuid == instance_uuid]
            concurrency.spawn(self._remove_deleted, instance_uuid, devices)

    def _guests(self) -> set[str]:
        """Servers that have a guest or disks here."""
        driver = self._host.driver
        guests = {guest.instance_uuid for guest in driver.guests.list_guests()}
        return guests.union(driver.disks.list_instances())

    def _remove_deleted(
        self, instance_uuid: str, devices: list[objects.BlockDeviceMapping]
    ) -> None:
        """The server was deleted while this host was away. Only a record of that
        brings us here; a guest that nobody knows is let alone."""
        driver = self._host.driver
        LOG.warning("Removing what is left of %s, which was deleted", instance_uuid)
        try:
            with self._locks.hold(instance_uuid, "removal"):
                driver.guests.destroy(instance_uuid)
                for device in devices:
                    for info in swapping.connections_of(device):
                        driver.volumes.disconnect(info, instance_uuid)
                driver.disks.remove(instance_uuid)
        except exceptions.NovaLiteError as error:
            LOG.warning("%s is removed later: %s", instance_uuid, error.message)

    def _is_lost(self, operation: objects.Operation) -> bool:
        """Begun by this host, and nobody here knows of it."""
        return (
            operation.owner == self._host.conf.host
            and operation.status == states.OperationStatus.RUNNING
            and operation.step != "cast"
            and operation.id not in self._active
            and operation.id not in self._taken
        )

    def _put_back(self, item: writeahead.Unfinished) -> None:
        """It is for a later sweep."""
        self._taken.discard(item.operation.id)
        if item.entry is not None:
            item.entry.close()

    def _take_up(self, item: writeahead.Unfinished) -> None:
        operation = item.operation
        ctxt = context.RequestContext(
            user_id=operation.user_id,
            project_id=operation.project_id,
            request_id=operation.request_id,
            is_admin=True,
            overwrite=False,
        )
        resumed = None
        try:
            with self._locks.hold(item.instance.uuid, "recovery"):
                resumed = self._recover(ctxt, item)
                if item.entry is not None:
                    item.entry.remove()
                self._host.tasks.admin_passwords.pop(operation.id, None)
        except exceptions.NovaLiteError as error:
            LOG.warning(
                "Recovery of %s of %s is tried again later: %s",
                operation.action,
                operation.instance_uuid,
                error.message,
            )
        except Exception:
            LOG.exception("Recovery of %s of %s failed", operation.action, operation.instance_uuid)
        finally:
            self._put_back(item)
        if resumed is not None:
            self._resume(ctxt, resumed, item.instance, item.devices)

    def _recover(
        self, ctxt: context.RequestContext, item: writeahead.Unfinished
    ) -> objects.Operation | None:
        """:returns: the operation under a new ticket if it is to be done again."""
        operation = item.operation
        now = self._state_of(ctxt, operation)
        resumed = None
        if now is None or now.status == states.OperationStatus.ERROR:
            self._clean_up(ctxt, item, over=True)
        elif now.status == states.OperationStatus.SUCCESS:
            # Whatever the file says (a power cut may bring an old one back).
            LOG.info("%s of %s is done", operation.action, operation.instance_uuid)
        elif (now.attempt, now.owner) != (operation.attempt, operation.owner):
            self._clean_up(ctxt, item, over=False)
        else:
            LOG.info(
                "Taking up %s of %s, left at '%s'",
                operation.action,
                operation.instance_uuid,
                item.steps[-1] if item.steps else "its begin",
            )
            with contextlib.suppress(exceptions.OperationSuperseded):
                resumed = self._go_on(ctxt, item)
        return resumed

    def _state_of(
        self, ctxt: context.RequestContext, operation: objects.Operation
    ) -> objects.Operation | None:
        work = self._host.conductor.get_host_work(ctxt, self._host.conf.host, [operation.id], [])
        return next((found for found in work.operations if found.id == operation.id), None)

    def _go_on(
        self, ctxt: context.RequestContext, item: writeahead.Unfinished
    ) -> objects.Operation | None:
        if item.outcome is not None and not item.is_half_undone:
            self._tell(ctxt, item, item.outcome)
            return None
        restart = transitions.TABLE[item.operation.action].restart
        if restart is transitions.Restart.RESUME:
            return self._host.conductor.resume_operation(ctxt, item.operation)
        if item.operation.action == transitions.SWAP_VOLUME.action:
            return self._end_swap(ctxt, item)
        if restart is transitions.Restart.RETRY:
            self._end_build(ctxt, item)
        elif item.operation.action == transitions.ATTACH_VOLUME.action:
            self._undo_attach(ctxt, item)
        else:
            self._end_image(ctxt, item)
        return None

    def _end_image(self, ctxt: context.RequestContext, item: writeahead.Unfinished) -> None:
        """An image that Glance does not delete (its owner protects it) is no reason to
        keep the server's task."""
        try:
            outcome = image_undo.roll_back(self._host, ctxt, item.operation)
        except exceptions.NovaLiteError as error:
            if error.is_temporary:
                raise
            image_id = item.operation.arguments["image_id"]
            outcome = objects.Outcome(
                succeeded=False, message=f"Image {image_id} is left behind: {error.message}"
            )
        if not outcome.succeeded:
            outcome = item.outcome or outcome
        compute_task.insist(self._host.conductor.finish_operation, ctxt, item.operation, outcome)

    def _tell(
        self,
        ctxt: context.RequestContext,
        item: writeahead.Unfinished,
        outcome: objects.Outcome,
    ) -> None:
        conductor = self._host.conductor
        if item.reschedule:
            conductor.build_instances(
                ctxt,
                item.instance,
                item.operation,
                outcome,
                same_host=False,
                admin_password=self._host.tasks.admin_passwords.get(item.operation.id),
            )
        else:
            conductor.finish_operation(ctxt, item.operation, outcome)

    def _end_build(self, ctxt: context.RequestContext, item: writeahead.Unfinished) -> None:
        """The next attempt: here, since this host has not failed; on another host; or
        none, and then volumes that were made for the server go."""
        self._undo_build(ctxt, item)
        outcome = item.outcome or objects.Outcome(succeeded=False, message=RESTARTED)
        outcome.changed_devices = item.devices
        if item.outcome is None:
            self._host.conductor.build_instances(
                ctxt, item.instance, item.operation, outcome, same_host=True
            )
            return
        if not item.reschedule:
            build.discard_volumes(self._host, ctxt, item.devices, item.save)
            outcome.facts = {**outcome.facts, **build.HOSTLESS}
        self._tell(ctxt, item, outcome)

    def _undo_build(self, ctxt: context.RequestContext, item: writeahead.Unfinished) -> None:
        """Nothing of the build stays on this host, above all no guest; its volumes stay
        reserved."""
        driver, instance_uuid = self._host.driver, item.instance.uuid
        driver.guests.destroy(instance_uuid)
        with revert.going_on(f"disks of {instance_uuid}"):
            driver.disks.remove(instance_uuid)
        self._host.resources.release(instance_uuid)
        for device in item.devices:
            if device.is_volume and device.volume_id and device.phase is not None:
                save = functools.partial(
                    self._host.conductor.save_block_device, ctxt, item.operation
                )
                with revert.going_on(f"reservation of volume {device.volume_id}"):
                    types.volume_of(device, self._host).hold(
                        ctxt, instance_uuid, functools.partial(compute_task.insist, save)
                    )
                item.save(device)
        with revert.going_on(f"attachments of {instance_uuid}"):
            removal.release_strays(ctxt, self._host.cinder, instance_uuid, item.devices)

    def _undo_attach(self, ctxt: context.RequestContext, item: writeahead.Unfinished) -> None:
        (device,) = item.devices
        outcome = item.outcome or objects.Outcome(
            succeeded=False, message=f"The volume was not attached: {RESTARTED}"
        )
        with revert.going_on(f"volume {device.volume_id} of {device.instance_uuid}"):
            with contextlib.suppress(exceptions.GuestNotFound):
                self._host.driver.volumes.unplug(item.instance.uuid, device.volume_id)
            removal.release(ctxt, self._host.cinder, device, self._host.driver.volumes, keep=True)
            outcome.removed_devices = [device.uuid]
        if not outcome.removed_devices:
            attach_volume.keep_half_attached(device)
            outcome.changed_devices = [device]
        compute_task.insist(self._host.conductor.finish_operation, ctxt, item.operation, outcome)

    def _end_swap(
        self, ctxt: context.RequestContext, item: writeahead.Unfinished
    ) -> objects.Operation | None:
        """Back, as long as the guest is on the old volume; else forward."""
        operation = item.operation
        message = f"The volume was not swapped: {RESTARTED}"
        outcome = item.outcome or objects.Outcome(succeeded=False, message=message)
        if item.devices and swap_volume.is_past_return(self._host, operation, item.devices[0]):
            return self._host.conductor.resume_operation(ctxt, operation)
        if item.devices:
            swap_volume.roll_back(self._host, ctxt, operation, item.devices[0])
            outcome.changed_devices = item.devices[:1]
        else:
            swapping.call_off(ctxt, self._host.cinder, operation, None)
        compute_task.insist(self._host.conductor.finish_operation, ctxt, operation, outcome)
        return None

    def _clean_up(
        self, ctxt: context.RequestContext, item: writeahead.Unfinished, *, over: bool
    ) -> None:
        """Somebody took the operation while we were away: what it did on this
        host is undone. If it is ``over`` (a delete, or the reaper), volumes that
        only we know of are deleted; else they are the next attempt's. Cinder's
        attachments are theirs who took it."""
        if item.outcome is not None and not item.outcome.succeeded and not item.is_half_undone:
            # It was undone, and only telling so was left.
            return
        driver, instance_uuid = self._host.driver, item.instance.uuid
        if item.operation.action == transitions.ATTACH_VOLUME.action:
            self._unplug(item)
        if item.operation.action in unfinished.ACTIONS:
            image_undo.roll_back(self._host, ctxt, item.operation)
        if item.operation.action != transitions.CREATE.action:
            return
        driver.guests.destroy(instance_uuid)
        for device in item.devices:
            if not device.is_volume:
                continue
            info = host_side.connection_info_of(device)
            if info is not None:
                driver.volumes.disconnect(info, instance_uuid)
            if over:
                types.volume_of(device, self._host).discard(ctxt)
        driver.disks.remove(instance_uuid)
        self._host.resources.release(instance_uuid)

    def _unplug(self, item: writeahead.Unfinished) -> None:
        (device,) = item.devices
        with contextlib.suppress(exceptions.GuestNotFound):
            self._host.driver.volumes.unplug(item.instance.uuid, device.volume_id)
        info = host_side.connection_info_of(device)
        if info is not None:
            self._host.driver.volumes.disconnect(info, item.instance.uuid)


def _without_log(
    operation: objects.Operation, work: objects.HostWork
) -> writeahead.Unfinished | None:
    """An operation whose log is lost, as far as the database knows it."""
    instance = next(
        (found for found in work.instances if found.uuid == operation.instance_uuid), None
    )
    if instance is None:
        return None
    return writeahead.Unfinished(None, operation, instance, _devices_of(operation, work), [])


def _devices_of(
    operation: objects.Operation, work: objects.HostWork
) -> list[objects.BlockDeviceMapping]:
    volume_id = operation.arguments.get("volume_id")
    return [
        device
        for device in work.block_devices
        if device.instance_uuid == operation.instance_uuid
        and volume_id in (None, device.volume_id)
    ]
