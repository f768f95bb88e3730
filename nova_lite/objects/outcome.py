"""How an operation ended on its host."""

from oslo_versionedobjects import fields

from nova_lite.objects import wire


@wire.register
class Outcome(wire.WireObject):
    """What a host tells the conductor at the end of an operation; the
    conductor writes it in one transaction.

    ``message`` is for users, ``details`` for administrators. ``facts`` are
    columns of the server that the host has learnt (power_state, launched_at,
    root_device_name ...); states are the transition table's business.
    """

    VERSION = "1.0"
    fields = {
        "succeeded": fields.BooleanField(),
        "message": fields.StringField(nullable=True),
        "details": fields.StringField(nullable=True),
        "facts": wire.JsonField(default={}),
        "steps": fields.ListOfObjectsField("Step", default=[]),
        "changed_devices": fields.ListOfObjectsField("BlockDeviceMapping", default=[]),
        "removed_devices": fields.ListOfStringsField(default=[]),
    }


@wire.register
class HostWork(wire.WireObject):
    """What a compute service needs to know when it starts: the servers that
    are its own, with their devices, and the operations it owns."""

    VERSION = "1.0"
    fields = {
        "instances": fields.ListOfObjectsField("Instance", default=[]),
        "block_devices": fields.ListOfObjectsField("BlockDeviceMapping", default=[]),
        "operations": fields.ListOfObjectsField("Operation", default=[]),
        # Of the guests it asked about, those whose server was deleted; their
        # devices are among block_devices.
        "deleted_guests": fields.ListOfStringsField(default=[]),
    }
