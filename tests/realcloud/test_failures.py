"""Parts that fail while a volume is on its way: every story ends, and nothing sticks."""

import pytest

from tests.realcloud import cloud as clouds
from tests.realcloud import conftest
from tests.realcloud import lab as labs

BOUND_S = 240.0
"""Longer than any single wait that nova_lite allows itself."""


@pytest.fixture
def server(lab: labs.Lab, guest_images: conftest.GuestImages) -> str:
    """One that runs."""
    return lab.boot("failures", image=guest_images.raw)


def test_cinder_is_silent_for_a_while(cloud: clouds.Cloud, lab: labs.Lab, server: str) -> None:
    """An attach and a boot while cinder-volume does not answer: when it is back both are
    done, or they have failed with a reason and left nothing; either way the same volume
    is attached at the next try."""
    volume = lab.volume("slow")
    with cloud.frozen("cinder-volume"):
        assert lab.try_attach(server, volume).status == 200
        ordered = lab.order("slow", devices=[labs.new_volume("blank", boot_index=0)])
        waiting = ordered.body["server"]["id"]
        clouds.wait_for(
            lambda: lab.facts(volume)["status"] in ("reserved", "attaching"),
            "the attach to reach Cinder",
        )
    assert lab.settled(waiting, BOUND_S)["status"] in ("ACTIVE", "ERROR")
    if volume not in lab.volumes_of(server) or lab.until_settled(volume) == "available":
        lab.attach(server, volume)
    guest = lab.guest(server)
    assert guest.payload(guest.disk(volume).name).state == "-"
    lab.delete(waiting, server)
    lab.until(volume, "available")
    lab.drop(volume)


def test_compute_dies_while_it_attaches(cloud: clouds.Cloud, lab: labs.Lab, server: str) -> None:
    """kill -9 of nova-compute while it waits for Cinder: the next one that starts ends the
    attach in one way or the other; guest, Cinder and nova_lite say the same afterwards."""
    volume = lab.volume("interrupted")
    with cloud.frozen("cinder-volume"):
        assert lab.try_attach(server, volume).status == 200
        clouds.wait_for(lambda: lab.under_way(server), "compute to be at it")
        cloud.kill("nova-compute")
    cloud.up()
    _assert_agreed(lab, server, volume)
    if volume not in lab.volumes_of(server):
        lab.attach(server, volume)
    guest = lab.guest(server)
    assert guest.payload(guest.disk(volume).name).state == "-"
    lab.delete(server)
    lab.until(volume, "available")
    lab.drop(volume)


def test_compute_dies_while_it_detaches(cloud: clouds.Cloud, lab: labs.Lab, server: str) -> None:
    """kill -9 of nova-compute while the guest thinks about it."""
    volume = lab.volume("interrupted")
    lab.attach(server, volume)
    guest = lab.guest(server)
    wrote = guest.payload(guest.disk(volume).name).wrote
    clouds.virsh("suspend", server)
    assert lab.try_detach(server, volume).status == 202
    clouds.wait_for(lambda: lab.under_way(server), "compute to be at it")
    cloud.kill("nova-compute")
    clouds.virsh("resume", server)
    cloud.up()
    _assert_agreed(lab, server, volume)
    if volume in lab.volumes_of(server):
        lab.detach(server, volume)
    lab.until(volume, "available")
    lab.attach(server, volume)
    payload = guest.payload(guest.disk(volume, 2).name, 2)
    assert (payload.read, payload.state) == (wrote, "intact")
    lab.delete(server)
    lab.until(volume, "available")
    lab.drop(volume)


def _assert_agreed(lab: labs.Lab, server_id: str, volume_id: str) -> None:
    """Nothing is under way, and everybody tells the same of the attachment."""
    status = lab.until_settled(volume_id)
    assert status in ("available", "in-use"), status
    clouds.wait_for(lambda: not lab.under_way(server_id), "the action to end", BOUND_S)
    is_attached = lab.until_settled(volume_id) == "in-use"
    assert (volume_id in lab.volumes_of(server_id)) == is_attached
    assert (lab.disk_of(server_id, volume_id) is not None) == is_attached
    assert len(lab.attachments(volume_id)) == is_attached


def test_ceph_is_silent_for_a_while(
    cloud: clouds.Cloud, lab: labs.Lab, guest_images: conftest.GuestImages, server: str
) -> None:
    """The OSD stops for some seconds while a server is built from a clone and a volume is
    attached: both wait, then go on."""
    volume = lab.volume("patient")
    with cloud.frozen("ceph", index=2):
        ordered = lab.order("patient", image=guest_images.raw)
        assert lab.try_attach(server, volume).status == 200
        waiting = ordered.body["server"]["id"]
        clouds.wait_for(
            lambda: {"fetch_image", "create_disks"} & {*lab.under_way(waiting)},
            "the build to need Ceph",
        )
    lab.active(waiting)
    lab.until(volume, "in-use")
    guest = lab.guest(server)
    assert guest.payload(guest.disk(volume).name).state == "-"
    assert lab.guest(waiting).payload("root").wrote
    lab.delete(waiting, server)
    lab.until(volume, "available")
    lab.drop(volume)
