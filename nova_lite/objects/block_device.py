"""A block device of a server, as asked for and as it stands."""

from oslo_versionedobjects import fields

from nova_lite.objects import wire


@wire.register
class BlockDeviceMapping(wire.WireObject):
    """One block device. Upstream's fields, and ``phase`` (ours, internal).

    ``connection_info`` is Cinder's answer as JSON text; it holds secrets and
    is masked wherever it could be printed. ``volume_size`` is in GiB (MiB for
    swap).
    """

    VERSION = "1.0"
    fields = {
        "id": fields.IntegerField(nullable=True),
        "uuid": fields.UUIDField(),
        "instance_uuid": fields.UUIDField(nullable=True),
        "source_type": fields.StringField(nullable=True),
        "destination_type": fields.StringField(nullable=True),
        "guest_format": fields.StringField(nullable=True),
        "device_type": fields.StringField(nullable=True),
        "disk_bus": fields.StringField(nullable=True),
        "boot_index": fields.IntegerField(nullable=True),
        "device_name": fields.StringField(nullable=True),
        "delete_on_termination": fields.BooleanField(default=False),
        "snapshot_id": fields.StringField(nullable=True),
        "volume_id": fields.StringField(nullable=True),
        "volume_size": fields.IntegerField(nullable=True),
        "image_id": fields.StringField(nullable=True),
        "no_device": fields.BooleanField(default=False),
        "connection_info": fields.SensitiveStringField(nullable=True),
        "tag": fields.StringField(nullable=True),
        "attachment_id": fields.StringField(nullable=True),
        "volume_type": fields.StringField(nullable=True),
        "phase": fields.StringField(nullable=True),
    }

    @property
    def is_volume(self) -> bool:
        """Whether Cinder provides it."""
        return bool(self.destination_type == "volume")

    @property
    def is_root(self) -> bool:
        """Whether the server boots from it first."""
        return bool(self.boot_index == 0)

    @property
    def is_swap(self) -> bool:
        """Whether it is the server's swap disk."""
        return bool(
            self.source_type == "blank"
            and self.destination_type == "local"
            and self.guest_format == "swap"
        )


@wire.register
class BlockDeviceMappingList(wire.WireObject):
    """The block devices of one server."""

    VERSION = "1.0"
    fields = {
        "objects": fields.ListOfObjectsField("BlockDeviceMapping", default=[]),
    }
