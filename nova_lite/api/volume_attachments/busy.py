"""Whether somebody is at a volume of a server."""

from nova_lite import objects
from nova_lite import transitions
from nova_lite.api import request
from nova_lite.db.queries import operations

_EXCLUSIVE = frozenset(
    {
        transitions.ATTACH_VOLUME.action,
        transitions.DETACH_VOLUME.action,
        transitions.SWAP_VOLUME.action,
    }
)
"""Actions of which one at a time may be under way for a volume."""


def with_volume(req: request.Request, device: objects.BlockDeviceMapping) -> set[str]:
    """The actions that are under way for the volume of a device; mostly none."""
    with req.database.cell.read() as tx:
        journal = operations.list_running(tx, device.instance_uuid)
    return {
        operation.action
        for operation in journal
        if operation.action in _EXCLUSIVE
        and operation.arguments.get("volume_id") == device.volume_id
    }
