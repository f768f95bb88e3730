"""``os-migrate_volume`` of the embedded volume service, and what completes it.

Its two back ends are names: the files of both are in one directory. What happens to
records, states and attachments, and what is asked of the compute service, is what
Cinder's generic migration does: a temporary volume of another id takes the data, and
in the end the two records change files, so that the volume keeps its id. A volume
that no server has is in ``maintenance`` meanwhile, as Cinder's ``lock_volume`` has it:
what would be written to it during the copy would be lost.
"""

import logging
import threading
import typing

import falcon
import requests

from nova_lite.standalone import compute_calls
from nova_lite.standalone import store
from nova_lite.standalone import volume_files
from nova_lite.standalone import volume_records
from nova_lite.standalone import web

LOG = logging.getLogger(__name__)

Arguments = dict[str, typing.Any]

bad_request = volume_records.bad_request


class Migration:
    """Moves volumes between the two back ends."""

    def __init__(
        self, volumes: volume_records.VolumeStore, compute: compute_calls.ComputeApi
    ) -> None:
        self._volumes = volumes
        self._compute = compute
        self._forget_interrupted()

    def _forget_interrupted(self) -> None:
        """Give up what an earlier process was moving, but for what servers move: their
        guests may be on the new volume, and in the end they say so."""
        volumes = self._volumes.records.list("volume")
        begun = {
            _migration_status(volume)
            for volume in volumes
            if _is_target(volume) and self._volumes.attachments_of(volume["id"])
        }
        for volume in volumes:
            if _is_target(volume) and _migration_status(volume) not in begun:
                self._volumes.remove("volume", volume["id"])
            elif _migration_status(volume) == "migrating" and _target_of(volume) not in begun:
                self._give_up(volume)

    def migrate(self, identity: web.Identity, volume_id: str, arguments: Arguments) -> None:
        """``os-migrate_volume``: begin to move a volume to ``host``."""
        _need_admin(identity)
        host = arguments.get("host")
        if host not in volume_records.HOSTS:
            raise bad_request(f"No available service named {host}")

        def check(volume: store.Document) -> None:
            if volume["status"] not in ("available", "in-use") or self._has_snapshots(volume_id):
                raise bad_request(
                    f"Invalid volume: Volume {volume_id} status must be available or in-use, "
                    "must not be migrating, have snapshots, be replicated, be part of a group."
                )
            if volume_records.is_migrating(volume):
                raise bad_request(f"Invalid volume: Volume {volume_id} is migrating already.")
            if volume.setdefault("host", volume_records.HOSTS[0]) == host:
                raise bad_request("Destination host must be different than the current host.")
            volume["migration_status"] = "migrating"
            uses.extend(self._volumes.live_attachments_of(volume_id))
            if not uses:
                volume["status"] = "maintenance"

        uses: list[store.Document] = []
        volume = self._volumes.change(identity, volume_id, check)
        threading.Thread(
            target=self._move, args=(identity, volume, host, uses), daemon=True
        ).start()

    def complete(
        self, identity: web.Identity, volume_id: str, arguments: Arguments
    ) -> dict[str, str]:
        """``os-migrate_volume_completion``: the data are there, or (``error``) not."""
        _need_admin(identity)
        new_id = str(arguments.get("new_volume"))
        with self._volumes.records.transaction():
            volume = self._volumes.get(identity, "volume", volume_id)
            new = self._volumes.get(identity, "volume", new_id)
            if not volume_records.is_migrating(volume):
                raise bad_request("Invalid volume: Source volume not mid-migration.")
            if new["migration_status"] != _target_of(volume):
                raise bad_request(
                    f"Invalid volume: Destination has migration_status {new['migration_status']}, "
                    f"expected {_target_of(volume)}."
                )
            if arguments.get("error"):
                self._give_up(volume)
            else:
                self._change_places(volume, new)
            self._volumes.save("volume", new | {"status": "deleting"})
        # Not before it is on record that the data are elsewhere.
        self._volumes.remove("volume", new_id)
        return {"save_volume_id": volume_id}

    def _has_snapshots(self, volume_id: str) -> bool:
        snapshots = self._volumes.records.list("snapshot")
        return any(snapshot["volume_id"] == volume_id for snapshot in snapshots)

    def _move(
        self,
        identity: web.Identity,
        volume: store.Document,
        host: str,
        uses: list[store.Document],
    ) -> None:
        """In a thread: make the temporary volume, and have the data copied there by
        whoever can. Only if nobody uses the volume is it we."""
        new = self._volumes.new_volume(identity, volume, volume["size"]) | {
            "project_id": volume["project_id"],
            "host": host,
            "bootable": volume["bootable"],
            "image_metadata": volume["image_metadata"],
            "migration_status": _target_of(volume),
        }
        self._volumes.save("volume", new)
        files = self._volumes.files
        path = self._volumes.path("volume", new["id"])
        accepted = False
        try:
            if uses:
                files.create_blank(path, new["size"])
                self._volumes.settle("volume", new["id"], {"status": "available"})
                for use in uses:
                    self._compute.swap(volume, use["instance"], new["id"])
                    accepted = True
                return
            files.copy(self._volumes.path("volume", volume["id"]), path, new["size"])
            self._volumes.settle("volume", new["id"], {"status": "available"})
            self.complete(identity, volume["id"], {"new_volume": new["id"]})
        except (
            requests.RequestException,
            falcon.HTTPError,
            volume_files.Unusable,
            OSError,
        ) as problem:
            if not accepted:
                self._abandon(volume["id"], new["id"])
            LOG.warning("Volume %s was not moved to %s: %s", volume["id"], host, problem)

    def _abandon(self, volume_id: str, new_id: str) -> None:
        """Remove the temporary volume, unless a guest may be on it by now: that is for
        its server to say."""
        with self._volumes.records.transaction():
            if self._volumes.attachments_of(new_id):
                return
            volume = self._volumes.records.get("volume", volume_id)
            # An administrator may have ended it, and the volume.
            if volume is not None and _migration_status(volume) == "migrating":
                self._give_up(volume)
            new = self._volumes.records.get("volume", new_id)
            if new is not None:
                self._volumes.save("volume", new | {"status": "deleting"})
        self._volumes.remove("volume", new_id)

    def _status_of(self, volume: store.Document) -> str:
        return volume_records.status_with(volume, self._volumes.attachments_of(volume["id"]))

    def _give_up(self, volume: store.Document) -> None:
        volume["migration_status"] = "error"
        volume["status"] = self._status_of(volume)
        self._volumes.save("volume", volume)

    def _change_places(self, volume: store.Document, new: store.Document) -> None:
        for key in ("host", "size"):
            volume[key], new[key] = new[key], volume[key]
        names = [document.get("name_id") or document["id"] for document in (volume, new)]
        volume["name_id"], new["name_id"] = names[1], names[0]
        for attachment in self._volumes.attachments_of(new["id"]):
            attachment["volume_id"] = volume["id"]
            self._volumes.save("attachment", attachment)
        # A detach may have come between, so that what it was before counts no more.
        volume["status"] = self._status_of(volume)
        volume["migration_status"] = "success"
        self._volumes.save("volume", volume)


def _migration_status(volume: store.Document) -> str:
    return str(volume.get("migration_status"))


def _target_of(volume: store.Document) -> str:
    """The migration status of the temporary volume that a volume moves to."""
    return f"target:{volume['id']}"


def _is_target(volume: store.Document) -> bool:
    return _migration_status(volume).startswith("target:")


def _need_admin(identity: web.Identity) -> None:
    if not identity.is_admin:
        raise falcon.HTTPForbidden(description="Policy doesn't allow it to be performed.")
