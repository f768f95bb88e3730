"""A hypervisor host with its inventory and what is allocated of it."""

from oslo_versionedobjects import fields

from nova_lite.objects import wire


@wire.register
class ComputeNode(wire.WireObject):
    """One node of the allocation ledger and of os-hypervisors.

    Capacity of a resource is ``(total - reserved) * ratio``.
    """

    VERSION = "1.0"
    fields = {
        "id": fields.IntegerField(nullable=True),
        "uuid": fields.UUIDField(),
        "host": fields.StringField(),
        "hypervisor_hostname": fields.StringField(),
        "hypervisor_type": fields.StringField(),
        "hypervisor_version": fields.IntegerField(default=0),
        "architecture": fields.StringField(nullable=True),
        "cpu_info": wire.JsonField(default={}),
        "host_ip": fields.StringField(nullable=True),
        "vcpus": fields.IntegerField(),
        "vcpus_reserved": fields.IntegerField(default=0),
        "vcpus_ratio": fields.FloatField(default=4.0),
        "vcpus_used": fields.IntegerField(default=0),
        "memory_mib": fields.IntegerField(),
        "memory_mib_reserved": fields.IntegerField(default=0),
        "memory_mib_ratio": fields.FloatField(default=1.0),
        "memory_mib_used": fields.IntegerField(default=0),
        "disk_gib": fields.IntegerField(),
        "disk_gib_reserved": fields.IntegerField(default=0),
        "disk_gib_ratio": fields.FloatField(default=1.0),
        "disk_gib_used": fields.IntegerField(default=0),
        "updated_at": wire.MomentField(nullable=True),
        # Shown by os-hypervisors; counted by the query that reads the node.
        "running_vms": fields.IntegerField(default=0),
    }
