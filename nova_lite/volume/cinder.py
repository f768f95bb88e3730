"""A typed client of Cinder v3.

Every call carries the user's token and ours (:mod:`nova_lite.remote`). The
microversion is chosen once a process from Cinder's version document: 3.71 (completing
an extend), 3.69 (``shared_targets`` may be null), 3.48 (``shared_targets``), 3.44 (attachments),
else 3.0 and the legacy calls only.
"""

import collections.abc
import json
import logging
import re
import typing

from nova_lite import concurrency
from nova_lite import context
from nova_lite import exceptions
from nova_lite import remote
from nova_lite.volume import records

LOG = logging.getLogger(__name__)

WANTED_VERSIONS = ((3, 71), (3, 69), (3, 48), (3, 44), (3, 0))
ATTACHMENTS_VERSION = (3, 44)
RETRY_DELAY_S = 0.2
TYPES_PAGE = 1000
LIST_PAGE = 1000
"""Cinder's own limit, unless its administrator has chosen a smaller one."""
LIST_ATTEMPTS = 3

NotFound = collections.abc.Callable[[], exceptions.NotFound]


class CinderClient:
    """Calls of Cinder; safe to share between green threads.

    Errors of every call, unless it says otherwise:

    :raises nova_lite.exceptions.NotFound: its subclass for the thing named.
    :raises nova_lite.exceptions.InvalidVolume: Cinder answered 400.
    :raises nova_lite.exceptions.Forbidden: 403.
    :raises nova_lite.exceptions.RemoteConflict: 409.
    :raises nova_lite.exceptions.QuotaExceeded: 413.
    :raises nova_lite.exceptions.RemoteServiceError: anything else, or no answer.
    """

    def __init__(self, conf: typing.Any) -> None:
        self._conf = conf
        self._service = remote.RemoteService(conf, "cinder")
        self._version: tuple[int, int] | None = None

    # Volumes and snapshots

    def get_volume(self, ctxt: context.RequestContext, volume_id: str) -> records.Volume:
        """One volume."""
        body = self._call(ctxt, "GET", f"/volumes/{volume_id}", _no_volume(volume_id))
        return records.volume_of(body["volume"])

    def get_encryption(
        self, ctxt: context.RequestContext, volume_id: str
    ) -> records.VolumeEncryption | None:
        """How a volume is encrypted, or None if it is not."""
        path = f"/volumes/{volume_id}/encryption"
        body = self._call(ctxt, "GET", path, _no_volume(volume_id)) or {}
        if not body.get("encryption_key_id"):
            return None
        return records.VolumeEncryption(
            key_id=body["encryption_key_id"],
            provider=str(body.get("provider")),
            control_location=str(body.get("control_location")),
        )

    def get_snapshot(self, ctxt: context.RequestContext, snapshot_id: str) -> records.Snapshot:
        """One snapshot."""
        body = self._call(ctxt, "GET", f"/snapshots/{snapshot_id}", _no_snapshot(snapshot_id))
        return records.snapshot_of(body["snapshot"])

    def create_snapshot(
        self,
        ctxt: context.RequestContext,
        volume_id: str,
        *,
        name: str,
        metadata: dict[str, str],
    ) -> records.Snapshot:
        """Order a snapshot, also of a volume in use; it is ``creating`` for a while.

        It belongs to the project of the request's token, as a volume does
        (:meth:`create_volume`).
        """
        self._require_owner(ctxt, "a snapshot")
        wanted = {"volume_id": volume_id, "force": True, "name": name, "metadata": metadata}
        body = self._call(ctxt, "POST", "/snapshots", _no_volume(volume_id), {"snapshot": wanted})
        return records.snapshot_of(body["snapshot"])

    def find_snapshots(
        self, ctxt: context.RequestContext, metadata: dict[str, str]
    ) -> list[records.Snapshot]:
        """The snapshots that have all these metadata."""
        # Older versions of Cinder pass the filter over: we look ourselves.
        params = {"metadata": json.dumps(metadata)}
        if ctxt.is_admin:
            params["all_tenants"] = "1"
        body = self._call(ctxt, "GET", "/snapshots/detail", _no_snapshot("any"), params=params)
        return [
            records.snapshot_of(item)
            for item in body["snapshots"]
            if metadata.items() <= (item.get("metadata") or {}).items()
        ]

    def delete_snapshot(self, ctxt: context.RequestContext, snapshot_id: str) -> None:
        """Order a snapshot's deletion. Gone is success."""
        try:
            self._call(ctxt, "DELETE", f"/snapshots/{snapshot_id}", _no_snapshot(snapshot_id))
        except exceptions.SnapshotNotFound:
            LOG.debug("Snapshot %s is already gone", snapshot_id)

    def snapshot_quota(self, ctxt: context.RequestContext) -> records.SnapshotQuota:
        """How many snapshots the project of the request may have."""
        body = self._call(ctxt, "GET", "/limits", _no_snapshot("any"))
        absolute = body["limits"]["absolute"]
        return records.SnapshotQuota(
            limit=int(absolute["maxTotalSnapshots"]), used=int(absolute["totalSnapshotsUsed"])
        )

    def create_volume(
        self,
        ctxt: context.RequestContext,
        size_gib: int | None,
        *,
        name: str,
        description: str,
        image_id: str | None = None,
        snapshot_id: str | None = None,
        volume_type: str | None = None,
        availability_zone: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> records.Volume:
        """Order a volume; it is ``creating`` or ``downloading`` for a while.

        It belongs to the project of the request's token, so a request that has
        none (recovery) cannot order one: it would be nobody's.

        :param size_gib: None takes the snapshot's size.
        """
        self._require_owner(ctxt, "a volume")
        volume = {
            "size": size_gib,
            "name": name,
            "description": description,
            "imageRef": image_id,
            "snapshot_id": snapshot_id,
            "volume_type": volume_type,
            "availability_zone": availability_zone,
            "metadata": metadata,
        }
        wanted = {key: value for key, value in volume.items() if value is not None}
        missing = _no_snapshot(snapshot_id) if snapshot_id else _no_volume("new")
        body = self._call(ctxt, "POST", "/volumes", missing, {"volume": wanted})
        return records.volume_of(body["volume"])

    def find_volumes(
        self, ctxt: context.RequestContext, metadata: dict[str, str]
    ) -> list[records.Volume]:
        """The volumes that have all these metadata."""
        # As in find_snapshots: what Cinder finds is looked at, since it may be deleted.
        params = {"metadata": json.dumps(metadata)}
        if ctxt.is_admin:
            params["all_tenants"] = "1"
        body = self._call(ctxt, "GET", "/volumes/detail", _no_volume("any"), params=params)
        found = [records.volume_of(item) for item in body["volumes"]]
        return [volume for volume in found if metadata.items() <= volume.metadata.items()]

    def list_all_volumes(self, ctxt: context.RequestContext) -> list[records.Volume]:
        """Every volume of every project; for administrators."""
        return [
            records.volume_of(item) for item in self._pages(ctxt, "/volumes/detail", "volumes")
        ]

    def delete_volume(self, ctxt: context.RequestContext, volume_id: str) -> None:
        """Order a volume's deletion."""
        self._call(ctxt, "DELETE", f"/volumes/{volume_id}", _no_volume(volume_id))

    def list_volume_types(self, ctxt: context.RequestContext) -> list[records.VolumeType]:
        """The volume types that the user may use: public ones, and those given to
        the project."""
        params = {"limit": str(TYPES_PAGE)}
        if ctxt.is_admin:
            # Others see theirs in any case; an administrator must ask for all.
            params["is_public"] = "none"
        found: list[records.VolumeType] = []
        while True:
            body = self._call(ctxt, "GET", "/types", _no_volume("types"), params=params)
            found += [
                records.VolumeType(item["id"], item["name"]) for item in body["volume_types"]
            ]
            if not body.get("volume_type_links") or not body["volume_types"]:
                return found
            params["marker"] = found[-1].id

    # Attachments

    def supports_attachments(self, ctxt: context.RequestContext) -> bool:
        """Whether this Cinder has the attachments API as we use it (3.44)."""
        return self._negotiated(ctxt) >= ATTACHMENTS_VERSION

    def create_attachment(
        self,
        ctxt: context.RequestContext,
        volume_id: str,
        instance_uuid: str,
        connector: dict[str, typing.Any] | None = None,
        mountpoint: str | None = None,
    ) -> records.Attachment:
        """Reserve a volume for a server; with ``connector`` also export it."""
        attachment: dict[str, typing.Any] = {
            "volume_uuid": volume_id,
            "instance_uuid": instance_uuid,
        }
        if connector is not None:
            attachment["connector"] = _with_mountpoint(connector, mountpoint)
        body = self._call(
            ctxt, "POST", "/attachments", _no_volume(volume_id), {"attachment": attachment}
        )
        return records.attachment_of(body["attachment"])

    def get_attachment(
        self, ctxt: context.RequestContext, attachment_id: str
    ) -> records.Attachment:
        """One attachment."""
        body = self._call(
            ctxt, "GET", f"/attachments/{attachment_id}", _no_attachment(attachment_id)
        )
        return records.attachment_of(body["attachment"])

    def update_attachment(
        self,
        ctxt: context.RequestContext,
        attachment_id: str,
        connector: dict[str, typing.Any],
        mountpoint: str | None,
    ) -> records.Attachment:
        """Export the volume to a host. Repeated on server errors."""
        body = self._call_stubbornly(
            ctxt,
            "PUT",
            f"/attachments/{attachment_id}",
            _no_attachment(attachment_id),
            {"attachment": {"connector": _with_mountpoint(connector, mountpoint)}},
        )
        return records.attachment_of(body["attachment"])

    def complete_attachment(self, ctxt: context.RequestContext, attachment_id: str) -> None:
        """Tell that the server has it: the volume becomes ``in-use``."""
        self._call(
            ctxt,
            "POST",
            f"/attachments/{attachment_id}/action",
            _no_attachment(attachment_id),
            {"os-complete": None},
        )

    def delete_attachment(self, ctxt: context.RequestContext, attachment_id: str) -> None:
        """Let go of a volume. One that is gone is success; repeated on server errors."""
        try:
            self._call_stubbornly(
                ctxt, "DELETE", f"/attachments/{attachment_id}", _no_attachment(attachment_id)
            )
        except exceptions.AttachmentNotFound:
            LOG.debug("Attachment %s is already gone", attachment_id)

    def list_attachments(
        self, ctxt: context.RequestContext, instance_uuid: str
    ) -> list[records.Attachment]:
        """Every attachment of a server; none where Cinder is too old to have any."""
        if not self.supports_attachments(ctxt):
            return []
        params = {"instance_id": instance_uuid}
        if ctxt.is_admin:
            params["all_tenants"] = "1"
        body = self._call(ctxt, "GET", "/attachments/detail", _no_attachment("any"), params=params)
        return [records.attachment_of(item) for item in body["attachments"]]

    def list_all_attachments(self, ctxt: context.RequestContext) -> list[records.Attachment]:
        """Every attachment of every project, without its connection information;
        none where Cinder is too old to have any. For administrators."""
        if not self.supports_attachments(ctxt):
            return []
        return [
            records.attachment_of(item)
            for item in self._pages(ctxt, "/attachments", "attachments")
        ]

    # Detaching, both flows

    def begin_detaching(self, ctxt: context.RequestContext, volume_id: str) -> None:
        """``in-use`` to ``detaching``, so that nobody else begins."""
        self._action(ctxt, volume_id, "os-begin_detaching")

    def roll_detaching(self, ctxt: context.RequestContext, volume_id: str) -> None:
        """``detaching`` back to ``in-use``. A volume that is gone is success."""
        try:
            self._action(ctxt, volume_id, "os-roll_detaching")
        except exceptions.VolumeNotFound:
            LOG.debug("Volume %s is gone", volume_id)

    # What Cinder waits for

    def complete_extend(
        self, ctxt: context.RequestContext, volume_id: str, *, failed: bool
    ) -> None:
        """``extending`` to ``in-use``, with the new size, or the old one if it
        ``failed`` (3.71)."""
        self._action(ctxt, volume_id, "os-extend_volume_completion", {"error": failed})

    def complete_migration(
        self, ctxt: context.RequestContext, volume_id: str, new_volume_id: str, *, failed: bool
    ) -> str:
        """The guest is on the new volume, or (``failed``) has stayed on the old one,
        and Cinder removes the other.

        :returns: the id under which the volume goes on: the old one, whose data is
            where the new volume's was.
        """
        body = self._action(
            ctxt,
            volume_id,
            "os-migrate_volume_completion",
            {"new_volume": new_volume_id, "error": failed},
        )
        return str(body["save_volume_id"])

    # The legacy flow

    def reserve_volume(self, ctxt: context.RequestContext, volume_id: str) -> None:
        """``available`` to ``attaching``."""
        self._action(ctxt, volume_id, "os-reserve")

    def unreserve_volume(self, ctxt: context.RequestContext, volume_id: str) -> None:
        """``attaching`` back to ``available``."""
        self._action(ctxt, volume_id, "os-unreserve")

    def initialize_connection(
        self, ctxt: context.RequestContext, volume_id: str, connector: dict[str, typing.Any]
    ) -> dict[str, typing.Any]:
        """Export the volume to a host; returns ``connection_info`` (secret)."""
        body = self._action(ctxt, volume_id, "os-initialize_connection", {"connector": connector})
        return typing.cast(dict[str, typing.Any], body["connection_info"])

    def terminate_connection(
        self, ctxt: context.RequestContext, volume_id: str, connector: dict[str, typing.Any]
    ) -> None:
        """Undo :meth:`initialize_connection`."""
        self._action(ctxt, volume_id, "os-terminate_connection", {"connector": connector})

    def attach_volume(
        self,
        ctxt: context.RequestContext,
        volume_id: str,
        instance_uuid: str,
        mountpoint: str,
        mode: str = "rw",
    ) -> None:
        """Tell that the server has it: the volume becomes ``in-use``."""
        arguments = {"instance_uuid": instance_uuid, "mountpoint": mountpoint, "mode": mode}
        self._action(ctxt, volume_id, "os-attach", arguments)

    def detach_volume(
        self, ctxt: context.RequestContext, volume_id: str, attachment_id: str | None = None
    ) -> None:
        """Tell that the server let go: the volume becomes ``available``."""
        self._action(ctxt, volume_id, "os-detach", {"attachment_id": attachment_id})

    # How calls are made

    def _require_owner(self, ctxt: context.RequestContext, what: str) -> None:
        if self._conf.cinder.auth_type == "keystone" and not ctxt.auth_token:
            raise exceptions.RemoteServiceError(
                service="Cinder", reason=f"{what} can only be ordered with its owner's token"
            )

    def _pages(
        self, ctxt: context.RequestContext, path: str, collection: str
    ) -> list[dict[str, typing.Any]]:
        """All items of a collection, oldest first: what is added meanwhile comes
        last. Begins again when the item that a page ends with is gone."""
        for attempt in range(1, LIST_ATTEMPTS + 1):
            try:
                return self._all_pages(ctxt, path, collection)
            except (exceptions.NotFound, exceptions.InvalidVolume):
                if attempt == LIST_ATTEMPTS:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _all_pages(
        self, ctxt: context.RequestContext, path: str, collection: str
    ) -> list[dict[str, typing.Any]]:
        params = {"all_tenants": "1", "limit": str(LIST_PAGE), "sort": "created_at:asc"}
        found: list[dict[str, typing.Any]] = []
        while True:
            body = self._call(ctxt, "GET", path, _no_volume("any"), params=params)
            items = body[collection]
            if not items:
                # A short page may be the administrator's limit, so only an empty
                # one is the end: attachments have no link to the next page.
                return found
            found += items
            params["marker"] = items[-1]["id"]

    def _action(
        self,
        ctxt: context.RequestContext,
        volume_id: str,
        action: str,
        arguments: dict[str, typing.Any] | None = None,
    ) -> typing.Any:
        return self._call(
            ctxt,
            "POST",
            f"/volumes/{volume_id}/action",
            _no_volume(volume_id),
            {action: arguments},
        )

    def _call_stubbornly(
        self,
        ctxt: context.RequestContext,
        method: str,
        path: str,
        not_found: NotFound,
        body: dict[str, typing.Any] | None = None,
    ) -> typing.Any:
        """:meth:`_call`, repeated while Cinder or what is before it fails."""
        attempts = self._conf.cinder.attachment_attempts
        for attempt in range(1, attempts + 1):
            try:
                return self._call(ctxt, method, path, not_found, body)
            except exceptions.RemoteServiceError as error:
                status = error.facts.get("status")
                if attempt == attempts or status not in (500, 502, 503, 504):
                    raise
                LOG.warning(
                    "Cinder answered %s to %s %s; attempt %d of %d",
                    status, method, path, attempt, attempts,
                )  # fmt: skip
            concurrency.sleep(RETRY_DELAY_S * 2 ** (attempt - 1))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _call(
        self,
        ctxt: context.RequestContext,
        method: str,
        path: str,
        not_found: NotFound,
        body: dict[str, typing.Any] | None = None,
        *,
        params: dict[str, str] | None = None,
    ) -> typing.Any:
        """One request; returns the decoded body (None if it is empty)."""
        major, minor = self._negotiated(ctxt)
        headers = {"OpenStack-API-Version": f"volume {major}.{minor}"}
        try:
            response = self._service.request(
                ctxt, method, path, headers=headers, json=body, params=params
            )
        except remote.Refusal as refusal:
            raise _error(refusal, not_found) from None
        return response.json() if response.content else None

    def _negotiated(self, ctxt: context.RequestContext) -> tuple[int, int]:
        if self._version is None:
            self._version = self._choose_version(ctxt)
            LOG.info("Speaking to Cinder at microversion %d.%d", *self._version)
        return self._version

    def _choose_version(self, ctxt: context.RequestContext) -> tuple[int, int]:
        """The best of :data:`WANTED_VERSIONS` that Cinder's version document allows."""
        endpoint = self._service.endpoint(ctxt)
        root = re.sub(r"/v3(/.*)?$", "/v3", endpoint) + "/"
        try:
            # With a token: Cinder asks for one even here.
            response = self._service.request(ctxt, "GET", root)
            versions = response.json()["versions"]
            newest = max(
                tuple(int(part) for part in version["version"].split("."))
                for version in versions
                if version["id"].startswith("v3")
            )
        except remote.Refusal as refusal:
            raise _error(refusal, _no_volume("versions")) from None
        except (ValueError, KeyError, TypeError) as error:
            raise exceptions.RemoteServiceError(
                service="Cinder", reason=f"{root} is no version document"
            ) from error
        return next(version for version in WANTED_VERSIONS if version <= newest)


def _error(refusal: remote.Refusal, not_found: NotFound) -> exceptions.NovaLiteError:
    """Cinder's refusal as one of our errors."""
    match refusal.status:
        case 404:
            return not_found()
        case 400:
            return exceptions.InvalidVolume(reason=refusal.message)
        case 403:
            return exceptions.Forbidden(refusal.message)
        case 409:
            return exceptions.RemoteConflict(
                service="Cinder", reason=refusal.message, status=refusal.status
            )
        case 413:
            return exceptions.QuotaExceeded(refusal.message)
    return exceptions.RemoteServiceError(
        service="Cinder", reason=refusal.message, status=refusal.status
    )


def _no_volume(volume_id: str) -> NotFound:
    return lambda: exceptions.VolumeNotFound(volume_id=volume_id)


def _no_snapshot(snapshot_id: str) -> NotFound:
    return lambda: exceptions.SnapshotNotFound(snapshot_id=snapshot_id)


def _no_attachment(attachment_id: str) -> NotFound:
    return lambda: exceptions.AttachmentNotFound(attachment_id=attachment_id)


def _with_mountpoint(
    connector: dict[str, typing.Any], mountpoint: str | None
) -> dict[str, typing.Any]:
    return connector if mountpoint is None else connector | {"mountpoint": mountpoint}
