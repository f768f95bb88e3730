"""The volumes of a server on this host: shared by boot, attach, detach and
recovery."""

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import states
from nova_lite.compute import host as compute_host
from nova_lite.compute import task as compute_task
from nova_lite.virt import interface
from nova_lite.volume import creation
from nova_lite.volume import flow
from nova_lite.volume import host_side


def create(
    host: compute_host.ComputeHost,
    task: compute_task.InstanceTask,
    device: objects.BlockDeviceMapping,
) -> None:
    """Have Cinder make a device's volume, unless it exists, and wait for it.

    The volume is not undone here: another host can use it. It is deleted when
    the build fails for good.

    :raises nova_lite.exceptions.VolumeNotCreated: it failed or took too long.
    """
    zone = None
    if not host.conf.cinder.cross_az_attach:
        zone = task.instance.availability_zone
    if device.volume_id is None:
        creation.order(task.ctxt, host.cinder, device, task.instance.uuid, zone)
        task.save_device(device)
    creation.create_and_wait(
        task.ctxt,
        host.cinder,
        device,
        task.instance.uuid,
        availability_zone=zone,
        patience=creation.Patience.of(host.conf),
    )


def connect(
    host: compute_host.ComputeHost,
    task: compute_task.InstanceTask,
    device: objects.BlockDeviceMapping,
) -> flow.AttachFlow:
    """Reserve the volume if it is not, and connect it to this host.

    How the volume is connected is remembered before the host is touched, so a
    process that dies then leaves nothing that cannot be undone.

    :returns: the flow, for :meth:`~nova_lite.volume.flow.AttachFlow.complete`.
    """
    recorded = _Recorded(host.driver.volumes, task, device)
    way = flow.flow_for(task.ctxt, device, host.cinder, recorded)
    if device.attachment_id is None and device.phase is None:
        way.reserve(task.ctxt, task.instance.uuid, device)
        task.save_device(device)
    connector = host.driver.volumes.connector()
    way.connect(task.ctxt, device, connector, f"/dev/{bare_name(device)}")
    return way


def disconnect(
    host: compute_host.ComputeHost,
    ctxt: context.RequestContext,
    device: objects.BlockDeviceMapping,
) -> None:
    """Disconnect this host; Cinder is not told."""
    flow.flow_for(ctxt, device, host.cinder, host.driver.volumes).disconnect(ctxt, device)


class _Recorded:
    """The host's volumes, with a record of the device before it is connected."""

    def __init__(
        self,
        volumes: interface.VolumeOps,
        task: compute_task.InstanceTask,
        device: objects.BlockDeviceMapping,
    ) -> None:
        self._volumes = volumes
        self._task = task
        self._device = device

    def connect(self, connection_info: host_side.ConnectionInfo) -> None:
        self._task.save_device(self._device)
        self._volumes.connect(connection_info)

    def disconnect(self, connection_info: host_side.ConnectionInfo) -> None:
        self._volumes.disconnect(connection_info)


def disconnect_and_hold(
    host: compute_host.ComputeHost,
    ctxt: context.RequestContext,
    operation: objects.Operation,
    device: objects.BlockDeviceMapping,
) -> None:
    """Undo :func:`connect`, but never let go of the volume: a new reservation
    is made before the old one is given up (upstream bug 1784353).

    The database knows the new one before the old one goes, so that a delete
    always finds what to release. If the operation is somebody else's by then,
    the old one stays, which is all they know of.
    """
    instance_uuid = operation.instance_uuid
    way = flow.flow_for(ctxt, device, host.cinder, host.driver.volumes)
    way.disconnect(ctxt, device)
    old = device.attachment_id
    if old is None:
        way.release(ctxt, device)
        device.connection_info, device.phase = None, None
        way.reserve(ctxt, instance_uuid, device)
        return
    held = device.obj_clone()
    held.attachment_id = _reserve_again(host, ctxt, instance_uuid, device)
    held.connection_info, held.phase = None, states.DevicePhase.RESERVED.value
    try:
        compute_task.insist(host.conductor.save_block_device, ctxt, operation, held)
    except exceptions.OperationSuperseded:
        host.cinder.delete_attachment(ctxt, held.attachment_id)
        return
    device.attachment_id, device.phase = held.attachment_id, held.phase
    device.connection_info = None
    host.cinder.delete_attachment(ctxt, old)


def _reserve_again(
    host: compute_host.ComputeHost,
    ctxt: context.RequestContext,
    instance_uuid: str,
    device: objects.BlockDeviceMapping,
) -> str:
    """A second attachment of the same server. Cinder allows it while the volume
    is reserved or in-use, but not in between; completing leads out of there."""
    try:
        return host.cinder.create_attachment(ctxt, device.volume_id, instance_uuid).id
    except exceptions.InvalidVolume:
        host.cinder.complete_attachment(ctxt, device.attachment_id)
    return host.cinder.create_attachment(ctxt, device.volume_id, instance_uuid).id


def discard_created(
    host: compute_host.ComputeHost,
    ctxt: context.RequestContext,
    device: objects.BlockDeviceMapping,
) -> None:
    """Delete a volume that a build made and no guest ever used."""
    if device.source_type == "volume" or device.volume_id is None:
        return
    try:
        flow.flow_for(ctxt, device, host.cinder, host.driver.volumes).release(ctxt, device)
        host.cinder.delete_volume(ctxt, device.volume_id)
    except exceptions.VolumeNotFound:
        pass
    device.volume_id = device.attachment_id = device.connection_info = device.phase = None


def bare_name(device: objects.BlockDeviceMapping) -> str:
    """``vda`` for ``/dev/vda``."""
    return str(device.device_name).removeprefix("/dev/")
