"""What Cinder tells of its things, as types, and how they are read from its answers."""

import dataclasses
import typing

from nova_lite import exceptions

# Of a volume that has been moved once, or never.
_NOT_MIGRATING = frozenset({None, "", "none", "deleting", "error", "success"})

# What an attachment says about itself beside the back end's data.
_NOT_DATA = frozenset({"driver_volume_type", "attachment_id", "serial", "status"})


@dataclasses.dataclass(frozen=True)
class VolumeUse:
    """One attachment as a volume lists it."""

    attachment_id: str
    """The attachment's UUID (what os-detach and the attachments API take)."""
    server_uuid: str | None
    device: str | None


@dataclasses.dataclass(frozen=True)
class Volume:
    """A volume as this user may see it."""

    id: str
    status: str
    size_gib: int
    bootable: bool
    multiattach: bool
    availability_zone: str | None
    volume_type: str | None
    image_metadata: dict[str, typing.Any]
    """``volume_image_metadata``: of the image it was made from."""
    attachments: tuple[VolumeUse, ...]
    service_uuid: str | None
    shared_targets: bool | None
    """None is "unknown, always lock" (3.69)."""
    encrypted: bool
    name: str | None
    snapshot_id: str | None = None
    migration_status: str | None = None
    """Shown to administrators only."""
    project_id: str | None = None
    """Told to administrators only."""
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    updated_at: str | None = None

    @property
    def is_migrating(self) -> bool:
        """Whether Cinder moves it to another back end now."""
        return self.migration_status not in _NOT_MIGRATING

    def is_target_of(self, volume_id: str) -> bool:
        """Whether Cinder made it to move that volume to."""
        return self.migration_status == f"target:{volume_id}"

    @property
    def is_readonly(self) -> bool:
        """Whether its read-only flag is set; Cinder tells it among the metadata."""
        return self.metadata.get("readonly", "").lower() == "true"

    @property
    def waits_for_extend(self) -> bool:
        """Whether Cinder waits to hear how the growing of the guest's disk went."""
        return self.status == "extending"

    @property
    def size_to_be_gib(self) -> int:
        """Its size when an extend that is under way is through.

        :raises nova_lite.exceptions.InvalidVolume: Cinder does not say.
        """
        if not self.waits_for_extend:
            return self.size_gib
        text = str(self.metadata.get("extend_new_size"))
        if not text.isdecimal() or int(text) <= self.size_gib:
            raise exceptions.InvalidVolume(
                reason=f"volume {self.id} is extending, but to no size above {self.size_gib} GiB"
            )
        return int(text)


@dataclasses.dataclass(frozen=True)
class VolumeEncryption:
    """How a volume is encrypted. The key itself is the key manager's."""

    key_id: str
    provider: str
    """``luks``, for example."""
    control_location: str
    """``front-end``: the host decrypts; ``back-end``: the storage does."""


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A snapshot of a volume."""

    id: str
    volume_id: str
    size_gib: int
    status: str
    name: str | None


@dataclasses.dataclass(frozen=True)
class SnapshotQuota:
    """How many snapshots a project may have (-1: any number) and has."""

    limit: int
    used: int


@dataclasses.dataclass(frozen=True)
class VolumeType:
    """A volume type this user may use."""

    id: str
    name: str


@dataclasses.dataclass(frozen=True)
class Attachment:
    """A server's hold on a volume."""

    id: str
    volume_id: str
    instance_uuid: str | None
    status: str
    connection_info: dict[str, typing.Any] | None = dataclasses.field(repr=False)
    """``driver_volume_type`` and ``data``; None before a host is connected. Secret."""
    attach_mode: str | None = None
    """``rw`` or ``ro``; None before a host is connected."""


def volume_of(body: dict[str, typing.Any]) -> Volume:
    """From Cinder\'s view of one."""
    return Volume(
        id=body["id"],
        status=body["status"],
        size_gib=int(body["size"]),
        bootable=str(body.get("bootable")).lower() == "true",
        multiattach=bool(body.get("multiattach")),
        availability_zone=body.get("availability_zone"),
        volume_type=body.get("volume_type"),
        image_metadata=dict(body.get("volume_image_metadata") or {}),
        attachments=tuple(
            VolumeUse(
                attachment_id=use.get("attachment_id") or use["id"],
                server_uuid=use.get("server_id"),
                device=use.get("device"),
            )
            for use in body.get("attachments", ())
        ),
        service_uuid=body.get("service_uuid"),
        # Before 3.48 there is no such field, and nothing to lock by.
        shared_targets=body.get("shared_targets", False),
        encrypted=bool(body.get("encrypted")),
        name=body.get("name"),
        snapshot_id=body.get("snapshot_id"),
        migration_status=body.get("migration_status"),
        project_id=body.get("os-vol-tenant-attr:tenant_id"),
        metadata=dict(body.get("metadata") or {}),
        updated_at=body.get("updated_at"),
    )


def snapshot_of(body: dict[str, typing.Any]) -> Snapshot:
    """From Cinder\'s view of one."""
    return Snapshot(
        id=body["id"],
        volume_id=body["volume_id"],
        size_gib=int(body["size"]),
        status=body["status"],
        name=body.get("name"),
    )


def attachment_of(body: dict[str, typing.Any]) -> Attachment:
    """Cinder lists the back end's data flat, beside ``driver_volume_type``."""
    flat = body.get("connection_info") or None
    connection_info = None
    if flat and flat.get("driver_volume_type"):
        connection_info = {
            "driver_volume_type": flat["driver_volume_type"],
            "data": {key: value for key, value in flat.items() if key not in _NOT_DATA},
        }
    return Attachment(
        id=body["id"],
        volume_id=body["volume_id"],
        instance_uuid=body.get("instance"),
        status=body["status"],
        connection_info=connection_info,
        attach_mode=body.get("attach_mode"),
    )
