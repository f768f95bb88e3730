"""S219, S10, S19: when a disk may be a clone of an image."""

import pytest

from nova_lite.image import clonable
from nova_lite.image import locations

HERE, ELSEWHERE = "here", "elsewhere"
IMAGE = "the-image"


def location(*, fsid=HERE, pool="images", image=IMAGE):
    return locations.RbdLocation(fsid, pool, image, "snap")


def decide(found, *, disk_format="raw", fsid=HERE, pools=("images",)):
    return clonable.decide(IMAGE, disk_format, found, pools, fsid=fsid)


@pytest.mark.parametrize("disk_format", ["raw", "iso"])
def test_raw_in_the_same_cluster_is_cloned(disk_format):
    """S9, B13: location parses, same fsid, raw."""
    decision = decide([location()], disk_format=disk_format)
    assert decision.location == location()
    assert decision.reason == "it is raw and in Ceph"
    assert decision.explained == "it is raw and in Ceph (images/the-image@snap)"


@pytest.mark.parametrize("disk_format", ["qcow2", "vmdk", "vdi", "vhd", "vhdx", "ami", None])
def test_no_other_format_is_cloned(disk_format):
    """S19: a guest would see the format's own bytes."""
    decision = decide([location()], disk_format=disk_format)
    assert decision.location is None
    assert f"its format is {disk_format}" in decision.reason


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ([], "shows no location"),
        ([location(fsid=ELSEWHERE)], "in another Ceph cluster (elsewhere)"),
        ([location(pool="vms")], "images_rbd_glance_pools (vms)"),
        ([location(image="another")], "of another image"),
    ],
)
def test_why_not(found, reason):
    """A location that a user wrote must not open another tenant's disk (OSSN-0065)."""
    decision = decide(found)
    assert decision.location is None
    assert reason in decision.explained
    # What a user is told names no pool and no cluster.
    assert "vms" not in decision.reason
    assert ELSEWHERE not in decision.reason


def test_the_first_that_will_do_is_taken():
    found = [location(fsid=ELSEWHERE), location(pool="vms"), location(), location(pool="more")]
    assert decide(found).location == location()
    assert decide(found, pools=("more",)).location == location(pool="more")


def test_an_unknown_cluster_may_be_the_same():
    """What a dry run can know."""
    assert decide([location(fsid=ELSEWHERE)], fsid=None).location is not None
