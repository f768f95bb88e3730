"""``POST /v3/volumes/{id}/action`` of the embedded volume service."""

import collections.abc
import typing

import falcon

from nova_lite.standalone import store
from nova_lite.standalone import volume_growth
from nova_lite.standalone import volume_migration
from nova_lite.standalone import volume_records
from nova_lite.standalone import web

Arguments = dict[str, typing.Any]
Answer = dict[str, typing.Any] | None
MIGRATION_STATUSES = frozenset({"none", "starting", "migrating", "completing", "success", "error"})
"""Those that an administrator may give a volume."""

Action = collections.abc.Callable[[web.Identity, str, Arguments], Answer]

bad_request = volume_records.bad_request


class VolumeActions:
    """One method an action; each checks the volume's state and changes it."""

    def __init__(
        self,
        volumes: volume_records.VolumeStore,
        growth: volume_growth.Growth,
        migration: volume_migration.Migration,
    ) -> None:
        self._volumes = volumes
        self._growth = growth
        self._migration = migration
        self._actions: dict[str, Action] = {
            "os-reserve": self._reserve,
            "os-unreserve": self._unreserve,
            "os-begin_detaching": self._begin_detaching,
            "os-roll_detaching": self._roll_detaching,
            "os-initialize_connection": self._initialize_connection,
            "os-terminate_connection": self._terminate_connection,
            "os-attach": self._attach,
            "os-detach": self._detach,
            "os-extend_volume_completion": self._growth.complete,
            "os-migrate_volume": self._migration.migrate,
            "os-migrate_volume_completion": self._migration.complete,
            "os-set_bootable": self._set_bootable,
            "os-update_readonly_flag": self._update_readonly_flag,
            "os-reset_status": self._reset_status,
            "os-set_image_metadata": self._set_image_metadata,
            "os-unset_image_metadata": self._unset_image_metadata,
            "os-force_delete": self._force_delete,
        }

    def run(
        self,
        identity: web.Identity,
        volume_id: str,
        body: Arguments,
        version: tuple[int, int],
    ) -> Answer:
        """Do the one action in ``body``.

        :raises falcon.HTTPError: there is no such action or volume, or the
            volume's state forbids it.
        """
        name = next(iter(body), "")
        arguments = body[name] if isinstance(body.get(name), dict) else {}
        if name == "os-extend" and len(body) == 1:
            self._growth.extend(identity, volume_id, arguments, version)
            return None
        action = self._actions.get(name)
        if action is None or len(body) != 1:
            raise bad_request(f"There is no such action: {name}")
        return action(identity, volume_id, arguments)

    def _move(
        self, identity: web.Identity, volume_id: str, sources: tuple[str, ...], target: str
    ) -> None:
        def check(volume: store.Document) -> None:
            if volume["status"] not in sources:
                raise bad_request(
                    f"Invalid volume: Volume {volume_id} status must be {' or '.join(sources)}, "
                    f"but current status is: {volume['status']}."
                )
            volume["status"] = target

        self._volumes.change(identity, volume_id, check)

    def _reserve(self, identity: web.Identity, volume_id: str, arguments: Arguments) -> Answer:
        volume = self._volumes.get(identity, "volume", volume_id)
        multiple = ("in-use",) if volume_records.is_shareable(volume) else ()
        self._move(identity, volume_id, ("available", *multiple), "attaching")
        return None

    def _unreserve(self, identity: web.Identity, volume_id: str, arguments: Arguments) -> Answer:
        def back(volume: store.Document) -> None:
            if volume["status"] == "attaching":
                used = self._live(volume_id)
                volume["status"] = "in-use" if used else "available"

        self._volumes.change(identity, volume_id, back)
        return None

    def _begin_detaching(
        self, identity: web.Identity, volume_id: str, arguments: Arguments
    ) -> Answer:
        volume = self._volumes.get(identity, "volume", volume_id)
        if volume_records.is_migrating(volume):
            # Its migration_status keeps others away.
            return None
        if not self._live(volume_id):
            raise bad_request(f"Invalid volume: Volume {volume_id} must be attached.")
        self._move(identity, volume_id, ("in-use",), "detaching")
        return None

    def _roll_detaching(
        self, identity: web.Identity, volume_id: str, arguments: Arguments
    ) -> Answer:
        def back(volume: store.Document) -> None:
            if volume["status"] == "detaching":
                volume["status"] = "in-use"

        self._volumes.change(identity, volume_id, back)
        return None

    def _initialize_connection(
        self, identity: web.Identity, volume_id: str, arguments: Arguments
    ) -> Answer:
        volume = self._volumes.get(identity, "volume", volume_id)
        if not isinstance(arguments.get("connector"), dict):
            raise bad_request("Must specify 'connector'")
        if volume["status"] == "maintenance":
            raise bad_request(
                "Invalid volume: The volume connection cannot be initialized in maintenance mode."
            )
        info = self._volumes.connection_info(volume, None)
        transport = info.pop("driver_volume_type")
        return {"connection_info": {"driver_volume_type": transport, "data": info}}

    def _terminate_connection(
        self, identity: web.Identity, volume_id: str, arguments: Arguments
    ) -> Answer:
        self._volumes.get(identity, "volume", volume_id)
        self._check_service(identity, volume_id)
        return None

    def _attach(self, identity: web.Identity, volume_id: str, arguments: Arguments) -> Answer:
        instance_uuid = arguments.get("instance_uuid")
        if not instance_uuid or not arguments.get("mountpoint"):
            raise bad_request("instance_uuid and mountpoint are needed")
        self._move(identity, volume_id, ("available", "attaching", "in-use"), "in-use")
        volume = self._volumes.get(identity, "volume", volume_id)
        attachment = self._volumes.new_attachment(volume, instance_uuid) | {
            "status": "attached",
            "mountpoint": arguments["mountpoint"],
            "attach_mode": arguments.get("mode", "rw"),
            "attached_at": volume_records.now(),
            "connection_info": self._volumes.connection_info(volume, None),
        }
        self._volumes.save("attachment", attachment)
        return None

    def _detach(self, identity: web.Identity, volume_id: str, arguments: Arguments) -> Answer:
        self._volumes.get(identity, "volume", volume_id)
        self._check_service(identity, volume_id)
        wanted = arguments.get("attachment_id")
        live = [a for a in self._live(volume_id) if wanted in (None, a["id"])]
        if len(live) > 1:
            raise bad_request("Invalid volume: Detach volume failed: more than one attachment")
        if not live:
            raise bad_request(f"Invalid volume: Volume {volume_id} has no such attachment.")
        self._volumes.delete_attachment(identity, live[0]["id"])
        return None

    def _check_service(self, identity: web.Identity, volume_id: str) -> None:
        """A user may not take a connected volume from under a guest (bug 2004555)."""
        if self._live(volume_id) and not identity.is_service:
            raise falcon.HTTPConflict(
                description="Detach volume from instance using the Compute API"
            )

    def _live(self, volume_id: str) -> list[store.Document]:
        return self._volumes.live_attachments_of(volume_id)

    def _set_bootable(
        self, identity: web.Identity, volume_id: str, arguments: Arguments
    ) -> Answer:
        value = str(arguments.get("bootable")).lower() == "true"
        self._volumes.change(identity, volume_id, lambda volume: volume.update(bootable=value))
        return {}

    def _update_readonly_flag(
        self, identity: web.Identity, volume_id: str, arguments: Arguments
    ) -> Answer:
        value = str(arguments.get("readonly")).lower() == "true"

        def set_flag(volume: store.Document) -> None:
            if volume["status"] != "available":
                raise bad_request("Invalid volume: Volume status must be available")
            volume["readonly"] = value

        self._volumes.change(identity, volume_id, set_flag)
        return None

    def _reset_status(
        self, identity: web.Identity, volume_id: str, arguments: Arguments
    ) -> Answer:
        if not identity.is_admin:
            raise falcon.HTTPForbidden(
                description="Policy doesn't allow volume_extension:volume_admin_actions:"
                "reset_status to be performed."
            )
        changes = _reset_changes(arguments)
        self._volumes.change(identity, volume_id, lambda volume: volume.update(changes))
        return None

    def _set_image_metadata(
        self, identity: web.Identity, volume_id: str, arguments: Arguments
    ) -> Answer:
        items = {str(k): str(v) for k, v in (arguments.get("metadata") or {}).items()}
        volume = self._volumes.change(
            identity, volume_id, lambda volume: volume["image_metadata"].update(items)
        )
        return {"metadata": volume["image_metadata"]}

    def _unset_image_metadata(
        self, identity: web.Identity, volume_id: str, arguments: Arguments
    ) -> Answer:
        def unset(volume: store.Document) -> None:
            if volume["image_metadata"].pop(arguments.get("key"), None) is None:
                raise falcon.HTTPNotFound(description="Metadata item was not found.")

        self._volumes.change(identity, volume_id, unset)
        return {}

    def _force_delete(
        self, identity: web.Identity, volume_id: str, arguments: Arguments
    ) -> Answer:
        if not identity.is_admin:
            raise falcon.HTTPForbidden(description="Policy doesn't allow it to be performed.")
        self._volumes.begin_delete(identity, volume_id, force=True)
        return None


def _reset_changes(arguments: Arguments) -> store.Document:
    """What ``os-reset_status`` makes of a volume. Its attachments stay as they are.

    :raises falcon.HTTPBadRequest: nothing is to be changed, or to nothing that there is.
    """
    known = ("status", "attach_status", "migration_status")
    wanted = {key: str(arguments[key]).lower() for key in known if arguments.get(key)}
    if not wanted:
        raise bad_request(f"Must specify {', '.join(known[:-1])} or {known[-1]}")
    changes: store.Document = {}
    if "status" in wanted:
        # Who knows better than we also knows whether its data are there.
        changes |= {"status": wanted["status"], "making": None}
    migration_status = wanted.get("migration_status")
    if migration_status is not None:
        if migration_status not in MIGRATION_STATUSES:
            raise bad_request(f"Volume migration status: {migration_status} is invalid")
        changes["migration_status"] = None if migration_status == "none" else migration_status
    return changes
