"""The allocation ledger as scheduler and conductor see it."""

import typing

from nova_lite.db.queries.allocations import Resources

__all__ = ["AllocationLedger", "Resources"]


class AllocationLedger(typing.Protocol):
    """Who holds what of which node. Placement can stand behind it as well."""

    def claim(self, consumer_uuid: str, node_uuid: str, resources: Resources) -> bool:
        """Take ``resources`` of a node for a consumer, all or nothing.

        A consumer that holds an allocation on the node already succeeds, and
        is counted once.

        :returns: False if the node has no room (any more).
        """

    def release(self, consumer_uuid: str, node_uuid: str | None = None) -> None:
        """Give back what a consumer holds, everywhere or of one node.

        Holding nothing is no error.
        """

    def keep_only(self, consumer_uuid: str, node_uuid: str) -> None:
        """Give back what a consumer holds of other nodes."""
