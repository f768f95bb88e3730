"""By attachment: create, update with the connector, complete; delete."""

import typing

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import states
from nova_lite.volume import cinder
from nova_lite.volume import connector as seam
from nova_lite.volume import host_side
from nova_lite.volume import keys


class AttachmentsFlow:
    """:class:`nova_lite.volume.flow.AttachFlow` with Cinder's attachments."""

    def __init__(
        self,
        client: cinder.CinderClient,
        volumes: host_side.HostVolumes | None,
        volume_keys: keys.VolumeKeys | None,
    ) -> None:
        self._cinder = client
        self._volumes = volumes
        self._keys = volume_keys

    def reserve(
        self,
        ctxt: context.RequestContext,
        instance_uuid: str,
        bdm: objects.BlockDeviceMapping,
    ) -> None:
        """Make an attachment without a host.

        If Cinder's answer was lost, :meth:`release` finds what it made.
        """
        if bdm.attachment_id:
            return
        bdm.instance_uuid = instance_uuid
        attachment = self._cinder.create_attachment(ctxt, bdm.volume_id, instance_uuid)
        bdm.attachment_id = attachment.id
        bdm.phase = states.DevicePhase.RESERVED.value

    def connect(
        self,
        ctxt: context.RequestContext,
        bdm: objects.BlockDeviceMapping,
        connector: dict[str, typing.Any],
        mountpoint: str,
    ) -> None:
        """Give the attachment this host's connector, and connect the host."""
        volume = self._cinder.get_volume(ctxt, bdm.volume_id)
        encryption = host_side.encryption_of(ctxt, self._cinder, self._keys, volume)
        with seam.guard_connection(volume):
            if host_side.must_export(bdm):
                attachment = self._cinder.update_attachment(
                    ctxt, bdm.attachment_id, connector, mountpoint
                )
                if attachment.connection_info is None:
                    raise exceptions.RemoteServiceError(
                        service="Cinder",
                        reason=f"attachment {attachment.id} has no connection information",
                    )
                host_side.record(bdm, attachment.connection_info, volume)
            host_side.connect(self._volumes, bdm, encryption)

    def complete(self, ctxt: context.RequestContext, bdm: objects.BlockDeviceMapping) -> None:
        """Complete the attachment; a completed one stays as it is."""
        self._cinder.complete_attachment(ctxt, bdm.attachment_id)
        bdm.phase = states.DevicePhase.COMPLETE.value

    def disconnect(self, ctxt: context.RequestContext, bdm: objects.BlockDeviceMapping) -> None:
        """Disconnect this host.

        If the process died before it saved the connection information, Cinder
        still has it.
        """
        info = host_side.connection_info_of(bdm) or self._lost_connection_info(ctxt, bdm)
        host_side.disconnect(ctxt, self._cinder, self._volumes, bdm, info)

    def release(self, ctxt: context.RequestContext, bdm: objects.BlockDeviceMapping) -> None:
        """Delete the attachment; gone is success. ``attachment_id`` is kept.

        Without an id, reservations of this server for this volume that nobody
        heard of are deleted. A connected one is never touched here: it belongs
        to another host of a migration.
        """
        if bdm.attachment_id:
            self._cinder.delete_attachment(ctxt, bdm.attachment_id)
            return
        if not bdm.instance_uuid:
            return
        for attachment in self._cinder.list_attachments(ctxt, bdm.instance_uuid):
            ours = (attachment.instance_uuid, attachment.volume_id) == (
                bdm.instance_uuid,
                bdm.volume_id,
            )
            if ours and attachment.status == "reserved":
                self._cinder.delete_attachment(ctxt, attachment.id)

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

    def _lost_connection_info(
        self, ctxt: context.RequestContext, bdm: objects.BlockDeviceMapping
    ) -> host_side.ConnectionInfo | None:
        if not bdm.attachment_id:
            return None
        try:
            info = self._cinder.get_attachment(ctxt, bdm.attachment_id).connection_info
        except exceptions.AttachmentNotFound:
            return None
        return host_side.completed(bdm, info) if info else None
