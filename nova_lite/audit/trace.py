"""Where a server's disks come from and who has them: from the image, over the volume
and its attachment, to what the hypervisor opens, source by source."""

import typing

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite.audit import collect
from nova_lite.audit import facts
from nova_lite.audit import finding
from nova_lite.audit import kinds
from nova_lite.audit import looks
from nova_lite.image import glance
from nova_lite.volume import host_side
from nova_lite.volume import records

View: typing.TypeAlias = dict[str, typing.Any]


class Tracer:
    """Makes traces."""

    def __init__(self, collector: collect.Collector, client: glance.GlanceClient) -> None:
        self._collector = collector
        self._glance = client

    def trace(self, ctxt: context.RequestContext, instance_uuid: str) -> View:
        """One server's storage, as plain values. Connection information is told only
        as far as it is no secret.

        :raises nova_lite.exceptions.InstanceNotFound: no such server in a cell.
        """
        seen = self._collector.look(instance_uuid, ctxt)
        server = seen.cell.servers.get(instance_uuid)
        if server is None:
            raise exceptions.InstanceNotFound(instance_uuid=instance_uuid)
        found = [each for each in looks.compare(seen) if _is_about(each, instance_uuid)]
        devices = [device for device in seen.cell.devices if not device.no_device]
        shown: set[finding.Finding] = set()
        views = []
        for device in sorted(devices, key=lambda device: device.device_name or "~"):
            its = [each for each in found if _is_of(each, device)]
            shown.update(its)
            views.append(self._device(ctxt, seen, server, device) | {"disagreements": _views(its)})
        rest = [each for each in found if each not in shown]
        return {
            "server": _server(seen, server),
            "devices": views,
            "unknown_disks": _unknown_disks(seen, server),
            "silent": dict(sorted(seen.reasons.items())),
            "other_disagreements": _views(rest),
            "disagreements": len(found),
        }

    def _device(
        self,
        ctxt: context.RequestContext,
        seen: facts.Facts,
        server: objects.Instance,
        device: facts.Device,
    ) -> View:
        volume = (seen.volumes or {}).get(device.volume_id)
        disk = _disk_of(seen, server, device)
        return {
            "device": device.device_name,
            "boot_index": device.boot_index,
            "source_type": device.source_type,
            "destination_type": device.destination_type,
            "phase": device.phase,
            "delete_on_termination": device.delete_on_termination,
            "image": self._image(ctxt, server, device, volume),
            "snapshot": device.snapshot_id or (volume.snapshot_id if volume else None),
            "volume": _volume(seen, device, volume),
            "attachment": _attachment(seen, device),
            "connection": _connection(device),
            "guest": disk,
            "host_connected": _host_connected(seen, server, device),
            "ceph": _ceph(seen, server, device, disk),
        }

    def _image(
        self,
        ctxt: context.RequestContext,
        server: objects.Instance,
        device: facts.Device,
        volume: records.Volume | None,
    ) -> View | None:
        image_id = device.image_id
        if volume is not None:
            image_id = volume.image_metadata.get("image_id") or image_id
        elif image_id is None and device.is_root and not device.is_volume:
            image_id = server.image_ref
        if not image_id:
            return None
        view: View = {"id": image_id}
        try:
            image = self._glance.get_image(ctxt, image_id)
            view |= {"name": image.name, "disk_format": image.disk_format, "status": image.status}
            view["locations"] = self._glance.location_urls(ctxt, image_id)
        except exceptions.NovaLiteError as error:
            view["unknown"] = error.message
        return view


def _server(seen: facts.Facts, server: objects.Instance) -> View:
    return {
        "id": server.uuid,
        "name": server.display_name,
        "project_id": server.project_id,
        "host": server.host,
        "vm_state": server.vm_state,
        "task_state": server.task_state,
        "at_work": server.uuid in seen.moving,
        "guests": [
            {"host": place.host, "name": place.guest.name, "runs": place.guest.live is not None}
            for place in seen.places.get(server.uuid, [])
        ],
    }


def _volume(seen: facts.Facts, device: facts.Device, volume: records.Volume | None) -> View | None:
    if not device.volume_id:
        return None
    if volume is None:
        state = "unknown" if seen.volumes is None else "missing"
        return {"id": device.volume_id, "status": state}
    return {
        "id": volume.id,
        "name": volume.name,
        "status": volume.status,
        "size_gib": volume.size_gib,
        "volume_type": volume.volume_type,
        "multiattach": volume.multiattach,
        "encrypted": volume.encrypted,
        "servers": sorted(use.server_uuid for use in volume.attachments if use.server_uuid),
    }


def _attachment(seen: facts.Facts, device: facts.Device) -> View | None:
    if not device.attachment_id:
        return None
    attachment = (seen.attachments or {}).get(device.attachment_id)
    if attachment is None:
        state = "unknown" if seen.attachments is None else "missing"
        return {"id": device.attachment_id, "status": state}
    return {
        "id": attachment.id,
        "status": attachment.status,
        "server": attachment.instance_uuid,
        "volume": attachment.volume_id,
    }


_TOLD = (
    "device_path", "format", "name", "export", "target_iqn", "target_portal", "target_lun",
    "hosts", "ports", "cluster_name", "access_mode", "target_nqn",
)  # fmt: skip
"""Of connection information, what says where and is no secret."""


def _connection(device: facts.Device) -> View | None:
    info = host_side.connection_info_of(device)
    if info is None:
        return None
    data = info.get("data") or {}
    return {
        "driver_volume_type": info.get("driver_volume_type"),
        **{key: data[key] for key in _TOLD if data.get(key) is not None},
    }


def _disk_of(seen: facts.Facts, server: objects.Instance, device: facts.Device) -> View | None:
    """What the hypervisor says: in what runs, in the definition, or both."""
    name = (device.device_name or "").removeprefix("/dev/")
    serial = host_side.serial_of(device) if device.volume_id else None
    for place in seen.places.get(server.uuid, []):
        disks: dict[str, objects.InventoryDisk] = {}
        for where, listed in (("live", place.guest.live or []), ("defined", place.guest.defined)):
            for disk in listed:
                same = disk.serial == serial if serial else disk.device == name
                if same:
                    disks[where] = disk
        if disks:
            disk = next(iter(disks.values()))
            return {
                "host": place.host,
                "device": disk.device,
                "source_type": disk.source_type,
                "source": disk.source,
                "live": "live" in disks,
                "defined": "defined" in disks,
                "is_missing": disk.is_missing,
            }
    return None


def _host_connected(
    seen: facts.Facts, server: objects.Instance, device: facts.Device
) -> bool | None:
    """By the host's own record; None if it is not known, or needs no connection."""
    inventory = seen.knows(server.host, "connections")
    if inventory is None or not device.volume_id:
        return None
    return any(
        (connection.volume_id, connection.instance_uuid)
        == (host_side.connection_id_of(device), server.uuid)
        for connection in inventory.connections
    )


def _ceph(
    seen: facts.Facts, server: objects.Instance, device: facts.Device, disk: View | None
) -> View | None:
    """Parent, watchers and locks of the image behind the disk, if it is in Ceph."""
    inventory = seen.knows(server.host, "images")
    if inventory is None or disk is None or disk["source_type"] != "network":
        return None
    for image in inventory.images:
        if f"{image.pool}/{image.name}" == disk["source"]:
            return {
                "image": disk["source"],
                "size_bytes": image.size_bytes,
                "parent": image.parent,
                "snapshots": list(image.snapshots),
                "watchers": list(image.watchers),
                "locks": list(image.locks),
            }
    return None


def _unknown_disks(seen: facts.Facts, server: objects.Instance) -> list[View]:
    known = seen.serials_of(server.uuid)
    return [
        {"host": place.host, "volume": serial}
        for place in seen.places.get(server.uuid, [])
        for serial in sorted(place.serials - known)
    ]


def _is_about(each: finding.Finding, instance_uuid: str) -> bool:
    return each.subject("server") in (None, instance_uuid)


def _is_of(each: finding.Finding, device: facts.Device) -> bool:
    return (
        (each.subject("volume") is not None and each.subject("volume") == device.volume_id)
        or (
            each.subject("attachment") is not None
            and each.subject("attachment") == device.attachment_id
        )
        or each.subject("device") == device.uuid
    )


def _views(found: list[finding.Finding]) -> list[View]:
    return [
        {
            "kind": each.kind,
            "severity": str(kinds.KINDS[each.kind].severity),
            "says": each.says,
            "advice": kinds.KINDS[each.kind].advice_for(each),
        }
        for each in found
    ]
