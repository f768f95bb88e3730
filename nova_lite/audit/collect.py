"""Asks everybody what they know, in an order that makes the answers comparable.

The databases are read first and last. A server is judged only if nothing was under way
with it, or begun, or changed in between: then what Cinder and the hosts
said meanwhile must be what the database says. Each effect outside follows a record in
the journal, so nothing can happen to a server without showing there.
"""

import collections.abc
import concurrent.futures
import typing

from oslo_config import cfg
from oslo_utils import timeutils

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite.audit import facts
from nova_lite.audit.kinds import disks
from nova_lite.db import session
from nova_lite.db.queries import audit as queries
from nova_lite.db.queries import services
from nova_lite.rpc import compute as compute_rpc
from nova_lite.volume import cinder
from nova_lite.volume import creation
from nova_lite.volume import records

HOSTS_AT_ONCE = 16


class Collector:
    """Everything an audit asks. Nothing is changed anywhere."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: session.Database,
        client: cinder.CinderClient,
        compute: compute_rpc.ComputeClient,
    ) -> None:
        self._conf = conf
        self.database = database
        self.cinder = client
        self.compute = compute

    def look(
        self, instance_uuid: str | None = None, ctxt: context.RequestContext | None = None
    ) -> facts.Facts:
        """What everybody says now.

        :param instance_uuid: of this server only; its host alone is asked.
        :param ctxt: in whose name Cinder is asked; by default the service's own.
        """
        ctxt = ctxt or context.admin_context()
        with self.database.cell.read() as tx:
            busy = queries.busy_servers(tx)
        with self.database.api.read() as tx:
            api = queries.read_api(tx, instance_uuid)
        with self.database.cell.read() as tx:
            cell = queries.read_cell(tx, instance_uuid)
        reasons: dict[str, str] = {}
        volumes, attachments = self._ask_cinder(ctxt, cell, instance_uuid, reasons)
        hosts = self._ask_hosts(cell, instance_uuid, reasons)
        said = _Said(api, cell, volumes, attachments, hosts)
        return facts.Facts(
            cell=cell,
            api=api,
            volumes=volumes,
            attachments=attachments,
            hosts=hosts,
            deleted=frozenset(self._deleted_among(said.strangers())),
            device_owners=self._owners(volumes or {}),
            moving=frozenset(busy | api.asked_for | self._moved(cell, instance_uuid, hosts)),
            now=timeutils.utcnow(),
            silence_s=self._conf.audit.operation_silence_s,
            reasons=reasons,
        )

    def _ask_cinder(
        self,
        ctxt: context.RequestContext,
        cell: queries.Cell,
        instance_uuid: str | None,
        reasons: dict[str, str],
    ) -> tuple[dict[str, records.Volume] | None, dict[str, records.Attachment] | None]:
        try:
            if instance_uuid is None:
                # Attachments first: one that is made meanwhile has its volume.
                attachments = self.cinder.list_all_attachments(ctxt)
                volumes = self.cinder.list_all_volumes(ctxt)
            else:
                attachments = self._attachments_of(ctxt, cell, instance_uuid)
                volumes = list(self._volumes_of(ctxt, cell, attachments))
        except exceptions.NovaLiteError as error:
            reasons["cinder"] = error.message
            return None, None
        return {v.id: v for v in volumes}, {a.id: a for a in attachments}

    def _attachments_of(
        self, ctxt: context.RequestContext, cell: queries.Cell, instance_uuid: str
    ) -> list[records.Attachment]:
        """Those of the server, and those its devices say they have."""
        found = {a.id: a for a in self.cinder.list_attachments(ctxt, instance_uuid)}
        for device in cell.devices:
            if device.attachment_id and device.attachment_id not in found:
                try:
                    other = self.cinder.get_attachment(ctxt, device.attachment_id)
                except exceptions.AttachmentNotFound:
                    continue
                found[other.id] = other
        return list(found.values())

    def _volumes_of(
        self,
        ctxt: context.RequestContext,
        cell: queries.Cell,
        attachments: collections.abc.Iterable[records.Attachment],
    ) -> collections.abc.Iterator[records.Volume]:
        ids = {device.volume_id for device in cell.devices if device.volume_id}
        for volume_id in sorted(ids.union(a.volume_id for a in attachments)):
            try:
                yield self.cinder.get_volume(ctxt, volume_id)
            except exceptions.VolumeNotFound:
                continue

    def _ask_hosts(
        self, cell: queries.Cell, instance_uuid: str | None, reasons: dict[str, str]
    ) -> dict[str, objects.HostInventory | None]:
        with self.database.api.read() as tx:
            known = services.list_all(tx, binary=services.COMPUTE_BINARY)
        if instance_uuid is not None:
            wanted = {server.host for server in cell.servers.values()}
            known = [service for service in known if service.host in wanted]
        now, limit_s = timeutils.utcnow(), self._conf.service_down_time_s
        up = [service.host for service in known if services.is_up(service, now, limit_s)]
        for service in known:
            if service.host not in up:
                reasons[service.host] = _why_down(service)
        found: dict[str, objects.HostInventory | None] = {s.host: None for s in known}
        if not up:
            return found
        with concurrent.futures.ThreadPoolExecutor(min(HOSTS_AT_ONCE, len(up))) as pool:
            asked = {host: pool.submit(self._ask_host, host, instance_uuid) for host in up}
            for host, answer in asked.items():
                try:
                    found[host] = answer.result()
                except exceptions.NovaLiteError as error:
                    reasons[host] = error.message
        return found

    def _ask_host(self, host: str, instance_uuid: str | None) -> objects.HostInventory:
        return self.compute.get_inventory(context.admin_context(), host, instance_uuid)

    def _moved(
        self,
        cell: queries.Cell,
        instance_uuid: str | None,
        hosts: dict[str, objects.HostInventory | None],
    ) -> set[str]:
        """Servers that are not as they were when the look began, or not at rest."""
        on_hosts = {
            operation
            for inventory in hosts.values()
            if inventory is not None
            for operation in inventory.operations
        }
        with self.database.cell.read() as tx:
            moved = queries.busy_servers(tx)
            moved |= queries.servers_since(tx, cell.last_action)
            moved |= queries.servers_of(tx, on_hosts)
            now = queries.read_cell(tx, instance_uuid).fingerprints()
        with self.database.api.read() as tx:
            moved |= queries.servers_asked_for(tx)
        before = cell.fingerprints()
        return moved | {uuid for uuid in before | now if before.get(uuid) != now.get(uuid)}

    def _deleted_among(self, instance_uuids: set[str]) -> set[str]:
        with self.database.cell.read() as tx:
            return queries.which_are_deleted(tx, instance_uuids)

    def _owners(self, volumes: dict[str, records.Volume]) -> dict[str, str]:
        made_for = {
            volume.metadata[creation.DEVICE_KEY]
            for volume in volumes.values()
            if creation.DEVICE_KEY in volume.metadata
        }
        with self.database.cell.read() as tx:
            return queries.known_devices(tx, made_for)


class _Said(typing.NamedTuple):
    """The answers of one look."""

    api: queries.Api
    cell: queries.Cell
    volumes: dict[str, records.Volume] | None
    attachments: dict[str, records.Attachment] | None
    hosts: dict[str, objects.HostInventory | None]

    def strangers(self) -> set[str]:
        """Servers that somebody speaks of and that do not live."""
        named = {a.instance_uuid for a in (self.attachments or {}).values() if a.instance_uuid}
        for inventory in self.hosts.values():
            if inventory is not None:
                named.update(guest.instance_uuid for guest in inventory.guests)
                named.update(folder.instance_uuid for folder in inventory.folders)
                named.update(filter(None, map(disks.server_of, inventory.images)))
        return named - set(self.cell.servers)


def _why_down(service: objects.Service) -> str:
    if service.forced_down:
        return "it is forced down"
    return f"it has been silent since {service.last_seen_up or 'ever'}"
