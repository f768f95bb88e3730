"""What is on a compute host, as its own hypervisor and storage say: for audits.

No connection information and no secret is in it.
"""

from oslo_versionedobjects import fields

from nova_lite.objects import wire


@wire.register
class InventoryDisk(wire.WireObject):
    """One disk of a guest. ``serial`` is the volume's id, None for local disks."""

    VERSION = "1.0"
    fields = {
        "device": fields.StringField(),
        "serial": fields.StringField(nullable=True),
        "source": fields.StringField(),
        # file, block or network.
        "source_type": fields.StringField(default="file"),
        # It is a file of this host that does not exist.
        "is_missing": fields.BooleanField(default=False),
    }


@wire.register
class InventoryGuest(wire.WireObject):
    """One guest: what runs (``live`` is None if nothing does), and what its
    definition says will run after the next start."""

    VERSION = "1.0"
    fields = {
        "instance_uuid": fields.UUIDField(),
        "name": fields.StringField(),
        "power_state": fields.IntegerField(),
        "live": fields.ListOfObjectsField("InventoryDisk", nullable=True),
        "defined": fields.ListOfObjectsField("InventoryDisk", default=[]),
    }


@wire.register
class InventoryFolder(wire.WireObject):
    """What a server has in the host's own storage. ``leftovers`` are temporary
    files that a dead process left."""

    VERSION = "1.0"
    fields = {
        "instance_uuid": fields.UUIDField(),
        "files": fields.ListOfStringsField(default=[]),
        "leftovers": fields.ListOfStringsField(default=[]),
    }


@wire.register
class InventoryConnection(wire.WireObject):
    """The host is connected to a volume for a server, by its own record."""

    VERSION = "1.0"
    fields = {
        "volume_id": fields.StringField(),
        "instance_uuid": fields.StringField(),
    }


@wire.register
class InventoryImage(wire.WireObject):
    """A disk in Ceph. ``watchers`` and ``locks`` are the clients that have it
    open, and those that own it, by address."""

    VERSION = "1.0"
    fields = {
        "pool": fields.StringField(),
        "name": fields.StringField(),
        "size_bytes": fields.IntegerField(nullable=True),
        # pool/image@snapshot
        "parent": fields.StringField(nullable=True),
        "snapshots": fields.ListOfStringsField(default=[]),
        "watchers": fields.ListOfStringsField(default=[]),
        "locks": fields.ListOfStringsField(default=[]),
    }


@wire.register
class HostInventory(wire.WireObject):
    """Everything of one host. ``unknown`` names the parts that could not be
    read, each with the reason: what is not listed of such a part may be there."""

    VERSION = "1.0"
    fields = {
        "host": fields.StringField(),
        "node_uuid": fields.UUIDField(),
        "guests": fields.ListOfObjectsField("InventoryGuest", default=[]),
        "folders": fields.ListOfObjectsField("InventoryFolder", default=[]),
        "connections": fields.ListOfObjectsField("InventoryConnection", default=[]),
        "images": fields.ListOfObjectsField("InventoryImage", default=[]),
        # Ids of operations that run here, or that a dead process left to be taken up.
        "operations": fields.ListOfStringsField(default=[]),
        "unknown": wire.JsonField(default={}),
    }
