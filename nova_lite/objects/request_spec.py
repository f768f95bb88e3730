"""What the scheduler is asked, and what it answers."""

from oslo_versionedobjects import fields

from nova_lite.objects import wire


@wire.register
class RequestSpec(wire.WireObject):
    """What one server needs of a host.

    ``disk_gib`` is local disk only: a root on a volume takes none of the
    host's (root + ephemeral + swap rounded up).
    """

    VERSION = "1.0"
    fields = {
        "instance_uuid": fields.UUIDField(),
        "project_id": fields.StringField(),
        "user_id": fields.StringField(nullable=True),
        "flavor": fields.ObjectField("Flavor"),
        "image": fields.ObjectField("ImageMeta"),
        "vcpus": fields.IntegerField(),
        "memory_mib": fields.IntegerField(),
        "disk_gib": fields.IntegerField(),
        "availability_zone": fields.StringField(nullable=True),
        "force_host": fields.StringField(nullable=True),
        "force_node": fields.StringField(nullable=True),
        # Hosts that have tried and failed.
        "ignore_hosts": fields.ListOfStringsField(default=[]),
        "scheduler_hints": wire.JsonField(default={}),
    }


@wire.register
class Selection(wire.WireObject):
    """A host that can take the server; claimed in the ledger if it is the
    first of its list, not yet if it is an alternate."""

    VERSION = "1.0"
    fields = {
        "host": fields.StringField(),
        "node": fields.StringField(),
        "node_uuid": fields.UUIDField(),
        "availability_zone": fields.StringField(nullable=True),
    }


@wire.register
class HostVerdict(wire.WireObject):
    """What the scheduler thinks of a host: refused by ``rule`` for ``reason``, or
    suitable (no rule)."""

    VERSION = "1.0"
    fields = {
        "host": fields.StringField(),
        "rule": fields.StringField(nullable=True),
        "reason": fields.StringField(),
    }
