"""Move a server's disk to another volume while its guest runs: Cinder migrates the
volume, and only the hypervisor can copy a disk that is being written.

Until the guest is on the new volume a failure leads back: the guest keeps the old
one. After that the way is forward only, whatever fails: what is not done is said.
"""

import collections.abc
import contextlib
import functools
import json
import logging
import typing

from nova_lite import concurrency
from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import revert
from nova_lite import states
from nova_lite.blockdev import naming
from nova_lite.blockdev import types
from nova_lite.compute import host as compute_host
from nova_lite.compute import task as compute_task
from nova_lite.virt import interface
from nova_lite.virt import sizes
from nova_lite.volume import flow
from nova_lite.volume import host_side
from nova_lite.volume import keys
from nova_lite.volume import removal
from nova_lite.volume import swapping

LOG = logging.getLogger(__name__)

MAX_TRIES = 5
FIRST_PAUSE_S = 0.2

Device: typing.TypeAlias = objects.BlockDeviceMapping


def run(host: compute_host.ComputeHost, task: compute_task.InstanceTask) -> None:
    """Swap the one device of ``task`` from its volume to ``new_volume_id``.

    It may have been begun by a process that died: what is done is not repeated.
    """
    volume_id = task.operation.arguments["volume_id"]
    if not task.devices:
        task.undo.add(
            "call off the swap", swapping.call_off, task.ctxt, host.cinder, task.operation, None
        )
        raise exceptions.InvalidVolume(
            reason=f"volume {volume_id} is not attached to instance {task.instance.uuid} any more"
        )
    (device,) = task.devices
    if not swapping.is_on_new_side(task.operation, device):
        target = swapping.other_of(device)
        if target is None or not _is_backed_by(host, device, target):
            target = _move(host, task, device)
        _turn(host, task, device, target)
    try:
        _settle(host, task, device)
    except exceptions.OperationSuperseded:
        raise
    except Exception as error:
        if isinstance(error, exceptions.NovaLiteError) and error.is_temporary:
            # There is no way back, and what the guest writes is on the new volume: the
            # next sweep goes on, until Cinder has heard of it.
            task.end_badly = task.leave
        else:
            # Its user can detach it, and a delete of the server releases both volumes.
            device.phase = states.DevicePhase.UNPLUGGING.value
            task.save_device(device)
        raise


def is_past_return(
    host: compute_host.ComputeHost, operation: objects.Operation, device: Device
) -> bool:
    """Whether the guest is on the new volume, so that there is no way back.

    :raises nova_lite.exceptions.NovaLiteError: the hypervisor cannot be asked.
    """
    target = swapping.other_of(device)
    return swapping.is_on_new_side(operation, device) or (
        target is not None and _is_backed_by(host, device, target)
    )


def roll_back(
    host: compute_host.ComputeHost,
    ctxt: context.RequestContext,
    operation: objects.Operation,
    device: Device,
) -> None:
    """Leave everything as it was before; the guest is on the old volume, or to be.

    :raises nova_lite.exceptions.NovaLiteError: something of it failed; it can be repeated.
    """
    _end_copy(host, device)
    arguments = operation.arguments
    target = swapping.other_of(device) or swapping.stand_in(
        device, arguments["new_volume_id"], arguments.get("new_attachment_id")
    )
    with revert.going_on(f"new volume {target.volume_id}"):
        _release(host, ctxt, device, target)
        # Before, a detach or a delete of the server releases both.
        swapping.forget(device)
    with revert.going_on(f"status of volume {device.volume_id}"):
        host.cinder.roll_detaching(ctxt, device.volume_id)
    with revert.going_on(f"migration of volume {device.volume_id}"):
        swapping.tell_failure(ctxt, host.cinder, operation)


def _move(
    host: compute_host.ComputeHost, task: compute_task.InstanceTask, device: Device
) -> Device:
    """Connect the new volume, and have the hypervisor copy the disk there."""
    arguments, ctxt = task.operation.arguments, task.ctxt
    target = swapping.stand_in(
        device, arguments["new_volume_id"], arguments.get("new_attachment_id")
    )
    task.undo.add(
        "end Cinder's migration", swapping.tell_failure, ctxt, host.cinder, task.operation
    )
    task.undo.add("tell Cinder that it stays", host.cinder.roll_detaching, ctxt, device.volume_id)
    task.undo.add("release the new volume", _give_back, host, task, device, target)
    task.undo.add_vital("see the guest on the old volume", _require_old, host, device, target)
    with task.step("connect_volume"):
        volumes = _Remembered(host, task, device, target)
        way = flow.flow_for(ctxt, device, host.cinder, volumes, keys.VolumeKeys(host.conf))
        connector = host.driver.volumes.connector()
        way.connect(ctxt, target, connector, naming.with_dev(device.device_name))
        # With what the host has found out, such as the device's path.
        swapping.remember(device, target)
        task.save_device(device)
    task.undo.add_vital("end the copy", _end_copy, host, device)
    with task.step("copy"):
        _copy(host, task, device, target)
    task.undo.commit()
    return target


def _copy(
    host: compute_host.ComputeHost,
    task: compute_task.InstanceTask,
    device: Device,
    target: Device,
) -> None:
    old = host_side.connection_info_of(device)
    new = types.volume_of(target, host).info()
    volumes, uuid = host.driver.volumes, device.instance_uuid
    try:
        volumes.swap(uuid, old or {}, new, is_wanted=lambda: not task.superseded)
    except exceptions.VolumeCopyStopped as error:
        raise exceptions.OperationSuperseded(operation_id=task.operation.id) from error
    except Exception as error:
        # Only the answer may be lost.
        if not _is_backed_by(host, device, target):
            raise
        LOG.info("The guest is on volume %s in spite of: %s", target.volume_id, error)


def _end_copy(host: compute_host.ComputeHost, device: Device) -> None:
    """No copy runs on: the new volume is to be released."""
    info = host_side.connection_info_of(device)
    if info is not None:
        with contextlib.suppress(exceptions.GuestNotFound):
            host.driver.volumes.abandon_swap(device.instance_uuid, info)


def _turn(
    host: compute_host.ComputeHost,
    task: compute_task.InstanceTask,
    device: Device,
    target: Device,
) -> None:
    """From now on the device is the new volume, and the old one is the other."""
    old = device.obj_clone()
    swapping.forget(old)
    device.connection_info = target.connection_info
    device.attachment_id = target.attachment_id
    swapping.remember(device, old)
    task.save_device(device)
    save = functools.partial(host.conductor.save_block_device, task.ctxt, task.operation)
    compute_task.insist(save, device)


def _settle(
    host: compute_host.ComputeHost, task: compute_task.InstanceTask, device: Device
) -> None:
    """The guest is on the new volume: tell Cinder, and let go of the old one."""
    ctxt, arguments = task.ctxt, task.operation.arguments
    with task.step("complete_attachment"):
        target = device.obj_clone()
        target.volume_id = arguments["new_volume_id"]
        way = flow.flow_for(ctxt, device, host.cinder, host.driver.volumes)
        _stubbornly(way.complete, ctxt, target)
    with task.step("release_volume"):
        old = swapping.other_of(device)
        if old is not None:
            _stubbornly(_release, host, ctxt, device, old)
            swapping.forget(device)
            task.save_device(device)
    with task.step("complete_migration"):
        device.volume_id = _complete_migration(host, task, device)
        size_gib = host.cinder.get_volume(ctxt, device.volume_id).size_gib
        if size_gib > (device.volume_size or 0):
            info = host_side.connection_info_of(device) or {}
            host.driver.volumes.extend(device.instance_uuid, info, size_gib * sizes.GIB)
        device.volume_size = size_gib
        device.phase = states.DevicePhase.COMPLETE.value
        task.save_device(device)


def _complete_migration(
    host: compute_host.ComputeHost, task: compute_task.InstanceTask, device: Device
) -> str:
    """The id under which the volume goes on."""
    arguments = task.operation.arguments
    old_id, new_id = arguments["volume_id"], arguments["new_volume_id"]

    def complete() -> str:
        try:
            return host.cinder.complete_migration(task.ctxt, old_id, new_id, failed=False)
        except exceptions.NovaLiteError:
            # It may have done it, and its answer was lost.
            if host.cinder.get_volume(task.ctxt, old_id).is_migrating:
                raise
            return old_id

    try:
        return _stubbornly(complete)
    except exceptions.NovaLiteError:
        device.volume_id = new_id
        raise


def _give_back(
    host: compute_host.ComputeHost,
    task: compute_task.InstanceTask,
    device: Device,
    target: Device,
) -> None:
    """Undo of connecting the new volume."""
    _release(host, task.ctxt, device, target)
    swapping.forget(device)
    task.save_device(device)


def _require_old(host: compute_host.ComputeHost, device: Device, target: Device) -> None:
    """The new volume is never released while the guest is on it."""
    if _is_backed_by(host, device, target):
        raise exceptions.HypervisorError(
            reason=f"the guest is on volume {target.volume_id}, which cannot be released"
        )


def _release(
    host: compute_host.ComputeHost,
    ctxt: context.RequestContext,
    device: Device,
    other: Device,
) -> None:
    """Disconnect and release a volume by the device's own flow; the volume is
    Cinder's to remove."""
    way = flow.flow_for(ctxt, device, host.cinder, host.driver.volumes)
    removal.release_by(way, ctxt, other, disconnect=True)


def _is_backed_by(host: compute_host.ComputeHost, device: Device, target: Device) -> bool:
    info = host_side.connection_info_of(target)
    if info is None:
        return False
    serial = host_side.serial_of(device)
    try:
        return host.driver.volumes.is_backed_by(device.instance_uuid, serial, info)
    except exceptions.GuestNotFound:
        return False


R = typing.TypeVar("R")
P = typing.ParamSpec("P")


def _stubbornly(do: collections.abc.Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """There is no way back: try it again while there is hope."""
    pause_s = FIRST_PAUSE_S
    for _ in range(MAX_TRIES - 1):
        try:
            return do(*args, **kwargs)
        except exceptions.OperationSuperseded:
            raise
        except exceptions.NovaLiteError as error:
            LOG.warning("%s; trying it again in %.1f s", error.message, pause_s)
        concurrency.sleep(pause_s)
        pause_s *= 2
    return do(*args, **kwargs)


class _Remembered:
    """The host's volumes, which remember the new one in the device, here and in the
    database, before the host is connected to it.

    The guest's disk keeps its serial, so the new volume's connection has that of the
    old one, and says by itself under which id this host keeps it.
    """

    def __init__(
        self,
        host: compute_host.ComputeHost,
        task: compute_task.InstanceTask,
        device: Device,
        target: Device,
    ) -> None:
        self._host, self._task, self._device, self._target = host, task, device, target

    def connector(self) -> dict[str, typing.Any]:
        """This host's."""
        return self._host.driver.volumes.connector()

    def connect(
        self,
        connection_info: interface.ConnectionInfo,
        instance_uuid: str,
        encryption: keys.Encryption | None = None,
    ) -> None:
        """Remember, and connect."""
        connection_info["serial"] = host_side.serial_of(self._device)
        connection_info[host_side.CONNECTED_AS] = self._target.volume_id
        self._target.connection_info = json.dumps(connection_info)
        swapping.remember(self._device, self._target)
        self._task.save_device(self._device)
        self._host.conductor.save_block_device(self._task.ctxt, self._task.operation, self._device)
        self._host.driver.volumes.connect(connection_info, instance_uuid, encryption)

    def disconnect(self, connection_info: interface.ConnectionInfo, instance_uuid: str) -> None:
        """As remembered."""
        info = host_side.connection_info_of(self._target) or connection_info
        self._host.driver.volumes.disconnect(info, instance_uuid)

    def users(self, volume_id: str) -> frozenset[str]:
        """As the host knows them."""
        return self._host.driver.volumes.users(volume_id)
