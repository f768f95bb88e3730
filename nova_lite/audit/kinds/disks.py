"""Files and images of servers on hosts, and what guests' definitions say of disks."""

import collections.abc

from oslo_utils import uuidutils

from nova_lite import objects
from nova_lite.audit import facts
from nova_lite.audit import finding
from nova_lite.audit.finding import found
from nova_lite.audit.finding import kind
from nova_lite.audit.finding import Severity

PART = ".part"
"""How the name of an image ends that is not finished."""


@kind(
    "disk-file-missing",
    Severity.CRITICAL,
    "A guest's disk is a file that does not exist",
    consequence="A guest that runs still has it open: it is lost when the guest stops. A guest "
    "that does not run will not start.",
    advice="While server {server} runs its data can still be copied out of it. Do not stop it.",
)
def _file_missing(all_facts: facts.Facts) -> finding.Yields:
    for server in all_facts.resting:
        place = all_facts.place_of(server)
        if place is None:
            continue
        disks = [*(place.guest.live or ()), *place.guest.defined]
        for source in sorted({disk.source for disk in disks if disk.is_missing}):
            says = f"The guest of {server.uuid} on {place.host} has disk {source}, which is gone"
            yield found("disk-file-missing", says, source, server=server.uuid, host=place.host)


@kind(
    "definition-differs",
    Severity.ERROR,
    "A running guest has other volumes than its definition",
    consequence="After its next start the server has lost a volume, or got one back that was "
    "detached.",
    advice="'nova-lite-manage storage trace {server}' shows which. Detach the volume and attach "
    "it again.",
    repair="adds a volume that runs, and that the database knows, to the definition; never "
    "takes one away",
)
def _definition_differs(all_facts: facts.Facts) -> finding.Yields:
    for server in all_facts.resting:
        place = all_facts.place_of(server)
        if place is None or place.guest.live is None:
            continue
        live, defined = (_serials(d) for d in (place.guest.live, place.guest.defined))
        known = all_facts.serials_of(server.uuid)
        for volume_id in sorted(live ^ defined):
            runs = volume_id in live
            has, lacks = ("runs with", "definition") if runs else ("is defined with", "guest")
            yield found(
                "definition-differs",
                f"Server {server.uuid} {has} volume {volume_id}; its {lacks} lacks it",
                runs,
                is_repairable=runs and volume_id in known,
                server=server.uuid,
                volume=volume_id,
                host=place.host,
            )


def _serials(disks: collections.abc.Iterable[objects.InventoryDisk]) -> set[str]:
    return {disk.serial for disk in disks if disk.serial}


@kind(
    "files-of-deleted-server",
    Severity.WARNING,
    "Files or images of a server that was deleted",
    consequence="They use the host's storage for nobody.",
    advice="The host removes them by itself within [compute] resource_report_interval_s; if they "
    "stay, its log says why.",
    repair="asks the host to remove, now, what is left of deleted servers",
)
def _files_of_deleted(all_facts: facts.Facts) -> finding.Yields:
    for host, uuid, what, is_its_own in _storage(all_facts):
        if all_facts.is_gone(uuid) and not _has_guest(all_facts, host, uuid):
            says = f"Host {host} keeps {what} of server {uuid}, which is deleted"
            yield found(
                "files-of-deleted-server", says, is_repairable=is_its_own, server=uuid, host=host
            )


@kind(
    "files-of-nobody",
    Severity.WARNING,
    "Files or images of a server that no database knows",
    consequence="They use the host's storage. They may be somebody's: a restored database "
    "forgets what came after the backup.",
    advice="Find out whose they are. Nothing here will ever remove them.",
)
def _files_of_nobody(all_facts: facts.Facts) -> finding.Yields:
    for host, uuid, what, _ in _storage(all_facts):
        if all_facts.is_stranger(uuid) and not _has_guest(all_facts, host, uuid):
            says = f"Host {host} keeps {what} of server {uuid}, which no database knows"
            yield found("files-of-nobody", says, server=uuid, host=host)


@kind(
    "files-elsewhere",
    Severity.WARNING,
    "Files of a server on a host that is not its own",
    consequence="They use storage, and may be newer than those the server runs on.",
    advice="Compare them with those on the server's host; then remove them from {host} by hand.",
)
def _files_elsewhere(all_facts: facts.Facts) -> finding.Yields:
    for inventory in all_facts.knowing("folders"):
        for folder in inventory.folders:
            server = all_facts.cell.servers.get(folder.instance_uuid)
            if server is None or server.uuid in all_facts.moving:
                continue
            if server.host == inventory.host or all_facts.places.get(server.uuid):
                continue
            says = f"Host {inventory.host} keeps files of {server.uuid}, whose host is "
            says += str(server.host)
            yield found("files-elsewhere", says, server=server.uuid, host=inventory.host)


@kind(
    "leftover-files",
    Severity.WARNING,
    "Temporary files that nobody writes any more",
    consequence="They use the host's storage for nothing.",
    advice="A process died while it made a disk. Remove them from the server's directory on "
    "{host}, or with 'rbd remove' from its pool.",
)
def _leftovers(all_facts: facts.Facts) -> finding.Yields:
    resting = {server.uuid for server in all_facts.resting}
    for inventory in all_facts.knowing("folders"):
        for folder in inventory.folders:
            if folder.leftovers and folder.instance_uuid in resting:
                names = ", ".join(folder.leftovers)
                yield found(
                    "leftover-files",
                    f"Host {inventory.host} keeps {names} of server {folder.instance_uuid}",
                    names,
                    server=folder.instance_uuid,
                    host=inventory.host,
                )
    parts = {
        (image.pool, image.name, server_of(image))
        for inventory in all_facts.knowing("images")
        for image in inventory.images
        if image.name.endswith(PART)
    }
    for pool, name, uuid in sorted(parts, key=str):
        if uuid in resting:
            yield found("leftover-files", f"Image {pool}/{name} was never finished", server=uuid)


def _storage(
    all_facts: facts.Facts,
) -> collections.abc.Iterator[tuple[str, str, str, bool]]:
    """(host, server, what, whether it is on that host alone): a directory, or images
    in a pool that hosts share, once and only if no host has the directory."""
    folders = set()
    for inventory in all_facts.knowing("folders"):
        for folder in inventory.folders:
            folders.add(folder.instance_uuid)
            yield inventory.host, folder.instance_uuid, f"{len(folder.files)} files", True
    seen = set()
    for inventory in all_facts.knowing("images"):
        for image in inventory.images:
            uuid = server_of(image)
            if uuid and uuid not in folders and (image.pool, uuid) not in seen:
                seen.add((image.pool, uuid))
                yield inventory.host, uuid, f"image {image.pool}/{image.name}", False


def server_of(image: objects.InventoryImage) -> str | None:
    """The server whose disk an image is, by its name; None if it is no such."""
    uuid, separator, _ = image.name.partition("_disk")
    return uuid if separator and uuidutils.is_uuid_like(uuid) else None


def _has_guest(all_facts: facts.Facts, host: str, instance_uuid: str) -> bool:
    """Then the guest is the finding, and its files go with it."""
    return any(place.host == host for place in all_facts.places.get(instance_uuid, ()))
