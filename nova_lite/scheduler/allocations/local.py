"""The ledger in our own API database."""

from nova_lite import exceptions
from nova_lite.db import session
from nova_lite.db.queries import allocations
from nova_lite.db.queries.allocations import Resources


class LocalLedger:
    """An :class:`~nova_lite.scheduler.allocations.AllocationLedger` where a
    claim is one conditional ``UPDATE`` whose row count decides.

    :param database: the databases; the ledger is in the API database.
    """

    def __init__(self, database: session.Database) -> None:
        self._scope = database.api

    def claim(self, consumer_uuid: str, node_uuid: str, resources: Resources) -> bool:
        """Take ``resources`` of a node; False if it has no room."""
        try:
            self._scope.transact(allocations.claim, consumer_uuid, node_uuid, resources)
        except exceptions.ClaimFailed:
            return False
        return True

    def release(self, consumer_uuid: str, node_uuid: str | None = None) -> None:
        """Give back what a consumer holds, everywhere or of one node."""
        self._scope.transact(allocations.release, consumer_uuid, node_uuid)

    def keep_only(self, consumer_uuid: str, node_uuid: str) -> None:
        """Give back what a consumer holds of other nodes."""
        with self._scope.read() as connection:
            held = allocations.get_for_consumer(connection, consumer_uuid)
        for other in held:
            if other.node_uuid != node_uuid:
                self.release(consumer_uuid, other.node_uuid)
