"""Can a server's disk be a copy-on-write clone of an image, as Glance has it?

Upstream's three conditions (location, same cluster, raw), automatic as S219 asks,
and two of our own. Where Glance lets users write locations (OSSN-0065), a location
could name another tenant's disk; so it must be in a pool that is Glance's, and be
of the image that Glance's RBD store would have made for this id.
"""

import collections.abc
import dataclasses
import typing

from nova_lite.image import locations

CLONABLE_FORMATS: typing.Final = ("raw", "iso")
"""What is a disk byte by byte."""


@dataclasses.dataclass(frozen=True)
class Decision:
    """A snapshot to clone, or why there is none."""

    location: locations.RbdLocation | None
    reason: str
    """A sentence's end, for users: "it cannot be cloned, because ..."."""
    place: str | None = None
    """The pool, cluster or location that it is about, for administrators."""

    @property
    def explained(self) -> str:
        """The reason with its place."""
        return f"{self.reason} ({self.place})" if self.place else self.reason


def decide(
    image_id: str,
    disk_format: str | None,
    found: collections.abc.Iterable[locations.RbdLocation],
    pools: collections.abc.Container[str],
    *,
    fsid: str | None,
) -> Decision:
    """The first location that may be cloned; whether it can be read is to be tried.

    :param pools: the image service's pools.
    :param fsid: of the host's cluster; None if it is not known here.
    """
    if disk_format not in CLONABLE_FORMATS:
        return Decision(None, f"its format is {disk_format}, and only raw can be cloned")
    refused = Decision(None, "Glance shows no location of it in Ceph")
    for location in found:
        if fsid is not None and location.fsid != fsid:
            refused = Decision(None, "it is in another Ceph cluster", location.fsid)
        elif location.pool not in pools:
            reason = "its pool is not one of [libvirt] images_rbd_glance_pools"
            refused = Decision(None, reason, location.pool)
        elif location.image != image_id:
            refused = Decision(None, "its location is of another image")
        else:
            return Decision(location, "it is raw and in Ceph", str(location))
    return refused
