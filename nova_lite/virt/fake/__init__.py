"""A hypervisor that runs no guests but keeps track of everything.

It is complete: it passes the conformance suite that libvirt passes. It is
also strict, to catch callers in the wrong order: a guest cannot have a volume
that was not connected or a disk that was not made, and a volume that a guest
has cannot be disconnected. ``driver.faults`` makes any call fail, hang, be
slow or die.
"""

from nova_lite.virt.fake.driver import FakeDriver
from nova_lite.virt.fake.world import FakeGuest
from nova_lite.virt.fake.world import World

__all__ = ["FakeDriver", "FakeGuest", "World"]
