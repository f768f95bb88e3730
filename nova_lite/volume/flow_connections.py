"""The legacy way: reserve, initialize_connection, attach; terminate, detach.

Cinder keeps no record that ties a reservation to a server here, so what must be
undone follows from the device's phase and the volume's status. The connector is
stashed in the connection information, since the connection must be terminated
with the same one, maybe by another process.
"""

import logging
import typing

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import states
from nova_lite.volume import cinder
from nova_lite.volume import connector as seam
from nova_lite.volume import host_side
from nova_lite.volume import keys
from nova_lite.volume import records

LOG = logging.getLogger(__name__)


class ConnectionsFlow:
    """:class:`nova_lite.volume.flow.AttachFlow` with Cinder's legacy calls."""

    def __init__(
        self,
        client: cinder.CinderClient,
        volumes: host_side.HostVolumes | None,
        volume_keys: keys.VolumeKeys | None = None,
        instance_host: str | None = None,
    ) -> None:
        self._cinder = client
        self._volumes = volumes
        self._keys = volume_keys
        self._instance_host = instance_host

    def reserve(
        self,
        ctxt: context.RequestContext,
        instance_uuid: str,
        bdm: objects.BlockDeviceMapping,
    ) -> None:
        """The volume becomes ``attaching``.

        If Cinder's answer was lost, the phase says ``reserved`` all the same, and
        :meth:`release` gives the volume back if it is ``attaching``.
        """
        if bdm.phase is not None:
            return
        bdm.instance_uuid = instance_uuid
        bdm.phase = states.DevicePhase.RESERVED.value
        try:
            self._cinder.reserve_volume(ctxt, bdm.volume_id)
        except (exceptions.InvalidVolume, exceptions.NotFound, exceptions.Forbidden):
            bdm.phase = None
            raise

    def connect(
        self,
        ctxt: context.RequestContext,
        bdm: objects.BlockDeviceMapping,
        connector: dict[str, typing.Any],
        mountpoint: str,
    ) -> None:
        """Initialise the connection, and connect the host."""
        volume = self._cinder.get_volume(ctxt, bdm.volume_id)
        encryption = host_side.encryption_of(ctxt, self._cinder, self._keys, volume)
        with seam.guard_connection(volume):
            if host_side.must_export(bdm):
                info = self._export(ctxt, bdm, connector)
                host_side.record(bdm, info | {"connector": connector}, volume)
            bdm.device_name = mountpoint
            host_side.connect(self._volumes, bdm, encryption)

    def complete(self, ctxt: context.RequestContext, bdm: objects.BlockDeviceMapping) -> None:
        """Attach the volume to the server; attached already is success."""
        if self._use(ctxt, bdm) is None:
            info = host_side.connection_info_of(bdm) or {}
            mode = info.get("data", {}).get("access_mode", "rw")
            self._cinder.attach_volume(
                ctxt, bdm.volume_id, bdm.instance_uuid, bdm.device_name, mode
            )
        bdm.phase = states.DevicePhase.COMPLETE.value

    def disconnect(self, ctxt: context.RequestContext, bdm: objects.BlockDeviceMapping) -> None:
        """Disconnect this host."""
        info = host_side.connection_info_of(bdm)
        host_side.disconnect(ctxt, self._cinder, self._volumes, bdm, info)

    def release(self, ctxt: context.RequestContext, bdm: objects.BlockDeviceMapping) -> None:
        """Terminate the connection, then detach or unreserve. Phase None."""
        if bdm.phase is None:
            return
        try:
            volume = self._cinder.get_volume(ctxt, bdm.volume_id)
            info = host_side.connection_info_of(bdm)
            connector = self._connector_of(info) if info else None
            if connector is not None and not self._is_shared(bdm):
                self._cinder.terminate_connection(ctxt, bdm.volume_id, connector)
            use = _use_of(volume, bdm.instance_uuid)
            if use is not None:
                self._cinder.detach_volume(ctxt, bdm.volume_id, use.attachment_id)
            elif volume.status == "attaching":
                self._cinder.unreserve_volume(ctxt, bdm.volume_id)
        except exceptions.VolumeNotFound:
            pass
        bdm.phase = None
        bdm.connection_info = None

    def begin_detaching(
        self, ctxt: context.RequestContext, bdm: objects.BlockDeviceMapping
    ) -> None:
        """The volume becomes ``detaching``."""
        self._cinder.begin_detaching(ctxt, bdm.volume_id)

    def roll_detaching(
        self, ctxt: context.RequestContext, bdm: objects.BlockDeviceMapping
    ) -> None:
        """The volume is ``in-use`` again."""
        self._cinder.roll_detaching(ctxt, bdm.volume_id)

    def _export(
        self,
        ctxt: context.RequestContext,
        bdm: objects.BlockDeviceMapping,
        connector: dict[str, typing.Any],
    ) -> host_side.ConnectionInfo:
        """Initialise the connection; if the answer is lost, terminate it again."""
        try:
            return self._cinder.initialize_connection(ctxt, bdm.volume_id, connector)
        except exceptions.RemoteServiceError:
            try:
                self._cinder.terminate_connection(ctxt, bdm.volume_id, connector)
            except exceptions.NovaLiteError as error:
                LOG.warning("Volume %s may still be exported: %s", bdm.volume_id, error)
            raise

    def _connector_of(self, info: host_side.ConnectionInfo) -> dict[str, typing.Any] | None:
        """The connector to terminate a connection with: of the host that has it."""
        local = self._volumes.connector() if self._volumes is not None else None
        return connector_of(info.get("connector"), local, self._instance_host)

    def _is_shared(self, bdm: objects.BlockDeviceMapping) -> bool:
        """Whether another server of this host needs the volume's export, which is
        one a host."""
        if self._volumes is None:
            return False
        return bool(self._volumes.users(bdm.volume_id) - {bdm.instance_uuid})

    def _use(
        self, ctxt: context.RequestContext, bdm: objects.BlockDeviceMapping
    ) -> records.VolumeUse | None:
        return _use_of(self._cinder.get_volume(ctxt, bdm.volume_id), bdm.instance_uuid)


def connector_of(
    stashed: dict[str, typing.Any] | None,
    local: dict[str, typing.Any] | None,
    instance_host: str | None,
) -> dict[str, typing.Any] | None:
    """With which connector a connection must be terminated (S213; Nova's rule).

    :param stashed: the one that it was initialised with, if that was kept.
    :param local: this host's; None where there is no host.
    :param instance_host: the server's host; None if it is this one.
    :returns: None if the connection cannot be terminated from here.
    """
    stashed_host = (stashed or {}).get("host")
    if local is None:
        return stashed if instance_host in (None, stashed_host) else None
    here = local.get("host")
    if instance_host in (None, here):
        return stashed if stashed_host == here else local
    if stashed is None:
        LOG.warning(
            "The server is on %s and this host is %s, but the connector that its volume was "
            "connected with was not kept; using this host's",
            instance_host, here,
        )  # fmt: skip
        return local
    if stashed_host != instance_host:
        LOG.error(
            "The server is on %s, this host is %s, and its volume was connected for %s; using "
            "this host's connector",
            instance_host, here, stashed_host,
        )  # fmt: skip
        return local
    return stashed


def _use_of(volume: records.Volume, instance_uuid: str) -> records.VolumeUse | None:
    return next((use for use in volume.attachments if use.server_uuid == instance_uuid), None)
