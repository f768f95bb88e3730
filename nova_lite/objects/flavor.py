"""A flavor: what sizes a server has."""

from oslo_versionedobjects import fields

from nova_lite.objects import wire


@wire.register
class Flavor(wire.WireObject):
    """A flavor as it was when the server was created."""

    VERSION = "1.0"
    fields = {
        "id": fields.IntegerField(nullable=True),
        "flavorid": fields.StringField(),
        "name": fields.StringField(),
        "memory_mib": fields.IntegerField(),
        "vcpus": fields.IntegerField(),
        "root_gib": fields.IntegerField(default=0),
        "ephemeral_gib": fields.IntegerField(default=0),
        "swap_mib": fields.IntegerField(default=0),
        "rxtx_factor": fields.FloatField(default=1.0),
        "is_public": fields.BooleanField(default=True),
        "disabled": fields.BooleanField(default=False),
        "description": fields.StringField(nullable=True),
        "extra_specs": wire.JsonField(default={}),
    }
