"""The kinds of drift: each a pure function from facts to findings."""

from nova_lite.audit import finding

# The order of these is the order of the reference.
# isort: off
from nova_lite.audit.kinds import sources
from nova_lite.audit.kinds import guests
from nova_lite.audit.kinds import disks
from nova_lite.audit.kinds import devices
from nova_lite.audit.kinds import volumes
from nova_lite.audit.kinds import servers
from nova_lite.audit.kinds import ledger

# isort: on

KINDS = finding.KINDS

__all__ = [
    "KINDS",
    "devices",
    "disks",
    "guests",
    "ledger",
    "servers",
    "sources",
    "volumes",
]
