"""The two volumes of a swap, of which a device has room for one.

While a guest's disk moves from one volume to another, its host is connected to both.
The one that is not the device's own is kept in the device's connection information,
so that whatever happens to the server meanwhile, who releases the device finds both.
"""

import json
import logging

from oslo_utils import uuidutils

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import states
from nova_lite.volume import cinder
from nova_lite.volume import flow
from nova_lite.volume import host_side

LOG = logging.getLogger(__name__)

_KEY = "swap"


def stand_in(
    device: objects.BlockDeviceMapping,
    volume_id: str,
    attachment_id: str | None = None,
    *,
    reserved: bool = True,
) -> objects.BlockDeviceMapping:
    """A mapping of another volume in the place of ``device``; in no database.

    :param reserved: Cinder may hold that volume for the server already.
    """
    return objects.BlockDeviceMapping(
        uuid=uuidutils.generate_uuid(),
        instance_uuid=device.instance_uuid,
        source_type="volume",
        destination_type="volume",
        device_type=device.device_type,
        disk_bus=device.disk_bus,
        boot_index=device.boot_index,
        device_name=device.device_name,
        volume_id=volume_id,
        attachment_id=attachment_id,
        phase=states.DevicePhase.RESERVED.value if reserved else None,
    )


def remember(device: objects.BlockDeviceMapping, other: objects.BlockDeviceMapping) -> None:
    """Keep the ``other`` volume with ``device``, which must be connected."""
    info = host_side.connection_info_of(device) or {}
    info[_KEY] = {
        "volume_id": other.volume_id,
        "attachment_id": other.attachment_id,
        "phase": other.phase,
        "connection_info": host_side.connection_info_of(other),
    }
    device.connection_info = json.dumps(info)


def other_of(device: objects.BlockDeviceMapping) -> objects.BlockDeviceMapping | None:
    """The other volume that is kept with ``device``, if one is."""
    kept = (host_side.connection_info_of(device) or {}).get(_KEY)
    if kept is None:
        return None
    other = stand_in(device, kept["volume_id"], kept["attachment_id"])
    other.phase = kept["phase"]
    if kept["connection_info"] is not None:
        other.connection_info = json.dumps(kept["connection_info"])
    return other


def connections_of(device: objects.BlockDeviceMapping) -> list[host_side.ConnectionInfo]:
    """The connection information of a device's volumes: of one, or of both."""
    other = other_of(device)
    found = [host_side.connection_info_of(each) for each in (other, device) if each is not None]
    return [info for info in found if info is not None]


def connection_ids_of(device: objects.BlockDeviceMapping) -> list[str]:
    """What a host keeps the connections of a device's volumes by."""
    found = [host_side.connection_id_of(each) for each in (other_of(device), device) if each]
    return [connection_id for connection_id in found if connection_id is not None]


def forget(device: objects.BlockDeviceMapping) -> None:
    """The other volume is released."""
    info = host_side.connection_info_of(device)
    if info is not None and info.pop(_KEY, None) is not None:
        device.connection_info = json.dumps(info)


def is_on_new_side(operation: objects.Operation, device: objects.BlockDeviceMapping) -> bool:
    """Whether the guest is on the new volume of a swap, and the device says so."""
    return host_side.connection_id_of(device) == operation.arguments["new_volume_id"]


def call_off(
    ctxt: context.RequestContext,
    client: cinder.CinderClient,
    operation: objects.Operation,
    device: objects.BlockDeviceMapping | None,
) -> None:
    """Give the new volume of a swap back, which no host is connected to (any more),
    and have Cinder end its migration. Doing it twice is well.

    :param device: on the old volume, which it keeps; None if that was detached.
    :raises nova_lite.exceptions.NovaLiteError: Cinder cannot take it now.
    """
    arguments = operation.arguments
    gone = objects.BlockDeviceMapping(instance_uuid=operation.instance_uuid)
    other = stand_in(
        device or gone, arguments["new_volume_id"], arguments.get("new_attachment_id")
    )
    flow.flow_for(ctxt, device or other, client).release(ctxt, other)
    if device is not None:
        client.roll_detaching(ctxt, device.volume_id)
    tell_failure(ctxt, client, operation)


def tell_failure(
    ctxt: context.RequestContext, client: cinder.CinderClient, operation: objects.Operation
) -> None:
    """Have Cinder end the migration; if it has ended already, that is success.

    :raises nova_lite.exceptions.NovaLiteError: Cinder cannot take it now.
    """
    _end_migration(ctxt, client, operation, failed=True)


def tell_success(
    ctxt: context.RequestContext, client: cinder.CinderClient, operation: objects.Operation
) -> None:
    """The guest was on the new volume last: have Cinder go on with that one's data.
    If the migration has ended already, that is success.

    :raises nova_lite.exceptions.NovaLiteError: Cinder cannot take it now.
    """
    _end_migration(ctxt, client, operation, failed=False)


def _end_migration(
    ctxt: context.RequestContext,
    client: cinder.CinderClient,
    operation: objects.Operation,
    *,
    failed: bool,
) -> None:
    old_id, new_id = operation.arguments["volume_id"], operation.arguments["new_volume_id"]
    try:
        client.complete_migration(ctxt, old_id, new_id, failed=failed)
    except (exceptions.InvalidVolume, exceptions.VolumeNotFound) as error:
        LOG.info("Cinder has ended the migration of %s itself: %s", old_id, error.message)
