"""Volumes, snapshots and attachments, and what may become of them.

The states and refusals are Cinder's (its ``volume/api.py``); a change reads and
writes in one transaction.
"""

import collections.abc
import os
import typing
import uuid

import falcon
from oslo_utils import timeutils

from nova_lite import context
from nova_lite.standalone import store
from nova_lite.standalone import volume_files
from nova_lite.standalone import web
from nova_lite.volume import keys

DELETABLE = frozenset({"available", "error", "error_restoring", "error_extending"})
LIVE = frozenset({"attaching", "attached", "detaching"})
UNFINISHED = frozenset({"creating", "downloading"})

ZONE = "nova"
VOLUME_TYPE: store.Document = {
    "id": "5e9ae90a-4d0c-4b4b-a3b1-8f5a3ba10ca1",
    "name": "local",
    "description": "Files on this machine",
    "is_public": True,
    "os-volume-type-access:is_public": True,
    "qos_specs_id": None,
    "extra_specs": {},
}


HOSTS = ("standalone@local#local", "standalone@second#second")
"""Back ends: the first has all new volumes, and they can be moved to the other."""

ENCRYPTED_TYPE: store.Document = VOLUME_TYPE | {
    "id": "c1b6e1a3-5d52-4f6c-8ae4-2b0c35d0a7f6",
    "name": "local-luks",
    "description": "Encrypted files on this machine (LUKS)",
}
VOLUME_TYPES = (VOLUME_TYPE, ENCRYPTED_TYPE)


def type_named(name_or_id: str | None) -> store.Document | None:
    """A volume type; the plain one if no name is given, None if there is none."""
    if name_or_id is None:
        return VOLUME_TYPE
    return next((t for t in VOLUME_TYPES if name_or_id in (t["id"], t["name"])), None)


def now() -> str:
    """The time, in Cinder's form."""
    return str(timeutils.utcnow().isoformat())


def bad_request(reason: str) -> falcon.HTTPError:
    """400 with a reason."""
    return falcon.HTTPBadRequest(description=reason)


class VolumeStore:
    """Records and files of the embedded volume service."""

    def __init__(self, conf: typing.Any) -> None:
        directory = conf.standalone.data_path
        self.records = store.Store(os.path.join(directory, "volumes.sqlite"))
        self.files = volume_files.VolumeFiles(conf, os.path.join(directory, "volumes"))
        if not conf.key_manager.file_directory:
            # Who runs in this process finds the keys there too.
            keys_path = os.path.join(directory, "keys")
            conf.set_default("file_directory", keys_path, "key_manager")
        self.keys = keys.VolumeKeys(conf)
        self._forget_unfinished()

    def _forget_unfinished(self) -> None:
        """Settle what an earlier process was doing when it ended."""
        for kind in ("volume", "snapshot"):
            for document in self.records.list(kind):
                if UNFINISHED & {document["status"], document.get("making")}:
                    self.files.remove(volume_files.download_path(self.path(kind, document["id"])))
                    self.records.put(kind, document | {"status": "error", "making": "error"})
                elif document["status"] == "deleting":
                    self.remove(kind, document["id"])

    def path(self, kind: str, key: str) -> str:
        """Where the data are. A volume that was moved has its file under the id it
        was made with."""
        document = self.records.get(kind, key) or {}
        return self.files.path(kind, document.get("name_id") or key)

    def remove(self, kind: str, key: str) -> None:
        """Remove data and record, and a key that nothing else is encrypted with."""
        self.files.remove(self.path(kind, key))
        key_id = (self.records.get(kind, key) or {}).get("encryption_key_id")
        self.records.delete(kind, key)
        others = [*self.records.list("volume"), *self.records.list("snapshot")]
        if key_id and all(other.get("encryption_key_id") != key_id for other in others):
            self.keys.manager().delete(None, key_id)

    def passphrase(self, document: store.Document) -> bytes | None:
        """What opens a volume or snapshot that is encrypted."""
        key_id = document.get("encryption_key_id")
        if not key_id:
            return None
        return self.keys.passphrase(context.RequestContext(overwrite=False), key_id)

    def get(self, identity: web.Identity, kind: str, key: str) -> store.Document:
        """A ``volume``, ``snapshot`` or ``attachment`` of this identity's project.

        :raises falcon.HTTPNotFound: there is none.
        """
        document = self.records.get(kind, key)
        if document is None or not identity.may_see(document):
            raise falcon.HTTPNotFound(description=f"{kind.capitalize()} {key} could not be found.")
        return document

    def save(self, kind: str, document: store.Document) -> store.Document:
        """Write a record."""
        document["updated_at"] = now()
        self.records.put(kind, document)
        return document

    def change(
        self,
        identity: web.Identity,
        volume_id: str,
        function: collections.abc.Callable[[store.Document], object],
    ) -> store.Document:
        """Have ``function`` check and change a volume, all in one transaction."""
        with self.records.transaction():
            volume = self.get(identity, "volume", volume_id)
            function(volume)
            return self.save("volume", volume)

    def settle(self, kind: str, key: str, changes: store.Document) -> None:
        """Record how far background work is, unless the thing is gone.

        Who has reserved it meanwhile keeps it, and loses it only to an ``error``.

        :param changes: with the ``status`` that it has if nobody has.
        """
        with self.records.transaction():
            document = self.records.get(kind, key)
            if document is None:
                return
            status = changes["status"]
            making = None if status == "available" else status
            yielding = UNFINISHED | ({"reserved"} if status == "error" else set())
            if document["status"] not in yielding:
                status = document["status"]
            self.save(kind, document | changes | {"status": status, "making": making})

    def visible(
        self, identity: web.Identity, kind: str, *, all_projects: bool
    ) -> list[store.Document]:
        """Every thing of a kind that this identity lists."""
        everything = identity.is_admin and all_projects
        return [
            document
            for document in self.records.list(kind)
            if everything or document["project_id"] == identity.project_id
        ]

    def attachments_of(self, volume_id: str) -> list[store.Document]:
        """A volume's attachments, reserved ones too."""
        return [a for a in self.records.list("attachment") if a["volume_id"] == volume_id]

    def live_attachments_of(self, volume_id: str) -> list[store.Document]:
        """Those that a volume lists as its own."""
        return [a for a in self.attachments_of(volume_id) if is_live(a)]

    # Volumes

    def new_volume(
        self, identity: web.Identity, wanted: store.Document, size_gib: int
    ) -> store.Document:
        """The record of a volume that is about to be made."""
        return {
            "id": str(uuid.uuid4()),
            "project_id": identity.project_id,
            "user_id": identity.user_id,
            "name": wanted.get("name") or wanted.get("display_name"),
            "description": wanted.get("description") or wanted.get("display_description"),
            "size": size_gib,
            "status": "creating",
            # What it is, whoever has reserved it, until its data are there.
            "making": "creating",
            "bootable": False,
            "multiattach": bool(wanted.get("multiattach", False)),
            "readonly": False,
            "availability_zone": wanted.get("availability_zone") or ZONE,
            "volume_type": VOLUME_TYPE["name"],
            "encryption_key_id": None,
            "metadata": dict(wanted.get("metadata") or {}),
            "image_metadata": {},
            "snapshot_id": wanted.get("snapshot_id"),
            "source_volid": wanted.get("source_volid"),
            "error": None,
            "host": HOSTS[0],
            "name_id": None,
            "migration_status": None,
            "created_at": now(),
            "updated_at": now(),
        }

    def begin_delete(self, identity: web.Identity, volume_id: str, *, force: bool) -> None:
        """``deleting``, if it may be.

        :raises falcon.HTTPBadRequest: it is used, or has snapshots.
        """

        def check(volume: store.Document) -> None:
            used = self.attachments_of(volume_id)
            free = not used and not is_migrating(volume)
            if not free or (not force and volume["status"] not in DELETABLE):
                raise bad_request(
                    "Invalid volume: Volume status must be available or error or "
                    "error_restoring or error_extending or error_managing and must not be "
                    "migrating, attached, belong to a group, have snapshots, awaiting a "
                    "transfer, or be disassociated from snapshots after volume transfer."
                )
            if any(s["volume_id"] == volume_id for s in self.records.list("snapshot")):
                raise bad_request("Invalid volume: Volume still has dependent snapshots.")
            volume["status"] = "deleting"

        self.change(identity, volume_id, check)
        self.remove("volume", volume_id)

    def remove_snapshots(self, identity: web.Identity, volume_id: str) -> None:
        """Remove a volume's snapshots, unless the volume is used."""
        if self.attachments_of(self.get(identity, "volume", volume_id)["id"]):
            raise bad_request("Invalid volume: Volume is attached.")
        for snapshot in self.records.list("snapshot"):
            if snapshot["volume_id"] == volume_id:
                self.remove("snapshot", snapshot["id"])

    # Attachments

    def create_attachment(
        self,
        identity: web.Identity,
        volume_id: str,
        instance_uuid: str,
        connector: store.Document | None,
    ) -> store.Document:
        """Reserve a volume, and export it if there is a connector."""
        with self.records.transaction():
            volume = self.get(identity, "volume", volume_id)
            others = self.attachments_of(volume_id)
            fitting = (
                volume["status"] in ("available", "downloading")
                or (is_shareable(volume) and volume["status"] == "in-use")
                or (
                    volume["status"] in ("in-use", "reserved")
                    and any(a["instance"] == instance_uuid for a in others)
                )
            )
            if not fitting:
                raise bad_request(
                    f"Invalid volume: Volume {volume_id} status must be available or "
                    f"downloading to reserve, but the current status is {volume['status']}."
                )
            if connector is not None and volume.get("making"):
                raise bad_request(f"Invalid volume: {_unfinished(volume)}")
            if volume["status"] != "in-use":
                volume["status"] = "reserved"
            attachment = self.new_attachment(volume, instance_uuid)
            self.save("volume", volume)
            if connector is not None:
                self._export(attachment, volume, connector)
            return self.save("attachment", attachment)

    def new_attachment(self, volume: store.Document, instance_uuid: str) -> store.Document:
        """The record of an attachment that is about to be made."""
        return {
            "id": str(uuid.uuid4()),
            "project_id": volume["project_id"],
            "volume_id": volume["id"],
            "instance": instance_uuid,
            "status": "reserved",
            "attach_mode": None,
            "mountpoint": None,
            "host_name": None,
            "connector": None,
            "connection_info": {},
            "attached_at": None,
            "detached_at": None,
            "created_at": now(),
        }

    def _export(
        self, attachment: store.Document, volume: store.Document, connector: store.Document
    ) -> None:
        attachment["connector"] = connector
        attachment["mountpoint"] = connector.get("mountpoint")
        attachment["host_name"] = connector.get("host")
        attachment["connection_info"] = self.connection_info(volume, attachment["id"])
        attachment["attach_mode"] = attachment["connection_info"]["access_mode"]
        attachment["status"] = "attaching"
        if volume["status"] != "in-use":
            volume["status"] = "attaching"
            self.save("volume", volume)

    def connection_info(self, volume: store.Document, attachment_id: str | None) -> store.Document:
        """How to reach the volume: flat, as Cinder's attachments have it."""
        return {
            "driver_volume_type": "local",
            "attachment_id": attachment_id,
            "device_path": self.path("volume", volume["id"]),
            "format": "raw",
            "access_mode": "ro" if volume["readonly"] else "rw",
            "volume_id": volume["id"],
            "encrypted": bool(volume.get("encryption_key_id")),
            "discard": True,
            "qos_specs": None,
        }

    def update_attachment(
        self, identity: web.Identity, attachment_id: str, connector: store.Document
    ) -> store.Document:
        """Export the volume to the connector's host.

        :raises falcon.HTTPConflict: it is in error or moved, its data are not there,
            or another host has it.
        """
        with self.records.transaction():
            attachment = self.get(identity, "attachment", attachment_id)
            volume = self.get(identity, "volume", attachment["volume_id"])
            if volume["status"].startswith("error") or volume["status"] == "maintenance":
                raise falcon.HTTPConflict(
                    description=f"Volume {volume['id']} is in status {volume['status']}"
                )
            _check_made(volume)
            others = [a for a in self.attachments_of(volume["id"]) if a["id"] != attachment_id]
            if not volume["multiattach"] and any(a["connection_info"] for a in others):
                raise falcon.HTTPConflict(
                    description=f"duplicate connectors detected on volume {volume['id']}"
                )
            self._export(attachment, volume, connector)
            return self.save("attachment", attachment)

    def complete_attachment(self, identity: web.Identity, attachment_id: str) -> None:
        """``attached``, and the volume ``in-use``.

        :raises falcon.HTTPConflict: its data are not there.
        """
        with self.records.transaction():
            attachment = self.get(identity, "attachment", attachment_id)
            volume = self.get(identity, "volume", attachment["volume_id"])
            _check_made(volume)
            attachment["status"] = "attached"
            attachment["attached_at"] = attachment["attached_at"] or now()
            volume["status"] = "in-use"
            self.save("attachment", attachment)
            self.save("volume", volume)

    def delete_attachment(
        self, identity: web.Identity, attachment_id: str
    ) -> list[store.Document]:
        """Let go of a volume; returns the attachments that are left.

        :raises falcon.HTTPConflict: a user may not take a connected volume from
            under a guest (CVE-2023-2088, bug 2004555); only a service may.
        """
        with self.records.transaction():
            attachment = self.get(identity, "attachment", attachment_id)
            if attachment["connection_info"] and not identity.is_service:
                raise falcon.HTTPConflict(
                    description="Detach volume from instance "
                    f"{attachment['instance']} using the Compute API"
                )
            return self._drop(attachment)

    def _drop(self, attachment: store.Document) -> list[store.Document]:
        self.records.delete("attachment", attachment["id"])
        left = self.attachments_of(attachment["volume_id"])
        volume = self.records.get("volume", attachment["volume_id"])
        if volume is not None and volume["status"] != "maintenance":
            volume["status"] = status_with(volume, left)
            self.save("volume", volume)
        return left


def _check_made(volume: store.Document) -> None:
    """Cinder hands out a volume that is being filled, and has the guest find what
    there is of it; we have it wait.

    :raises falcon.HTTPConflict: the volume's data are not there.
    """
    if volume.get("making"):
        raise falcon.HTTPConflict(description=_unfinished(volume))


def _unfinished(volume: store.Document) -> str:
    return f"The data of volume {volume['id']} are not there: {volume['making']}"


def status_with(volume: store.Document, attachments: list[store.Document]) -> str:
    """A volume's status by the attachments it has."""
    statuses = {attachment["status"] for attachment in attachments}
    for status, result in (
        ("attached", "in-use"),
        ("attaching", "attaching"),
        ("detaching", "detaching"),
        ("reserved", "reserved"),
    ):
        if status in statuses:
            return result
    return volume.get("making") or "available"


def is_migrating(volume: store.Document) -> bool:
    """Whether a volume is on its way to the other back end."""
    return volume.get("migration_status") not in (None, "success", "error")


def is_shareable(volume: store.Document) -> bool:
    """Whether a volume may get another server. One on its way may not: who has it now
    moves, and the others would be left with what was removed."""
    return bool(volume["multiattach"]) and not is_migrating(volume)


def is_live(attachment: store.Document) -> bool:
    """Whether a volume lists the attachment as one of its own."""
    return typing.cast(str, attachment["status"]) == "attached"
