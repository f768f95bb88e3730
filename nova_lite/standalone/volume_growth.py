"""``os-extend`` of the embedded volume service, and what completes it."""

import threading
import typing

import falcon

from nova_lite.standalone import compute_calls
from nova_lite.standalone import store
from nova_lite.standalone import volume_records
from nova_lite.standalone import web

Arguments = dict[str, typing.Any]

EXTEND_ATTACHED = (3, 42)
NEW_SIZE = "extend_new_size"
"""In the metadata of a volume whose back end waits for the compute service: its
size when that is through (3.71)."""

bad_request = volume_records.bad_request


class Growth:
    """Makes volumes larger, also while servers use them."""

    def __init__(
        self,
        volumes: volume_records.VolumeStore,
        compute: compute_calls.ComputeApi,
        max_volume_gib: int,
    ) -> None:
        self._volumes = volumes
        self._compute = compute
        self._max_volume_gib = max_volume_gib

    def extend(
        self,
        identity: web.Identity,
        volume_id: str,
        arguments: Arguments,
        version: tuple[int, int],
    ) -> None:
        """``os-extend``: from 3.42 on a volume may be in use, and its servers are
        told."""
        size_gib = arguments.get("new_size")
        if not isinstance(size_gib, int) or size_gib > self._max_volume_gib:
            raise bad_request(f"Invalid input received: new_size {size_gib}")
        allowed = ("available", "in-use") if version >= EXTEND_ATTACHED else ("available",)

        def extend(volume: store.Document) -> None:
            if volume["status"] not in allowed:
                raise bad_request(
                    f"Invalid volume: Volume {volume_id} status must be {' or '.join(allowed)} "
                    f"to extend, but current status is: {volume['status']}."
                )
            if volume_records.is_migrating(volume):
                # Cinder takes it, and loses the new size with the old file.
                raise bad_request(f"Invalid volume: Volume {volume_id} is migrating.")
            if size_gib <= volume["size"]:
                raise bad_request("Invalid input received: New size must be larger")
            self._grow(volume, size_gib)

        volume = self._volumes.change(identity, volume_id, extend)
        if volume["status"] == "in-use":
            uses = [use["instance"] for use in self._volumes.live_attachments_of(volume_id)]
            threading.Thread(
                target=self._compute.tell_extended, args=(volume, uses), daemon=True
            ).start()

    def complete(self, identity: web.Identity, volume_id: str, arguments: Arguments) -> None:
        """``os-extend_volume_completion``: the compute service is through with it."""
        if not identity.is_admin:
            raise falcon.HTTPForbidden(description="Policy doesn't allow it to be performed.")

        def complete(volume: store.Document) -> None:
            wanted = str(volume["metadata"].get(NEW_SIZE))
            if volume["status"] != "extending" or not wanted.isdecimal():
                raise bad_request(f"Invalid volume: Volume {volume_id} is not being extended")
            del volume["metadata"][NEW_SIZE]
            used = self._volumes.live_attachments_of(volume_id)
            volume["status"] = "in-use" if used else "available"
            if arguments.get("error"):
                volume["status"] = "error_extending"
            else:
                self._grow(volume, int(wanted))

        self._volumes.change(identity, volume_id, complete)

    def _grow(self, volume: store.Document, size_gib: int) -> None:
        self._volumes.files.extend(
            self._volumes.path("volume", volume["id"]),
            size_gib,
            is_encrypted=bool(volume.get("encryption_key_id")),
        )
        volume["size"] = size_gib
