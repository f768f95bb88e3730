"""The intent to build one server."""

from oslo_versionedobjects import fields

from nova_lite.objects import wire


@wire.register
class BuildRequest(wire.WireObject):
    """Everything the conductor needs to build a server. The API database keeps
    it until the server is in a cell; the message is only a copy."""

    VERSION = "1.0"
    fields = {
        "instance_uuid": fields.UUIDField(),
        "operation_id": fields.UUIDField(),
        "instance": fields.ObjectField("Instance"),
        "block_devices": fields.ObjectField("BlockDeviceMappingList"),
        "request_spec": fields.ObjectField("RequestSpec"),
    }
