"""Volumes, snapshots and attachments of the embedded volume service, over HTTP."""

import typing

import falcon

from nova_lite.standalone import store
from nova_lite.standalone import volume_actions
from nova_lite.standalone import volume_making
from nova_lite.standalone import volume_records
from nova_lite.standalone import volume_views
from nova_lite.standalone import web

KEY_BITS = 256

ATTACHMENTS = (3, 27)
COMPLETE = (3, 44)


class Volumes:
    """``/v3/volumes`` and what is below it."""

    collection = "volumes"

    def __init__(
        self,
        volumes: volume_records.VolumeStore,
        maker: volume_making.Maker,
        actions: volume_actions.VolumeActions,
        max_volume_gib: int,
    ) -> None:
        self._volumes = volumes
        self._maker = maker
        self._actions = actions
        self._max_volume_gib = max_volume_gib

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Begin to make a volume."""
        wanted = web.json_body(req, "volume")
        identity = req.context.identity
        if wanted.get("availability_zone") not in (None, "", volume_records.ZONE):
            raise falcon.HTTPBadRequest(
                description=f"Availability zone '{wanted['availability_zone']}' is invalid."
            )
        kind, source = self._source_of(identity, wanted)
        size_gib = self._size_of(wanted, source)
        volume_type = self._type_of(wanted, source)
        volume = self._volumes.new_volume(identity, wanted, size_gib)
        volume["volume_type"] = volume_type["name"]
        if source is not None:
            # Its data are copied as they are.
            volume["encryption_key_id"] = source.get("encryption_key_id")
        elif volume_type is volume_records.ENCRYPTED_TYPE:
            volume["encryption_key_id"] = self._volumes.keys.manager().create_key(
                None, "AES", KEY_BITS
            )
        self._volumes.save("volume", volume)
        answer = volume_views.volume(req, volume, [])
        if source is not None:
            copied = {key: source[key] for key in ("bootable", "image_metadata")}
            path = self._volumes.path(kind, source["id"])
            self._maker.copy("volume", volume, path, copied)
        elif wanted.get("imageRef"):
            self._maker.from_image(identity, volume, str(wanted["imageRef"]))
        else:
            self._maker.blank(volume)
        resp.media = {"volume": answer}
        resp.status = falcon.HTTP_202

    def _source_of(
        self, identity: web.Identity, wanted: store.Document
    ) -> tuple[str, store.Document | None]:
        """The snapshot or volume to copy, if any; it must be available."""
        for kind, key in (("snapshot", "snapshot_id"), ("volume", "source_volid")):
            if wanted.get(key):
                source = self._volumes.get(identity, kind, str(wanted[key]))
                if source["status"] not in ("available", "in-use"):
                    raise falcon.HTTPBadRequest(
                        description=f"Invalid {kind}: {source['id']} is {source['status']}"
                    )
                return kind, source
        return "", None

    def _type_of(self, wanted: store.Document, source: store.Document | None) -> store.Document:
        """What is asked for, or the source's type: the data are either encrypted or not."""
        name = wanted.get("volume_type")
        found = volume_records.type_named(name)
        if found is None:
            raise falcon.HTTPNotFound(
                description=f"Volume type with name {name} could not be found."
            )
        if source is None:
            return found
        is_encrypted = bool(source.get("encryption_key_id"))
        of_source = volume_records.VOLUME_TYPES[is_encrypted]
        if name is not None and found is not of_source:
            raise volume_records.bad_request(
                "Invalid volume_type provided: encrypted and plain types do not mix"
            )
        return of_source

    def _size_of(self, wanted: store.Document, source: store.Document | None) -> int:
        try:
            size_gib = int(wanted.get("size") or (source or {}).get("size") or 0)
        except (TypeError, ValueError):
            size_gib = 0
        if size_gib < 1:
            raise falcon.HTTPBadRequest(
                description=f"Invalid input received: size '{wanted.get('size')}' must be an "
                "integer and greater than 0"
            )
        if size_gib > self._max_volume_gib:
            raise falcon.HTTPContentTooLarge(
                description="VolumeSizeExceedsLimit: Requested volume size "
                f"{size_gib}G is larger than maximum allowed limit {self._max_volume_gib}G."
            )
        if source is not None and size_gib < source["size"]:
            raise falcon.HTTPBadRequest(
                description=f"Invalid input received: Volume size {size_gib}GB cannot be smaller "
                f"than the original size {source['size']}GB."
            )
        return size_gib

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List."""
        shown, marker = self._list(req)
        media = {"volumes": [volume_views.volume_summary(req, v) for v in shown]}
        resp.media = media | web.next_link(req, "volumes", marker)

    def on_get_detail(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List in detail."""
        shown, marker = self._list(req)
        uses: dict[str, list[store.Document]] = {}
        for attachment in self._volumes.records.list("attachment"):
            uses.setdefault(attachment["volume_id"], []).append(attachment)
        views = [volume_views.volume(req, v, uses.get(v["id"], [])) for v in shown]
        resp.media = {"volumes": views} | web.next_link(req, "volumes", marker)

    def on_get_summary(self, req: falcon.Request, resp: falcon.Response) -> None:
        """How many there are, and how large all together."""
        volumes = self._volumes.visible(
            req.context.identity, "volume", all_projects=web.asks_all_projects(req)
        )
        total_gib = sum(volume["size"] for volume in volumes)
        resp.media = {
            "volume-summary": {
                "total_size": total_gib,
                "total_count": len(volumes),
                "metadata": {},
            }
        }

    def _list(self, req: falcon.Request) -> tuple[list[store.Document], str | None]:
        volumes = self._volumes.visible(
            req.context.identity, "volume", all_projects=web.asks_all_projects(req)
        )
        return web.page(web.sort(web.matching(volumes, req), req), req)

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, volume_id: str) -> None:
        """Show."""
        volume = self._volumes.get(req.context.identity, "volume", volume_id)
        uses = self._volumes.attachments_of(volume_id)
        resp.media = {"volume": volume_views.volume(req, volume, uses)}

    def on_put_one(self, req: falcon.Request, resp: falcon.Response, volume_id: str) -> None:
        """Change name, description or metadata."""
        wanted = web.json_body(req, "volume")
        keys = [key for key in ("name", "description", "metadata") if key in wanted]
        changes: store.Document = {key: wanted[key] for key in keys}
        volume = self._volumes.change(
            req.context.identity, volume_id, lambda volume: volume.update(changes)
        )
        uses = self._volumes.attachments_of(volume_id)
        resp.media = {"volume": volume_views.volume(req, volume, uses)}

    def on_delete_one(self, req: falcon.Request, resp: falcon.Response, volume_id: str) -> None:
        """Remove the volume and its data; with ``cascade`` its snapshots too."""
        identity = req.context.identity
        force = req.get_param_as_bool("force", default=False) and identity.is_admin
        if req.get_param_as_bool("cascade", default=False):
            self._volumes.remove_snapshots(identity, volume_id)
        self._volumes.begin_delete(identity, volume_id, force=force)
        resp.status = falcon.HTTP_202

    def on_post_action(self, req: falcon.Request, resp: falcon.Response, volume_id: str) -> None:
        """One of the actions."""
        body = web.json_body(req)
        answer = self._actions.run(req.context.identity, volume_id, body, req.context.version)
        if answer is not None:
            resp.media = answer
        else:
            resp.status = falcon.HTTP_202

    def on_get_encryption(
        self, req: falcon.Request, resp: falcon.Response, volume_id: str
    ) -> None:
        """How the volume is encrypted, for who may open it."""
        volume = self._volumes.get(req.context.identity, "volume", volume_id)
        key_id = volume.get("encryption_key_id")
        resp.media = {"encryption_key_id": key_id}
        if key_id:
            resp.media |= {
                "provider": "luks",
                "cipher": "aes-xts-plain64",
                "key_size": KEY_BITS,
                "control_location": "front-end",
            }

    def on_get_metadata(self, req: falcon.Request, resp: falcon.Response, volume_id: str) -> None:
        """The volume's metadata."""
        volume = self._volumes.get(req.context.identity, "volume", volume_id)
        resp.media = {"metadata": volume["metadata"]}

    def on_post_metadata(self, req: falcon.Request, resp: falcon.Response, volume_id: str) -> None:
        """Add metadata."""
        items = web.json_body(req, "metadata")
        volume = self._volumes.change(
            req.context.identity, volume_id, lambda volume: volume["metadata"].update(items)
        )
        resp.media = {"metadata": volume["metadata"]}

    def on_put_metadata(self, req: falcon.Request, resp: falcon.Response, volume_id: str) -> None:
        """Replace all metadata."""
        items = web.json_body(req, "metadata")
        self._volumes.change(
            req.context.identity, volume_id, lambda volume: volume.update(metadata=items)
        )
        resp.media = {"metadata": items}

    def on_delete_metadata_item(
        self, req: falcon.Request, resp: falcon.Response, volume_id: str, key: str
    ) -> None:
        """Remove one item."""

        def remove(volume: store.Document) -> None:
            if volume["metadata"].pop(key, None) is None:
                raise falcon.HTTPNotFound(description=f"Volume has no metadata {key}")

        self._volumes.change(req.context.identity, volume_id, remove)


class Snapshots:
    """``/v3/snapshots`` and what is below it."""

    collection = "snapshots"

    def __init__(self, volumes: volume_records.VolumeStore, maker: volume_making.Maker) -> None:
        self._volumes = volumes
        self._maker = maker

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Begin to make a snapshot."""
        wanted = web.json_body(req, "snapshot")
        identity = req.context.identity
        forced = str(wanted.get("force", False)).lower() in ("true", "1")
        allowed = (
            ("available", "in-use") if forced or req.context.version >= (3, 66) else ("available",)
        )
        with self._volumes.records.transaction():
            volume = self._volumes.get(identity, "volume", str(wanted.get("volume_id")))
            if volume["status"] not in allowed:
                raise falcon.HTTPBadRequest(
                    description=f"Invalid volume: Volume {volume['id']} status must be available, "
                    f"but current status is: {volume['status']}."
                )
            if volume_records.is_migrating(volume):
                raise falcon.HTTPBadRequest(
                    description="Invalid volume: Snapshot cannot be created while volume is "
                    "migrating."
                )
            snapshot = self._volumes.new_volume(identity, wanted, volume["size"]) | {
                "volume_id": volume["id"],
                "bootable": volume["bootable"],
                "encryption_key_id": volume.get("encryption_key_id"),
                "image_metadata": volume["image_metadata"],
            }
            self._volumes.save("snapshot", snapshot)
        resp.media = {"snapshot": volume_views.snapshot(snapshot)}
        resp.status = falcon.HTTP_202
        self._maker.copy("snapshot", snapshot, self._volumes.path("volume", volume["id"]), {})

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List."""
        snapshots = self._volumes.visible(
            req.context.identity, "snapshot", all_projects=web.asks_all_projects(req)
        )
        shown, marker = web.page(web.sort(web.matching(snapshots, req), req), req)
        media = {"snapshots": [volume_views.snapshot(s) for s in shown]}
        resp.media = media | web.next_link(req, "snapshots", marker)

    on_get_detail = on_get

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, snapshot_id: str) -> None:
        """Show."""
        snapshot = self._volumes.get(req.context.identity, "snapshot", snapshot_id)
        resp.media = {"snapshot": volume_views.snapshot(snapshot)}

    def on_put_one(self, req: falcon.Request, resp: falcon.Response, snapshot_id: str) -> None:
        """Change name or description."""
        wanted = web.json_body(req, "snapshot")
        snapshot = self._volumes.get(req.context.identity, "snapshot", snapshot_id)
        snapshot |= {k: wanted[k] for k in ("name", "description", "metadata") if k in wanted}
        self._volumes.save("snapshot", snapshot)
        resp.media = {"snapshot": volume_views.snapshot(snapshot)}

    def on_delete_one(self, req: falcon.Request, resp: falcon.Response, snapshot_id: str) -> None:
        """Remove the snapshot and its data."""
        snapshot = self._volumes.get(req.context.identity, "snapshot", snapshot_id)
        if snapshot["status"] not in ("available", "error"):
            raise falcon.HTTPBadRequest(
                description=f"Invalid snapshot: Snapshot is {snapshot['status']}"
            )
        self._volumes.remove("snapshot", snapshot_id)
        resp.status = falcon.HTTP_202


class Attachments:
    """``/v3/attachments`` and what is below it."""

    collection = "attachments"

    def __init__(self, volumes: volume_records.VolumeStore) -> None:
        self._volumes = volumes

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Reserve, and export if there is a connector."""
        _need(req, ATTACHMENTS)
        wanted = web.json_body(req, "attachment")
        if not wanted.get("instance_uuid"):
            raise falcon.HTTPBadRequest(description="'instance_uuid' is a required property")
        attachment = self._volumes.create_attachment(
            req.context.identity,
            str(wanted.get("volume_uuid")),
            str(wanted["instance_uuid"]),
            wanted.get("connector"),
        )
        resp.media = {"attachment": volume_views.attachment(attachment)}

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List."""
        resp.media = {"attachments": [volume_views.attachment_summary(a) for a in self._list(req)]}

    def on_get_detail(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List in detail."""
        resp.media = {"attachments": [volume_views.attachment(a) for a in self._list(req)]}

    def _list(self, req: falcon.Request) -> list[store.Document]:
        _need(req, ATTACHMENTS)
        attachments = self._volumes.visible(
            req.context.identity, "attachment", all_projects=web.asks_all_projects(req)
        )
        for parameter, key in (
            ("instance_id", "instance"),
            ("volume_id", "volume_id"),
            ("status", "status"),
        ):
            value = req.get_param(parameter)
            if value is not None:
                attachments = [a for a in attachments if a[key] == value]
        return web.page(web.sort(attachments, req), req)[0]

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, attachment_id: str) -> None:
        """Show."""
        _need(req, ATTACHMENTS)
        attachment = self._volumes.get(req.context.identity, "attachment", attachment_id)
        resp.media = {"attachment": volume_views.attachment(attachment)}

    def on_put_one(self, req: falcon.Request, resp: falcon.Response, attachment_id: str) -> None:
        """Export to the connector's host."""
        _need(req, ATTACHMENTS)
        connector = web.json_body(req, "attachment", "connector")
        attachment = self._volumes.update_attachment(
            req.context.identity, attachment_id, connector
        )
        resp.media = {"attachment": volume_views.attachment(attachment)}

    def on_delete_one(
        self, req: falcon.Request, resp: falcon.Response, attachment_id: str
    ) -> None:
        """Let go."""
        _need(req, ATTACHMENTS)
        left = self._volumes.delete_attachment(req.context.identity, attachment_id)
        resp.media = {"attachments": [volume_views.attachment_summary(a) for a in left]}

    def on_post_action(
        self, req: falcon.Request, resp: falcon.Response, attachment_id: str
    ) -> None:
        """Complete."""
        _need(req, COMPLETE)
        if "os-complete" not in web.json_body(req):
            raise falcon.HTTPBadRequest(description="There is no such action")
        self._volumes.complete_attachment(req.context.identity, attachment_id)
        resp.status = falcon.HTTP_204


def _need(req: falcon.Request, version: volume_views.Version) -> None:
    """:raises falcon.HTTPNotFound: the request's microversion is older."""
    asked: typing.Any = req.context.version
    if asked < version:
        raise falcon.HTTPNotFound(description="The resource could not be found.")
