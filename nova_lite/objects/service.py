"""A nova_lite daemon as the database knows it."""

from oslo_versionedobjects import fields

from nova_lite.objects import wire

# What clients of the Compute API know the daemons as.
CONDUCTOR_BINARY = "nova-conductor"
SCHEDULER_BINARY = "nova-scheduler"
COMPUTE_BINARY = "nova-compute"


@wire.register
class Service(wire.WireObject):
    """One daemon. ``last_seen_up`` is its heartbeat."""

    VERSION = "1.0"
    fields = {
        "id": fields.IntegerField(nullable=True),
        "uuid": fields.UUIDField(nullable=True),
        "host": fields.StringField(),
        "binary": fields.StringField(),
        "disabled": fields.BooleanField(default=False),
        "disabled_reason": fields.StringField(nullable=True),
        "forced_down": fields.BooleanField(default=False),
        "availability_zone": fields.StringField(nullable=True),
        "created_at": wire.MomentField(nullable=True),
        "last_seen_up": wire.MomentField(nullable=True),
        # Identifies this run of the daemon; a new run has a new one.
        "incarnation": fields.StringField(nullable=True),
    }
