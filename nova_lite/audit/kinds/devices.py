"""Block device mappings against Cinder, the guest and the host."""

import collections

from nova_lite import objects
from nova_lite import states
from nova_lite.audit import facts
from nova_lite.audit import finding
from nova_lite.audit.finding import found
from nova_lite.audit.finding import kind
from nova_lite.audit.finding import Severity
from nova_lite.volume import host_side
from nova_lite.volume import swapping

COMPLETE = states.DevicePhase.COMPLETE


@kind(
    "volume-missing",
    Severity.ERROR,
    "A server has a volume that Cinder does not have",
    consequence="The server will not start again, and the volume cannot be detached properly.",
    advice="If the volume was deleted by force, detach it: 'openstack server remove volume "
    "{server} {volume}'.",
)
def _volume_missing(all_facts: facts.Facts) -> finding.Yields:
    if all_facts.volumes is None:
        return
    for server, device in all_facts.resting_devices:
        if device.volume_id not in all_facts.volumes:
            says = f"Server {server.uuid} has volume {device.volume_id}; Cinder has no such volume"
            yield found("volume-missing", says, server=server.uuid, volume=device.volume_id)


@kind(
    "attachment-missing",
    Severity.ERROR,
    "A server has a volume that is not attached to it in Cinder",
    consequence="Cinder may give the volume to another server while this one writes to it.",
    advice="Stop the server's use of it and detach it ('openstack server remove volume {server} "
    "{volume}'), then attach it again. The disk is never taken away by itself.",
)
def _attachment_missing(all_facts: facts.Facts) -> finding.Yields:
    if all_facts.volumes is None or all_facts.attachments is None:
        return
    for server, device in all_facts.resting_devices:
        volume = all_facts.volumes.get(device.volume_id)
        if volume is None:
            continue
        if device.attachment_id:
            is_missing = device.attachment_id not in all_facts.attachments
        else:
            # The legacy flow: Cinder lists the server, under an id of its own.
            users = {use.server_uuid for use in volume.attachments}
            is_missing = device.phase == COMPLETE and server.uuid not in users
        if is_missing:
            says = f"Server {server.uuid} has volume {volume.id}, which is {volume.status}; "
            says += f"Cinder has no attachment {device.attachment_id or 'of that server'}"
            yield found(
                "attachment-missing",
                says,
                volume.status,
                server=server.uuid,
                volume=volume.id,
                attachment=device.attachment_id,
            )


@kind(
    "attachment-differs",
    Severity.CRITICAL,
    "A server's attachment is of another server or volume in Cinder",
    consequence="A detach here takes the volume from somebody else.",
    advice="Do not detach it. 'openstack volume attachment show {attachment}' shows whose it is.",
)
def _attachment_differs(all_facts: facts.Facts) -> finding.Yields:
    shared = _sharing(all_facts)
    for server, device in all_facts.resting_devices:
        attachment = (all_facts.attachments or {}).get(device.attachment_id)
        if attachment is None or attachment.id in shared:
            continue
        theirs = (attachment.instance_uuid, attachment.volume_id)
        if theirs != (server.uuid, device.volume_id):
            says = f"Attachment {attachment.id} is of server {server.uuid} and volume "
            says += f"{device.volume_id} here, of {theirs[0]} and {theirs[1]} in Cinder"
            yield found(
                "attachment-differs",
                says,
                *theirs,
                server=server.uuid,
                volume=device.volume_id,
                attachment=attachment.id,
            )


@kind(
    "attachment-shared",
    Severity.CRITICAL,
    "Two devices have the same attachment",
    consequence="The detach of one ends the other's.",
    advice="'openstack volume attachment show {attachment}' shows whose it is; the other device "
    "must go, without a detach in Cinder.",
)
def _attachment_shared(all_facts: facts.Facts) -> finding.Yields:
    for attachment_id, devices in sorted(_sharing(all_facts).items()):
        of_whom = " and ".join(sorted(f"{d.uuid} of {d.instance_uuid}" for d in devices))
        says = f"Attachment {attachment_id} is of devices {of_whom}"
        yield found("attachment-shared", says, of_whom, attachment=attachment_id)


def _sharing(all_facts: facts.Facts) -> dict[str, list[facts.Device]]:
    """The devices of each attachment that has several."""
    by_attachment: dict[str, list[facts.Device]] = collections.defaultdict(list)
    for _, device in all_facts.resting_devices:
        if device.attachment_id:
            by_attachment[device.attachment_id].append(device)
    return {key: devices for key, devices in by_attachment.items() if len(devices) > 1}


@kind(
    "attachment-not-completed",
    Severity.WARNING,
    "A server uses a volume whose attachment Cinder does not count as attached",
    consequence="Users see the volume reserved or attaching for ever, and cannot detach it.",
    advice="'openstack volume attachment complete {attachment}'.",
    repair="completes the attachment, if the server's guest has the volume",
)
def _not_completed(all_facts: facts.Facts) -> finding.Yields:
    for server, device in all_facts.resting_devices:
        attachment = (all_facts.attachments or {}).get(device.attachment_id)
        if attachment is None or device.phase != COMPLETE or attachment.status == "attached":
            continue
        if (attachment.instance_uuid, attachment.volume_id) != (server.uuid, device.volume_id):
            continue
        place = all_facts.place_of(server)
        says = f"Server {server.uuid} has volume {device.volume_id}; its attachment "
        says += f"{attachment.id} is {attachment.status}"
        yield found(
            "attachment-not-completed",
            says,
            attachment.status,
            is_repairable=place is not None and host_side.serial_of(device) in place.serials,
            server=server.uuid,
            volume=device.volume_id,
            attachment=attachment.id,
        )


@kind(
    "device-unfinished",
    Severity.WARNING,
    "A volume was attached or detached half-way, and nobody goes on",
    consequence="It is neither there nor free.",
    advice="Detach it (again): 'openstack server remove volume {server} {volume}'. The server's "
    "events say what went wrong the first time.",
)
def _unfinished(all_facts: facts.Facts) -> finding.Yields:
    for server, device in all_facts.resting_devices:
        # A server that could not be built keeps its volumes reserved until it is deleted.
        if server.vm_state in facts.HAS_GUEST and device.phase != COMPLETE:
            says = f"Volume {device.volume_id} of server {server.uuid} is "
            says += f"'{device.phase or 'unreserved'}', and no operation is under way"
            yield found(
                "device-unfinished",
                says,
                device.phase,
                server=server.uuid,
                volume=device.volume_id,
                device=device.uuid,
            )


@kind(
    "disk-not-in-guest",
    Severity.ERROR,
    "A server's guest does not have a volume that the database says it has",
    consequence="The volume is kept from others, and the server cannot use it.",
    advice="Detach it and attach it again: 'openstack server remove volume {server} {volume}', "
    "then 'openstack server add volume {server} {volume}'.",
)
def _not_in_guest(all_facts: facts.Facts) -> finding.Yields:
    for server, device in all_facts.resting_devices:
        place = all_facts.place_of(server)
        if place is None or device.phase != COMPLETE:
            continue
        if host_side.serial_of(device) in place.serials:
            continue
        says = f"Server {server.uuid} has volume {device.volume_id}; its guest on {place.host} "
        says += "does not"
        yield found(
            "disk-not-in-guest",
            says,
            device.attachment_id,
            server=server.uuid,
            volume=device.volume_id,
            host=place.host,
        )


@kind(
    "disk-unknown",
    Severity.CRITICAL,
    "A guest has a volume that the database does not know as the server's",
    consequence="Cinder may give it to another server while this guest writes to it, or "
    "delete it.",
    advice="Do not attach volume {volume} anywhere. Take it out of the guest ('virsh "
    "detach-disk' on {host}) once nothing in the guest uses it.",
)
def _disk_unknown(all_facts: facts.Facts) -> finding.Yields:
    for server in all_facts.resting:
        place = all_facts.place_of(server)
        if place is None:
            continue
        for volume_id in sorted(place.serials - all_facts.serials_of(server.uuid)):
            says = f"The guest of server {server.uuid} on {place.host} has volume {volume_id}, "
            says += "which is none of the server's"
            yield found(
                "disk-unknown", says, server=server.uuid, volume=volume_id, host=place.host
            )


@kind(
    "connection-of-nobody",
    Severity.WARNING,
    "A host is connected to a volume for a server that does not have it there",
    consequence="The volume cannot be deleted or moved cleanly, and the host keeps its device.",
    advice="See the log of nova-lite-compute on {host}; if no guest there uses volume {volume}, "
    "disconnect it by hand and remove the host's record of it.",
)
def _connection_of_nobody(all_facts: facts.Facts) -> finding.Yields:
    for inventory in all_facts.knowing("connections"):
        for connection in inventory.connections:
            if _is_wanted(all_facts, inventory.host, connection):
                continue
            says = f"Host {inventory.host} is connected to volume {connection.volume_id} for "
            says += f"server {connection.instance_uuid}, which does not have it there"
            yield found(
                "connection-of-nobody",
                says,
                host=inventory.host,
                volume=connection.volume_id,
                server=connection.instance_uuid,
            )


def _is_wanted(all_facts: facts.Facts, host: str, connection: objects.InventoryConnection) -> bool:
    """Whether the server is here with the volume, or may be. A guest here that has
    the volume is a finding of its own."""
    uuid = connection.instance_uuid
    if any(
        place.host == host and connection.volume_id in place.serials
        for place in all_facts.places.get(uuid, ())
    ):
        return True
    if uuid in all_facts.moving or uuid in all_facts.api.asked_for:
        return True
    server = all_facts.cell.servers.get(uuid)
    if server is None or server.host != host:
        return False
    return any(
        d.instance_uuid == uuid
        and connection.volume_id in (d.volume_id, *swapping.connection_ids_of(d))
        for d in all_facts.cell.devices
    )
