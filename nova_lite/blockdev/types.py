"""A server's block devices as its host works with them: one class a kind (S182).

:func:`disk_of` makes the right one of a block device mapping. What the driver is
told of it is :meth:`~BlockDevice.info`, at boot as part of
:func:`block_device_info` and by itself when a volume is plugged in later. Only
volumes can be attached and detached (S183): local disks come and go with their
server's directory.
"""

import collections.abc
import contextlib
import functools
import json
import logging
import typing

from oslo_config import cfg

from nova_lite import concurrency
from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import revert
from nova_lite import states
from nova_lite.blockdev import naming
from nova_lite.virt import interface
from nova_lite.volume import cinder
from nova_lite.volume import creation
from nova_lite.volume import flow
from nova_lite.volume import host_side
from nova_lite.volume import keys
from nova_lite.volume import records
from nova_lite.volume import removal

LOG = logging.getLogger(__name__)

RELEASE_TRIES = 3
RELEASE_PAUSE_S = 0.2


class Host(typing.Protocol):
    """What volumes need of the compute host."""

    @property
    def conf(self) -> cfg.ConfigOpts:
        """Its configuration."""

    @property
    def cinder(self) -> cinder.CinderClient:
        """Its client of Cinder."""

    @property
    def driver(self) -> interface.Driver:
        """Its hypervisor."""


class Task(typing.Protocol):
    """What volumes need of the operation they take part in."""

    ctxt: context.RequestContext
    operation: objects.Operation
    instance: objects.Instance
    undo: revert.Reverter

    def step(
        self, name: str, task_state: states.TaskState | None = None
    ) -> contextlib.AbstractContextManager[objects.Step]:
        """A named part of the operation."""

    def save_device(self, device: objects.BlockDeviceMapping) -> None:
        """Persist a mapping that has changed."""


class BlockDevice:
    """What all kinds share: the mapping they were made of."""

    def __init__(self, bdm: objects.BlockDeviceMapping) -> None:
        self.bdm = bdm


class SwapDisk(BlockDevice):
    """A local disk with a swap signature."""

    def info(self) -> interface.SwapDevice:
        """``block_device_info['swap']`` (S178)."""
        return {
            "device_name": self.bdm.device_name,
            "swap_size": self.bdm.volume_size,
            "disk_bus": self.bdm.disk_bus or naming.DEFAULT_BUS,
        }


class EphemeralDisk(BlockDevice):
    """A local disk with an empty file system."""

    def info(self) -> interface.EphemeralDevice:
        """One of ``block_device_info['ephemerals']`` (S179)."""
        return {
            "device_name": self.bdm.device_name,
            "device_type": self.bdm.device_type,
            "disk_bus": self.bdm.disk_bus,
            "guest_format": self.bdm.guest_format,
            "size": self.bdm.volume_size,
        }


class LocalImageDisk(BlockDevice):
    """The root disk, made from an image on this host's own storage. It is no
    part of ``block_device_info``: the driver is given its image."""


class VolumeDisk(BlockDevice):
    """A volume that exists already; every phase it goes through is persisted."""

    def __init__(self, bdm: objects.BlockDeviceMapping, host: Host) -> None:
        super().__init__(bdm)
        self._host = host
        self._volumes = host.driver.volumes

    def info(self) -> interface.VolumeDevice:
        """One of ``block_device_info['block_device_mapping']`` (S180); it must
        be connected."""
        return {
            "connection_info": json.loads(self.bdm.connection_info),
            "mount_device": self.bdm.device_name,
            "attachment_id": self.bdm.attachment_id,
            "boot_index": self.bdm.boot_index,
            "delete_on_termination": self.bdm.delete_on_termination,
            "device_type": self.bdm.device_type,
            "disk_bus": self.bdm.disk_bus,
            "guest_format": self.bdm.guest_format,
        }

    def attach(
        self,
        task: Task,
        doing: states.TaskState | None = None,
        *,
        before_plug: collections.abc.Callable[[], object] | None = None,
    ) -> None:
        """Connect this host to the volume, give it to the guest if there is one,
        and tell Cinder that it is in use.

        How the volume is connected is saved before the host is touched, so a
        process that dies then leaves nothing that cannot be undone. Undoing
        :meth:`attach` is the caller's: see :meth:`hold` and :meth:`discard`.

        :param before_plug: given if a guest is to have the volume now; called
            once the host is connected, as the first part of the step.
        """
        recorded = _Recorded(self._volumes, functools.partial(task.save_device, self.bdm))
        way = self._flow(task.ctxt, recorded)
        with task.step("connect_volume", doing):
            self._connect(task, way)
        if before_plug is not None:
            with task.step("plug", doing):
                before_plug()
                self._plug(task)
        with task.step("complete_attachment", doing):
            way.complete(task.ctxt, self.bdm)
            task.save_device(self.bdm)

    def detach(self, task: Task) -> None:
        """Take it out of the guest, disconnect the host and release it; the
        volume itself is kept.

        A guest that will not let go keeps its disk, and the volume stays in-use.
        Once the guest has let go the way is forward only.
        """
        with task.step("unplug"):
            self._unplug(task)
        with task.step("release_volume"):
            self._release(task)

    def disconnect(self, ctxt: context.RequestContext) -> None:
        """Disconnect this host; Cinder is not told."""
        self._flow(ctxt).disconnect(ctxt, self.bdm)

    def reconnect(self, task: Task) -> None:
        """Connect this host to a volume that is in use, before its guest starts.

        What a restart of the host or of the hypervisor forgot (sessions, secrets in
        memory) is there again, and the guest's disk is what the volume is called
        now: a device's old name may be another volume's. Connected is success.
        """
        before = self.bdm.connection_info
        self._connect_host(task.ctxt, self._flow(task.ctxt))
        if self.bdm.connection_info != before:
            task.save_device(self.bdm)
        self._volumes.plug(task.instance.uuid, self.info())

    def hold(
        self,
        ctxt: context.RequestContext,
        instance_uuid: str,
        save: collections.abc.Callable[[objects.BlockDeviceMapping], object],
    ) -> None:
        """Disconnect this host, but never let go of the volume: a new
        reservation is made before the old one is given up (bug 1784353).

        :param save: writes a mapping to the database, which knows the new
            reservation before the old one goes, so that a delete always finds what
            to release. If it raises OperationSuperseded the server is somebody
            else's: the old reservation stays, which is all they know of.
        """
        bdm, client = self.bdm, self._host.cinder
        way = self._flow(ctxt)
        way.disconnect(ctxt, bdm)
        old = bdm.attachment_id
        if old is None:
            way.release(ctxt, bdm)
            bdm.connection_info, bdm.phase = None, None
            way.reserve(ctxt, instance_uuid, bdm)
            return
        held = bdm.obj_clone()
        held.attachment_id = self._reserve_again(ctxt, instance_uuid)
        held.connection_info, held.phase = None, states.DevicePhase.RESERVED.value
        try:
            save(held)
        except exceptions.OperationSuperseded:
            client.delete_attachment(ctxt, held.attachment_id)
            return
        bdm.attachment_id, bdm.phase = held.attachment_id, held.phase
        bdm.connection_info = None
        client.delete_attachment(ctxt, old)

    def discard(self, ctxt: context.RequestContext) -> None:
        """The build has failed for good: a volume of the user's stays."""

    @property
    def _serial(self) -> str:
        return host_side.serial_of(self.bdm)

    def _flow(
        self, ctxt: context.RequestContext, volumes: host_side.HostVolumes | None = None
    ) -> flow.AttachFlow:
        volume_keys = keys.VolumeKeys(self._host.conf)
        return flow.flow_for(
            ctxt, self.bdm, self._host.cinder, volumes or self._volumes, volume_keys
        )

    def _connect_host(self, ctxt: context.RequestContext, way: flow.AttachFlow) -> None:
        name = naming.with_dev(self.bdm.device_name)
        way.connect(ctxt, self.bdm, self._volumes.connector(), name)

    def _connect(self, task: Task, way: flow.AttachFlow) -> None:
        bdm = self.bdm
        if bdm.attachment_id is None and bdm.phase is None:
            way.reserve(task.ctxt, task.instance.uuid, bdm)
            task.save_device(bdm)
        self._connect_host(task.ctxt, way)

    def _plug(self, task: Task) -> None:
        instance_uuid = task.instance.uuid
        task.undo.add_vital("unplug", self._volumes.unplug, instance_uuid, self._serial)
        self._volumes.plug(instance_uuid, self.info())
        self._enter(task, states.DevicePhase.PLUGGED)

    def _unplug(self, task: Task) -> None:
        self._enter(task, states.DevicePhase.UNPLUGGING)
        try:
            self._volumes.unplug(task.instance.uuid, self._serial)
        except exceptions.GuestNotFound:
            # No guest, no disk in it.
            return
        except Exception as error:
            if self._is_plugged(task.instance.uuid):
                self._roll_detaching(task)
                raise
            LOG.info("The guest let go of %s in spite of: %s", self.bdm.volume_id, error)

    def _is_plugged(self, instance_uuid: str) -> bool:
        try:
            disks = self._volumes.list_disks(instance_uuid)
        except exceptions.GuestNotFound:
            return False
        return any(disk.serial == self._serial for disk in disks)

    def _roll_detaching(self, task: Task) -> None:
        """The volume stays in-use. If Cinder cannot be told, the phase stays
        ``unplugging``, with which the detach can be asked for again."""
        try:
            self._flow(task.ctxt).roll_detaching(task.ctxt, self.bdm)
        except exceptions.NovaLiteError as error:
            LOG.warning("Volume %s stays detaching: %s", self.bdm.volume_id, error.message)
            return
        self._enter(task, states.DevicePhase.COMPLETE)

    def _release(self, task: Task) -> None:
        release = functools.partial(
            removal.release,
            task.ctxt,
            self._host.cinder,
            self.bdm,
            self._volumes,
            keep=True,
            instance_host=task.instance.host,
        )
        for _ in range(RELEASE_TRIES - 1):
            try:
                release()
                return
            except exceptions.NovaLiteError as error:
                LOG.warning("Volume %s is not released yet: %s", self.bdm.volume_id, error.message)
            concurrency.sleep(RELEASE_PAUSE_S)
        release()

    def _reserve_again(self, ctxt: context.RequestContext, instance_uuid: str) -> str:
        """A second attachment of the same server. Cinder allows it while the
        volume is reserved or in-use, but not in between; completing leads out of
        there."""
        bdm, client = self.bdm, self._host.cinder
        try:
            return client.create_attachment(ctxt, bdm.volume_id, instance_uuid).id
        except exceptions.InvalidVolume:
            client.complete_attachment(ctxt, bdm.attachment_id)
        return client.create_attachment(ctxt, bdm.volume_id, instance_uuid).id

    def _enter(self, task: Task, phase: states.DevicePhase) -> None:
        self.bdm.phase = phase.value
        task.save_device(self.bdm)


class _Recorded:
    """The host's volumes, with the device saved before it is connected."""

    def __init__(
        self, volumes: interface.VolumeOps, save: collections.abc.Callable[[], object]
    ) -> None:
        self._volumes = volumes
        self._save = save

    def connector(self) -> dict[str, typing.Any]:
        return self._volumes.connector()

    def connect(
        self,
        connection_info: interface.ConnectionInfo,
        instance_uuid: str,
        encryption: keys.Encryption | None = None,
    ) -> None:
        self._save()
        self._volumes.connect(connection_info, instance_uuid, encryption)

    def disconnect(self, connection_info: interface.ConnectionInfo, instance_uuid: str) -> None:
        self._volumes.disconnect(connection_info, instance_uuid)

    def users(self, volume_id: str) -> frozenset[str]:
        return self._volumes.users(volume_id)


class NewVolume(VolumeDisk):
    """A volume that Cinder makes for this server."""

    def create(self, task: Task) -> None:
        """Have Cinder make the volume, unless it did, and wait for it.

        It is not undone when the build fails here: another host can use it.

        :raises nova_lite.exceptions.VolumeNotCreated: it failed or took too long.
        """
        bdm, client, conf = self.bdm, self._host.cinder, self._host.conf
        if bdm.volume_id is None:
            volume = self._made_before(task) or self._ordered(task)
            bdm.volume_id, bdm.volume_size = volume.id, volume.size_gib
            task.save_device(bdm)
        else:
            volume = client.get_volume(task.ctxt, bdm.volume_id)
        patience = creation.Patience.of(conf)
        # Also when the server was deleted meanwhile: before, it cannot be deleted.
        creation.wait_until_available(task.ctxt, client, volume, patience=patience)

    def discard(self, ctxt: context.RequestContext) -> None:
        """Delete the volume: no guest ever used it."""
        bdm = self.bdm
        if bdm.volume_id is None:
            return
        try:
            self._flow(ctxt).release(ctxt, bdm)
            self._host.cinder.delete_volume(ctxt, bdm.volume_id)
        except exceptions.VolumeNotFound:
            pass
        bdm.volume_id = bdm.attachment_id = bdm.connection_info = bdm.phase = None

    def _made_before(self, task: Task) -> records.Volume | None:
        """What an earlier attempt ordered and nobody heard of: its process died."""
        if task.operation.attempt <= 1:
            return None
        return creation.find(task.ctxt, self._host.cinder, self.bdm.uuid)

    def _ordered(self, task: Task) -> records.Volume:
        order = self._order(task.ctxt, task.instance)
        if not self._host.conf.cinder.cross_az_attach:
            order.availability_zone = task.instance.availability_zone
        return creation.create(task.ctxt, self._host.cinder, order)

    def _order(self, ctxt: context.RequestContext, instance: objects.Instance) -> creation.Order:
        """What Cinder is asked for; here what all sources have in common."""
        bdm = self.bdm
        return creation.Order(bdm.uuid, bdm.volume_size, volume_type=bdm.volume_type)


class SnapshotVolume(NewVolume):
    """A new volume with a snapshot's data; of its size and its source's type,
    unless the mapping says others."""

    def _order(self, ctxt: context.RequestContext, instance: objects.Instance) -> creation.Order:
        order, client = super()._order(ctxt, instance), self._host.cinder
        snapshot = client.get_snapshot(ctxt, self.bdm.snapshot_id)
        order.snapshot_id = snapshot.id
        order.size_gib = order.size_gib or snapshot.size_gib
        if not order.volume_type:
            order.volume_type = client.get_volume(ctxt, snapshot.volume_id).volume_type
        return order


class ImageVolume(NewVolume):
    """A new volume that Cinder fills from an image."""

    def _order(self, ctxt: context.RequestContext, instance: objects.Instance) -> creation.Order:
        order = super()._order(ctxt, instance)
        order.image_id = self.bdm.image_id
        return order


class BlankVolume(NewVolume):
    """A new, empty volume, named after its server."""

    def _order(self, ctxt: context.RequestContext, instance: objects.Instance) -> creation.Order:
        order = super()._order(ctxt, instance)
        order.name = f"{instance.uuid}-blank-vol"
        return order


Disk: typing.TypeAlias = SwapDisk | EphemeralDisk | LocalImageDisk | VolumeDisk

_VOLUMES: typing.Final[dict[str, type[VolumeDisk]]] = {
    "volume": VolumeDisk,
    "snapshot": SnapshotVolume,
    "image": ImageVolume,
    "blank": BlankVolume,
}


def disk_of(bdm: objects.BlockDeviceMapping, host: Host) -> Disk:
    """The device of a mapping, by its destination and source."""
    if bdm.is_volume:
        return volume_of(bdm, host)
    if bdm.is_swap:
        return SwapDisk(bdm)
    return EphemeralDisk(bdm) if bdm.source_type == "blank" else LocalImageDisk(bdm)


def volume_of(bdm: objects.BlockDeviceMapping, host: Host) -> VolumeDisk:
    """The device of a mapping whose destination is a volume."""
    return _VOLUMES[bdm.source_type](bdm, host)


def block_device_info(
    instance: objects.Instance, disks: collections.abc.Sequence[Disk]
) -> interface.BlockDeviceInfo:
    """The four parts of ``block_device_info`` (S177); volumes must be connected."""
    return {
        "root_device_name": instance.root_device_name,
        "swap": next((disk.info() for disk in disks if isinstance(disk, SwapDisk)), None),
        "ephemerals": [disk.info() for disk in disks if isinstance(disk, EphemeralDisk)],
        "block_device_mapping": [disk.info() for disk in disks if isinstance(disk, VolumeDisk)],
    }
