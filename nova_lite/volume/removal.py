"""Giving back the volumes of a server that goes away."""

import collections.abc
import logging

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import transitions
from nova_lite.volume import cinder
from nova_lite.volume import creation
from nova_lite.volume import flow
from nova_lite.volume import growing
from nova_lite.volume import host_side
from nova_lite.volume import swapping

LOG = logging.getLogger(__name__)


def release_all(
    ctxt: context.RequestContext,
    client: cinder.CinderClient,
    devices: collections.abc.Iterable[objects.BlockDeviceMapping],
    volumes: host_side.HostVolumes | None,
    superseded: collections.abc.Sequence[objects.Operation] = (),
) -> list[str]:
    """Release every volume, and delete those that go with their server.

    One volume that cannot be released does not keep the others.

    :param volumes: this host's side, which is disconnected first; None where
        no host is involved.
    :param superseded: what was being done to the server.
    :returns: a line for each volume that is left behind in some way.
    """
    left = []
    for device in devices:
        if not device.is_volume:
            continue
        try:
            if device.volume_id:
                release(ctxt, client, device, volumes, superseded=superseded)
            else:
                _delete_unknown(ctxt, client, device)
        except exceptions.NovaLiteError as error:
            name = device.volume_id or f"of device {device.uuid}"
            LOG.warning("Volume %s is left behind: %s", name, error.message)
            # Audits look for these words in the journal.
            fate = ", which was to be deleted" if device.delete_on_termination else ""
            left.append(f"volume {name}{fate}: {error.message}")
    return left


def release_reserved(
    ctxt: context.RequestContext,
    client: cinder.CinderClient,
    devices: collections.abc.Iterable[objects.BlockDeviceMapping],
    *,
    keep: bool = False,
) -> list[str]:
    """Release what is reserved for a server that no host ever had, and delete the volumes
    that were to go with it.

    :param keep: delete none.
    :returns: a line for each volume that Cinder still holds. One that is free and could
        not be deleted is only logged.
    """
    held = []
    for device in devices:
        # Without attachments the phase alone says so.
        if not device.attachment_id and not device.phase:
            continue
        try:
            release(ctxt, client, device, None, keep=True)
        except exceptions.NovaLiteError as error:
            LOG.warning("Volume %s is still reserved: %s", device.volume_id, error.message)
            held.append(f"volume {device.volume_id}: {error.message}")
            continue
        if device.delete_on_termination and not keep:
            try:
                _delete(ctxt, client, device.volume_id)
            except exceptions.NovaLiteError as error:
                LOG.warning(
                    "Volume %s, which was to be deleted, is left behind: %s",
                    device.volume_id, error.message,
                )  # fmt: skip
    return held


def _delete(ctxt: context.RequestContext, client: cinder.CinderClient, volume_id: str) -> None:
    try:
        client.delete_volume(ctxt, volume_id)
    except exceptions.VolumeNotFound:
        LOG.info("Volume %s is gone already", volume_id)


def _delete_unknown(
    ctxt: context.RequestContext,
    client: cinder.CinderClient,
    device: objects.BlockDeviceMapping,
) -> None:
    """A volume that Cinder made for a device without anybody hearing of it."""
    made = creation.find(ctxt, client, device.uuid)
    if made is not None:
        LOG.info("Deleting volume %s, which nobody heard of", made.id)
        client.delete_volume(ctxt, made.id)


def release(
    ctxt: context.RequestContext,
    client: cinder.CinderClient,
    device: objects.BlockDeviceMapping,
    volumes: host_side.HostVolumes | None,
    *,
    keep: bool = False,
    instance_host: str | None = None,
    superseded: collections.abc.Sequence[objects.Operation] = (),
) -> None:
    """Disconnect, release and, where asked for, delete one volume, and release the
    other one if they were being swapped. What is gone already is success.

    :param keep: do not delete it whatever the device says: the server never
        had it.
    :param instance_host: the server's host, where that may be another one than this.
    :param superseded: what was being done to the server. Cinder hears the end of an
        extend or a migration of the volume, which it would wait for for ever.
    :raises nova_lite.exceptions.NovaLiteError: Cinder or the host refuses.
    """
    way = flow.flow_for(ctxt, device, client, volumes, instance_host=instance_host)
    other = swapping.other_of(device)
    if other is not None:
        release_by(way, ctxt, other, disconnect=volumes is not None)
        swapping.forget(device)
    for operation in superseded:
        # While it is attached: Cinder goes back to the status that it had before.
        if operation.arguments.get("volume_id") == device.volume_id:
            _end(ctxt, client, operation, device)
    release_by(way, ctxt, device, disconnect=volumes is not None)
    if device.delete_on_termination and not keep:
        _delete(ctxt, client, device.volume_id)


def _end(
    ctxt: context.RequestContext,
    client: cinder.CinderClient,
    operation: objects.Operation,
    device: objects.BlockDeviceMapping | None,
) -> None:
    """Tell Cinder that what it waits for is over."""
    if operation.action == transitions.EXTEND_VOLUME.action:
        growing.tell_failure(ctxt, client, operation.arguments["volume_id"])
    elif operation.action == transitions.SWAP_VOLUME.action:
        if device is not None and swapping.is_on_new_side(operation, device):
            # What the guest wrote last is on the new volume.
            swapping.tell_success(ctxt, client, operation)
        else:
            swapping.call_off(ctxt, client, operation, None)


def release_by(
    way: flow.AttachFlow,
    ctxt: context.RequestContext,
    device: objects.BlockDeviceMapping,
    *,
    disconnect: bool,
) -> None:
    """Disconnect this host, if that is wanted, and give one volume back to Cinder.

    :raises nova_lite.exceptions.NovaLiteError: Cinder or the host refuses.
    """
    if disconnect:
        way.disconnect(ctxt, device)
    try:
        way.release(ctxt, device)
    except exceptions.VolumeNotFound:
        LOG.info("Volume %s is gone already", device.volume_id)


def release_strays(
    ctxt: context.RequestContext,
    client: cinder.CinderClient,
    instance_uuid: str,
    devices: collections.abc.Sequence[objects.BlockDeviceMapping],
    superseded: collections.abc.Sequence[objects.Operation] = (),
) -> None:
    """Delete attachments of a server that none of its devices knows of: a
    process died, or an answer was lost, before their id was written down.

    :param superseded: what was being done to the server; what was to be done with
        volumes that it has no more, is called off.
    :raises nova_lite.exceptions.NovaLiteError: Cinder refuses.
    """
    volume_ids = {device.volume_id for device in devices}
    for operation in superseded:
        if operation.arguments.get("volume_id") not in volume_ids:
            _end(ctxt, client, operation, None)
    known = {device.attachment_id for device in devices}
    for attachment in client.list_attachments(ctxt, instance_uuid):
        if attachment.instance_uuid == instance_uuid and attachment.id not in known:
            LOG.info("Deleting attachment %s, which no device knows", attachment.id)
            client.delete_attachment(ctxt, attachment.id)
