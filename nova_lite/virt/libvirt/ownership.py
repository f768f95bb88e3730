"""Which of libvirt's guests are this compute node's.

A guest is ours only by a positive record: our element in its metadata with
this node's UUID. Whatever else runs on the host is never listed or touched.
"""

from nova_lite import exceptions
from nova_lite.virt.libvirt import connection
from nova_lite.virt.libvirt import guest


class OwnGuests:
    """The guests of one compute node."""

    def __init__(self, connected: connection.Connection, node_uuid: str) -> None:
        self.connection = connected
        self.node_uuid = node_uuid

    def get(self, instance_uuid: str) -> guest.Guest:
        """One guest.

        :raises nova_lite.exceptions.GuestNotFound: it does not exist, or is
            another's.
        """
        found = self.connection.lookup(instance_uuid)
        if found.owner() != self.node_uuid:
            raise exceptions.GuestNotFound(instance_uuid=instance_uuid)
        return found

    def list(self) -> list[guest.Guest]:
        """All of them; one that vanishes meanwhile is left out."""
        ours = []
        for each in self.connection.list_all():
            try:
                if each.owner() == self.node_uuid:
                    ours.append(each)
            except exceptions.GuestNotFound:
                continue
        return ours
