"""Volumes and attachments in Cinder that no server of ours explains."""

from nova_lite import states
from nova_lite.audit import facts
from nova_lite.audit import finding
from nova_lite.audit.finding import found
from nova_lite.audit.finding import kind
from nova_lite.audit.finding import Severity
from nova_lite.volume import creation
from nova_lite.volume import host_side
from nova_lite.volume import records

HELD = frozenset({"reserved", "attaching", "detaching", "in-use"})
WRONG_FOR_USED = frozenset({"available", "reserved", "attaching", "detaching", "error"})
MOVED = frozenset({None, "none", "success", "error", ""})
"""``migration_status`` of a volume that Cinder is not moving."""


@kind(
    "attachment-of-nobody",
    Severity.WARNING,
    "An attachment of one of our servers that none of its devices knows",
    consequence="The volume is held for nothing: nobody can attach or delete it.",
    advice="If no guest uses it: 'openstack volume attachment delete {attachment}'.",
    repair="deletes the attachment, if every host was asked and no guest has the volume",
)
def _attachment_of_nobody(all_facts: facts.Facts) -> finding.Yields:
    known = {device.attachment_id for device in all_facts.cell.devices}
    legacy = {
        (device.instance_uuid, device.volume_id)
        for device in all_facts.cell.devices
        if not device.attachment_id
    }
    for attachment in (all_facts.attachments or {}).values():
        uuid = attachment.instance_uuid
        if uuid is None or uuid in all_facts.moving or attachment.id in known:
            continue
        if (uuid, attachment.volume_id) in legacy:
            continue
        if uuid not in all_facts.cell.servers and not all_facts.is_gone(uuid):
            # Another compute service's, or of nothing that we ever knew.
            continue
        gone = "" if uuid in all_facts.cell.servers else ", which is deleted"
        says = f"Cinder has attachment {attachment.id} ({attachment.status}) of volume "
        says += f"{attachment.volume_id} to server {uuid}{gone}; no device has it"
        yield found(
            "attachment-of-nobody",
            says,
            attachment.status,
            is_repairable=is_in_no_guest(all_facts, attachment.volume_id),
            server=uuid,
            volume=attachment.volume_id,
            attachment=attachment.id,
        )


def is_in_no_guest(all_facts: facts.Facts, volume_id: str) -> bool:
    """Whether every host has told its guests and none has the volume."""
    if any(all_facts.knows(host, "guests") is None for host in all_facts.hosts):
        return False
    serials = {volume_id, *map(host_side.serial_of, all_facts.uses.get(volume_id, ()))}
    return not any(
        serials & place.serials for places in all_facts.places.values() for place in places
    )


@kind(
    "volume-status",
    Severity.ERROR,
    "A volume that a server uses has a status that does not say so",
    consequence="Cinder may delete it or give it away.",
    advice="'openstack volume set --state in-use {volume}', after a look at what happened to it.",
)
def _volume_status(all_facts: facts.Facts) -> finding.Yields:
    for server, device in all_facts.resting_devices:
        volume = (all_facts.volumes or {}).get(device.volume_id)
        attachment = (all_facts.attachments or {}).get(device.attachment_id)
        if volume is None or attachment is None or attachment.status != "attached":
            continue
        if (attachment.instance_uuid, attachment.volume_id) != (server.uuid, volume.id):
            continue
        if device.phase != states.DevicePhase.COMPLETE or _is_migrating(volume):
            continue
        if volume.status in WRONG_FOR_USED:
            says = f"Server {server.uuid} uses volume {volume.id}, which is {volume.status}"
            yield found(
                "volume-status",
                says,
                volume.status,
                volume.updated_at,
                server=server.uuid,
                volume=volume.id,
            )


@kind(
    "volume-held-by-nobody",
    Severity.WARNING,
    "A volume is in-use, reserved, attaching or detaching, and nobody holds it",
    consequence="Its owner can neither attach nor delete it.",
    advice="If no guest of any cloud uses it: 'openstack volume set --state available {volume}'.",
)
def _held_by_nobody(all_facts: facts.Facts) -> finding.Yields:
    for volume in (all_facts.volumes or {}).values():
        if volume.status not in HELD or volume.attachments or _is_migrating(volume):
            continue
        if all_facts.attachments_of.get(volume.id) or all_facts.uses.get(volume.id):
            continue
        says = f"Volume {volume.id} is {volume.status}; it has no attachment, and no server has it"
        yield found(
            "volume-held-by-nobody", says, volume.status, volume.updated_at, volume=volume.id
        )


@kind(
    "volume-on-two-servers",
    Severity.CRITICAL,
    "Two servers have a volume that is not made for it",
    consequence="Two guests that write to one file system destroy it.",
    advice="Stop one of the servers now, and detach volume {volume} from it.",
)
def _on_two_servers(all_facts: facts.Facts) -> finding.Yields:
    by_volume: dict[str, list[str]] = {}
    for server, device in all_facts.resting_devices:
        by_volume.setdefault(device.volume_id, []).append(server.uuid)
    for volume_id, servers in sorted(by_volume.items()):
        volume = (all_facts.volumes or {}).get(volume_id)
        if len(servers) > 1 and volume is not None and not volume.multiattach:
            names = " and ".join(sorted(servers))
            says = f"Volume {volume_id}, which is not multiattach, is a disk of servers {names}"
            yield found("volume-on-two-servers", says, names, volume=volume_id)


@kind(
    "volume-left-behind",
    Severity.WARNING,
    "A volume that was to be deleted with its server is still there",
    consequence="It is paid for and used by nobody. Its server's user was not told.",
    advice="'openstack volume delete {volume}'. What is on it is gone then.",
)
def _left_behind(all_facts: facts.Facts) -> finding.Yields:
    for volume_id, server_uuid in sorted(all_facts.cell.left_volumes.items()):
        volume = (all_facts.volumes or {}).get(volume_id)
        if volume is None or volume.status == "deleting" or all_facts.uses.get(volume_id):
            continue
        says = f"Volume {volume_id} ({volume.status}) was to be deleted with server {server_uuid}"
        yield found(
            "volume-left-behind", says, volume.status, server=server_uuid, volume=volume_id
        )


@kind(
    "volume-not-adopted",
    Severity.WARNING,
    "A volume was made for a device that has another one, or none",
    consequence="It is paid for and used by nobody: a build failed after Cinder had begun.",
    advice="'openstack volume delete {volume}': no server has ever used it.",
)
def _not_adopted(all_facts: facts.Facts) -> finding.Yields:
    devices = {device.uuid: device for device in all_facts.cell.devices}
    for volume, server_uuid in _made_for_devices(all_facts):
        device = devices.get(volume.metadata[creation.DEVICE_KEY])
        if device is None or server_uuid in all_facts.moving or device.volume_id == volume.id:
            continue
        says = f"Volume {volume.id} ({volume.status}) was made for device {device.uuid} of server "
        says += f"{server_uuid}, which has {device.volume_id or 'no volume'}"
        yield found(
            "volume-not-adopted", says, volume.status, volume=volume.id, server=server_uuid
        )


@kind(
    "volume-unattached",
    Severity.NOTE,
    "A volume that was made for a server is attached to none",
    consequence="None, if its owner keeps it on purpose. It is what a deleted server leaves whose "
    "volumes were to be kept, and what a failed build leaves at worst.",
    advice="Ask project {project}; 'openstack volume delete {volume}' if nobody wants it.",
)
def _unattached(all_facts: facts.Facts) -> finding.Yields:
    for volume, server_uuid in _made_for_devices(all_facts):
        if server_uuid or volume.id in all_facts.cell.left_volumes:
            continue
        if volume.status not in ("available", "error") or all_facts.uses.get(volume.id):
            continue
        says = f"Volume {volume.id} ({volume.size_gib} GiB, {volume.status}) of project "
        says += f"{volume.project_id} was made for a server and is attached to none"
        yield found("volume-unattached", says, volume=volume.id)


def _made_for_devices(all_facts: facts.Facts) -> list[tuple[records.Volume, str]]:
    """Volumes that we had made, and the server whose device each is for ("": the
    device is gone)."""
    return [
        (volume, all_facts.device_owners.get(volume.metadata[creation.DEVICE_KEY], ""))
        for volume in (all_facts.volumes or {}).values()
        if creation.DEVICE_KEY in volume.metadata
        and not volume.attachments
        and not all_facts.attachments_of.get(volume.id)
    ]


def _is_migrating(volume: records.Volume) -> bool:
    return volume.migration_status not in MOVED
