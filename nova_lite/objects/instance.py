"""A server. Inside, the field's word for it is instance."""

from oslo_versionedobjects import fields

from nova_lite.objects import wire


@wire.register
class InstanceFault(wire.WireObject):
    """Why a server is in ERROR."""

    VERSION = "1.0"
    fields = {
        "code": fields.IntegerField(),
        "message": fields.StringField(),
        # For administrators only.
        "details": fields.StringField(nullable=True),
        "created_at": wire.MomentField(nullable=True),
    }


@wire.register
class Instance(wire.WireObject):
    """A server with everything a host needs to run it."""

    VERSION = "1.0"
    fields = {
        "id": fields.IntegerField(nullable=True),
        "uuid": fields.UUIDField(),
        "project_id": fields.StringField(),
        "user_id": fields.StringField(),
        "reservation_id": fields.StringField(nullable=True),
        "launch_index": fields.IntegerField(default=0),
        "display_name": fields.StringField(),
        "display_description": fields.StringField(nullable=True),
        "hostname": fields.StringField(nullable=True),
        "image_ref": fields.StringField(nullable=True),
        "flavor": fields.ObjectField("Flavor"),
        "vm_state": fields.StringField(default="building"),
        "task_state": fields.StringField(nullable=True),
        "power_state": fields.IntegerField(default=0),
        "host": fields.StringField(nullable=True),
        "node": fields.StringField(nullable=True),
        "launched_on": fields.StringField(nullable=True),
        "availability_zone": fields.StringField(nullable=True),
        "root_device_name": fields.StringField(nullable=True),
        "config_drive": fields.BooleanField(default=False),
        "key_name": fields.StringField(nullable=True),
        "key_data": fields.StringField(nullable=True),
        "user_data": fields.StringField(nullable=True),
        "access_ip_v4": fields.StringField(nullable=True),
        "access_ip_v6": fields.StringField(nullable=True),
        "locked": fields.BooleanField(default=False),
        "metadata": wire.JsonField(default={}),
        "system_metadata": wire.JsonField(default={}),
        "tags": wire.JsonField(default=[]),
        "created_at": wire.MomentField(nullable=True),
        "updated_at": wire.MomentField(nullable=True),
        "launched_at": wire.MomentField(nullable=True),
        "terminated_at": wire.MomentField(nullable=True),
        # The journal entry that owns task_state now, None at rest.
        "operation_id": fields.StringField(nullable=True),
        "fault": fields.ObjectField("InstanceFault", nullable=True),
    }

    @property
    def boots_from_volume(self) -> bool:
        """Whether its root disk is a volume (Nova shows an empty image then)."""
        return not self.image_ref
