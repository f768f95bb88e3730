"""What the embedded volume service answers."""

import typing

import falcon

from nova_lite.standalone import store
from nova_lite.standalone import volume_records

SERVICE_UUID = "0f9d4c1e-7a39-4f0e-9d3e-6a44dd6b7d0f"
MIN_VERSION = (3, 0)

Version = tuple[int, int]

SHARED_TARGETS = (3, 48)


def volume(
    req: falcon.Request, document: store.Document, attachments: list[store.Document]
) -> store.Document:
    """A volume in detail."""
    view = {
        key: document[key]
        for key in (
            "id", "name", "description", "size", "status", "multiattach", "user_id",
            "availability_zone", "volume_type", "metadata", "snapshot_id", "source_volid",
            "created_at", "updated_at",
        )
    }  # fmt: skip
    view |= {
        "bootable": "true" if document["bootable"] else "false",
        "encrypted": bool(document.get("encryption_key_id")),
        "replication_status": None,
        "consistencygroup_id": None,
        "migration_status": _for_admin(req, document.get("migration_status")),
        "attachments": [
            {
                "id": document["id"],
                "attachment_id": attachment["id"],
                "volume_id": document["id"],
                "server_id": attachment["instance"],
                "host_name": attachment["host_name"],
                "device": attachment["mountpoint"],
                "attached_at": attachment["attached_at"],
            }
            for attachment in attachments
            if volume_records.is_live(attachment)
        ],
        "links": _links(req, "volumes", document["id"]),
        "os-vol-tenant-attr:tenant_id": document["project_id"],
        "os-vol-host-attr:host": _for_admin(req, document.get("host")),
    }
    if document["image_metadata"]:
        view["volume_image_metadata"] = document["image_metadata"]
    if document["readonly"]:
        view["metadata"] = view["metadata"] | {"readonly": "True"}
    if req.context.version >= SHARED_TARGETS:
        view |= {"service_uuid": SERVICE_UUID, "shared_targets": False}
    return view


def volume_summary(req: falcon.Request, document: store.Document) -> store.Document:
    """A volume in a short list."""
    return {
        "id": document["id"],
        "name": document["name"],
        "links": _links(req, "volumes", document["id"]),
    }


def snapshot(document: store.Document) -> store.Document:
    """A snapshot."""
    return {
        "id": document["id"],
        "name": document["name"],
        "description": document["description"],
        "volume_id": document["volume_id"],
        "size": document["size"],
        "status": document["status"],
        "metadata": document["metadata"],
        "created_at": document["created_at"],
        "updated_at": document["updated_at"],
        "user_id": document["user_id"],
        "os-extended-snapshot-attributes:progress": "100%",
        "os-extended-snapshot-attributes:project_id": document["project_id"],
    }


def attachment(document: store.Document) -> store.Document:
    """An attachment in detail."""
    keys = (
        "id", "volume_id", "instance", "status", "attach_mode", "connection_info",
        "attached_at", "detached_at",
    )  # fmt: skip
    return {key: document[key] for key in keys}


def attachment_summary(document: store.Document) -> store.Document:
    """An attachment in a short list."""
    return {key: document[key] for key in ("id", "volume_id", "instance", "status")}


def versions(req: falcon.Request, newest: Version) -> store.Document:
    """The version document."""
    return {
        "versions": [
            {
                "id": "v3.0",
                "status": "CURRENT",
                "version": "{}.{}".format(*newest),
                "min_version": "{}.{}".format(*MIN_VERSION),
                "updated": "2026-01-01T00:00:00Z",
                "links": [{"rel": "self", "href": f"{req.prefix}/v3/"}],
                "media-types": [],
            }
        ]
    }


def _for_admin(req: falcon.Request, value: str | None) -> str | None:
    return value if req.context.identity.is_admin else None


def _links(req: falcon.Request, collection: str, key: str) -> list[dict[str, typing.Any]]:
    path = f"{collection}/{key}"
    return [
        {"rel": "self", "href": f"{req.prefix}/v3/{path}"},
        {"rel": "bookmark", "href": f"{req.prefix}/{path}"},
    ]
