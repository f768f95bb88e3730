"""How a server gets hold of a volume, and lets go of it.

Two ways behind one protocol: Cinder's attachments API, and the legacy calls
for devices (and Cinders) that know no attachments. Which one it is follows from
the device alone, see :func:`flow_for`. Every method is idempotent, so that a
recovery can repeat the step at which a process died; all of them update the
mapping they are given, and the caller saves it.
"""

import typing

from nova_lite import context
from nova_lite import objects
from nova_lite.volume import cinder
from nova_lite.volume import flow_attachments
from nova_lite.volume import flow_connections
from nova_lite.volume import host_side
from nova_lite.volume import keys

Connector = dict[str, typing.Any]


class AttachFlow(typing.Protocol):
    """The steps, in order: reserve, connect, complete; disconnect, release.

    Hot detach says :meth:`begin_detaching` before it touches the guest, and
    :meth:`roll_detaching` if the guest would not let go.
    """

    def reserve(
        self,
        ctxt: context.RequestContext,
        instance_uuid: str,
        bdm: objects.BlockDeviceMapping,
    ) -> None:
        """Hold the volume for the server. Phase ``reserved``."""

    def connect(
        self,
        ctxt: context.RequestContext,
        bdm: objects.BlockDeviceMapping,
        connector: Connector,
        mountpoint: str,
    ) -> None:
        """Export the volume to this host and connect the host. Phase ``connected``.

        ``bdm.connection_info`` is set before the host is touched. When the host
        cannot be connected it is cleaned up; the hold on the volume stays.
        """

    def complete(self, ctxt: context.RequestContext, bdm: objects.BlockDeviceMapping) -> None:
        """Tell Cinder that the volume is in use. Phase ``complete``."""

    def disconnect(self, ctxt: context.RequestContext, bdm: objects.BlockDeviceMapping) -> None:
        """Disconnect this host; Cinder is not told. Phase ``disconnected``."""

    def release(self, ctxt: context.RequestContext, bdm: objects.BlockDeviceMapping) -> None:
        """Give the volume back to Cinder. What is gone already is success."""

    def begin_detaching(
        self, ctxt: context.RequestContext, bdm: objects.BlockDeviceMapping
    ) -> None:
        """Keep others from detaching at the same time."""

    def roll_detaching(
        self, ctxt: context.RequestContext, bdm: objects.BlockDeviceMapping
    ) -> None:
        """Undo :meth:`begin_detaching`."""


def flow_for(
    ctxt: context.RequestContext,
    bdm: objects.BlockDeviceMapping,
    client: cinder.CinderClient,
    volumes: host_side.HostVolumes | None = None,
    volume_keys: keys.VolumeKeys | None = None,
    *,
    instance_host: str | None = None,
) -> AttachFlow:
    """The flow of a device: by attachment if it has an attachment id.

    A device that no flow has touched yet (no phase, no connection) goes by
    attachment too, unless this Cinder is too old for it.

    :param volumes: the driver's ``VolumeOps``; None where there is no host (the
        API reserves and releases only).
    :param volume_keys: of encrypted volumes; without them none can be connected.
    :param instance_host: the server's host, where that may be another one than this.
    """
    untouched = bdm.phase is None and bdm.connection_info is None
    if bdm.attachment_id or (untouched and client.supports_attachments(ctxt)):
        return flow_attachments.AttachmentsFlow(client, volumes, volume_keys)
    return flow_connections.ConnectionsFlow(client, volumes, volume_keys, instance_host)
