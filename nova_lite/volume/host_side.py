"""The host's side of an attachment, which both flows share."""

import json
import logging
import typing

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import states
from nova_lite.volume import cinder
from nova_lite.volume import connector
from nova_lite.volume import keys
from nova_lite.volume import records

LOG = logging.getLogger(__name__)

ConnectionInfo = dict[str, typing.Any]


class HostVolumes(typing.Protocol):
    """What the flows need of the driver's ``VolumeOps``."""

    def connector(self) -> dict[str, typing.Any]:
        """This host, for Cinder."""

    def connect(
        self,
        connection_info: ConnectionInfo,
        instance_uuid: str,
        encryption: keys.Encryption | None = None,
    ) -> None:
        """Prepare the host for a server. Connected is success."""

    def disconnect(self, connection_info: ConnectionInfo, instance_uuid: str) -> None:
        """Undo :meth:`connect`. Not connected is success."""

    def users(self, volume_id: str) -> frozenset[str]:
        """UUIDs of the servers the host is connected to the volume for."""


def connection_info_of(bdm: objects.BlockDeviceMapping) -> ConnectionInfo | None:
    """What Cinder said when the volume was exported, if it was."""
    if not bdm.connection_info:
        return None
    return typing.cast(ConnectionInfo, json.loads(bdm.connection_info))


CONNECTED_AS = "connected_as"
"""In connection_info: the id under which this host keeps the connection, if it is not
the serial of the guest's disk."""


def connection_id_of(bdm: objects.BlockDeviceMapping) -> str | None:
    """What a host keeps the device's connection by: the volume's id when it was
    connected. A disk that was moved to another volume keeps its serial, so the new
    volume has an id of its own here."""
    info = connection_info_of(bdm) or {}
    found = info.get(CONNECTED_AS) or info.get("serial") or bdm.volume_id
    return None if found is None else str(found)


def serial_of(bdm: objects.BlockDeviceMapping) -> str:
    """The serial of the guest's disk: the volume's id, unless the volume has got
    another one since the guest has it."""
    info = connection_info_of(bdm) or {}
    return str(info.get("serial") or bdm.volume_id)


def completed(bdm: objects.BlockDeviceMapping, info: ConnectionInfo) -> ConnectionInfo:
    """Cinder's answer with what it may leave out.

    ``serial`` defaults to the volume's id and ``access_mode`` to ``rw``; a
    ``multipath_id`` that an earlier connection found is kept.
    """
    data = dict(info.get("data") or {})
    # Old Cinders send Ceph's key along (OSSN-0085), which no host needs: it is not kept.
    data.pop("keyring", None)
    data.setdefault("access_mode", "rw")
    earlier = connection_info_of(bdm) or {}
    if "multipath_id" in earlier.get("data", {}):
        data.setdefault("multipath_id", earlier["data"]["multipath_id"])
    return info | {"data": data, "serial": info.get("serial") or bdm.volume_id}


def record(bdm: objects.BlockDeviceMapping, info: ConnectionInfo, volume: records.Volume) -> None:
    """Keep Cinder's answer, :func:`completed`, in the mapping. Phase ``connected``.

    What the guest's disk is made by is kept too, where Nova keeps it: whether several
    servers may have the volume, and whether it is encrypted.
    """
    info = completed(bdm, info)
    # The data may not say so, or say so of what the storage decrypts by itself.
    info["data"]["encrypted"] = volume.encrypted
    if volume.is_readonly:
        # Cinder says "rw" of it if a user without privileges asks for the connection.
        info["data"]["access_mode"] = "ro"
    if volume.multiattach:
        info["multiattach"] = True
    bdm.connection_info = json.dumps(info)
    bdm.phase = states.DevicePhase.CONNECTED.value


def connect(
    volumes: HostVolumes | None,
    bdm: objects.BlockDeviceMapping,
    encryption: keys.Encryption | None,
) -> None:
    """Connect the host, and keep what it found; if that fails, clean the host up
    and raise."""
    info = connection_info_of(bdm)
    if volumes is None or info is None:
        raise AssertionError("connecting needs a host and connection information")
    try:
        volumes.connect(info, bdm.instance_uuid, encryption)
        bdm.connection_info = json.dumps(info)
    except Exception:
        try:
            volumes.disconnect(info, bdm.instance_uuid)
        except Exception:
            LOG.exception("Could not clean up after connecting volume %s failed", bdm.volume_id)
        raise


def disconnect(
    ctxt: context.RequestContext,
    client: cinder.CinderClient,
    volumes: HostVolumes | None,
    bdm: objects.BlockDeviceMapping,
    info: ConnectionInfo | None,
) -> None:
    """Disconnect the host if it may be connected. Phase ``disconnected``."""
    if info is not None:
        if volumes is None:
            raise AssertionError("disconnecting needs a host")
        if info["driver_volume_type"] in connector.TRANSPORTS_WITHOUT_TARGETS:
            volumes.disconnect(info, bdm.instance_uuid)
        else:
            _disconnect_guarded(ctxt, client, volumes, bdm, info)
    if bdm.phase is not None:
        bdm.phase = states.DevicePhase.DISCONNECTED.value


def _disconnect_guarded(
    ctxt: context.RequestContext,
    client: cinder.CinderClient,
    volumes: HostVolumes,
    bdm: objects.BlockDeviceMapping,
    info: ConnectionInfo,
) -> None:
    try:
        volume = client.get_volume(ctxt, bdm.volume_id)
    except exceptions.VolumeNotFound:
        # Nobody else can share what is gone.
        volumes.disconnect(info, bdm.instance_uuid)
        return
    with connector.guard_connection(volume):
        volumes.disconnect(info, bdm.instance_uuid)


def encryption_of(
    ctxt: context.RequestContext,
    client: cinder.CinderClient,
    volume_keys: keys.VolumeKeys | None,
    volume: records.Volume,
) -> keys.Encryption | None:
    """What opens the volume if it is encrypted, asked for whenever a host is
    connected (S201): no guest is ever given ciphertext (CVE-2017-18191).

    :raises nova_lite.exceptions.InvalidVolume: nobody knows how to open it.
    :raises nova_lite.exceptions.RemoteServiceError: the key cannot be had.
    """
    if not volume.encrypted:
        return None
    found = client.get_encryption(ctxt, volume.id)
    if found is None or found.control_location != "front-end" or volume_keys is None:
        raise exceptions.InvalidVolume(
            reason=f"volume {volume.id} is encrypted in a way that hosts do not open"
        )
    return keys.Encryption(found.provider, volume_keys.passphrase(ctxt, found.key_id))


def must_export(bdm: objects.BlockDeviceMapping) -> bool:
    """Whether the volume is not exported to this host yet."""
    return bdm.connection_info is None or bdm.phase in (
        None,
        states.DevicePhase.RESERVED,
        states.DevicePhase.DISCONNECTED,
    )
