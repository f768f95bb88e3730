"""Servers in all their forms (S61, S62), with guests that look at their disks."""

import pytest

from tests.realcloud import cloud as clouds
from tests.realcloud import conftest
from tests.realcloud import lab as labs

GIB, MIB = 2**30, 2**20


@pytest.fixture(scope="module")
def rich_flavor(cloud: clouds.Cloud) -> str:
    """With swap and an ephemeral disk."""
    compute = cloud.connection(clouds.ADMIN).compute
    known = compute.find_flavor("story.rich")
    if known is None:
        known = compute.create_flavor(
            name="story.rich", ram=256, vcpus=1, disk=1, ephemeral=1, swap=64
        )
    return str(known.id)


def said_of(lab: labs.Lab, server_id: str, step: str) -> str:
    """What a step of the server's creation put down."""
    return str(lab.events(server_id, "create")[step]["details"])


def parent_of(cloud: clouds.Cloud, image: str) -> str:
    """Of a clone in Ceph: ``pool/image@snapshot``."""
    parent = cloud.rbd("info", image)["parent"]
    return f"{parent['pool']}/{parent['image']}@{parent['snapshot']}"


def test_local_disks_are_clones(
    cloud: clouds.Cloud,
    lab: labs.Lab,
    guest_images: conftest.GuestImages,
    rich_flavor: str,
    nothing_left: object,
) -> None:
    """S9, S19, S20, S24, S217, S219: on one Ceph a raw image is cloned and nothing is copied,
    not by nova_lite and not on its host; a qcow2 image is converted by the first server
    that needs it and by no other. S220: QEMU opens the clones by itself."""
    first = lab.order("raw", image=guest_images.raw, flavor=rich_flavor).body["server"]["id"]
    pioneer = lab.order("pioneer", image=guest_images.qcow2).body["server"]["id"]
    for server_id in (first, pioneer):
        lab.active(server_id)
    second = lab.boot("second", image=guest_images.qcow2)

    assert parent_of(cloud, f"vms/{first}_disk") == f"images/{guest_images.raw}@snap"
    assert "0 bytes copied" in said_of(lab, first, "fetch_image")
    assert " bytes imported" in said_of(lab, pioneer, "fetch_image")
    assert "0 bytes copied" in said_of(lab, second, "fetch_image")
    assert parent_of(cloud, f"vms/{pioneer}_disk") == parent_of(cloud, f"vms/{second}_disk")
    for server_id in (first, pioneer, second):
        assert lab.guest(server_id).payload("root").read == "-"
        sources = clouds.parsed(cloud.domains()[server_id]).findall(".//disk/source")
        assert {source.get("protocol") for source in sources} == {"rbd"}
    guest = lab.guest(first)
    (ephemeral,) = guest.wait(r"disk-added (\S+) serial \S+ size (\d+) fs ext4 label ephemeral0")
    assert int(ephemeral[2]) == GIB
    assert guest.payload(ephemeral[1]).state == "-"
    (swap,) = guest.wait(r"swap (\S+) KiB (\d+)")
    assert int(swap[2]) * 1024 == pytest.approx(64 * MIB, abs=8192)
    files = {path.name for path in cloud.state.glob(f"*/instances/{first}/*")}
    assert files == {"console.log", "disk.info"}, "a disk is on the host"
    lab.delete(first, pioneer, second)
    assert not {image for image in cloud.images() if image.startswith(f"vms/{first}")}


def test_each_source_becomes_a_volume(
    cloud: clouds.Cloud, lab: labs.Lab, guest_images: conftest.GuestImages
) -> None:
    """S24, S25, S26, S31, S63-S66: one server with a volume from an image as its root, one
    from a snapshot, a blank one and an existing one; deleting it deletes exactly those
    that were to go, and what the guest wrote on the others is there."""
    existing = lab.volume("existing")
    source = lab.volume("source")
    snapshot = lab.snapshot(source)
    server_id = lab.boot(
        "sources",
        devices=[
            labs.new_volume("image", guest_images.raw, boot_index=0),
            labs.new_volume("volume", existing, keep=True),
            labs.new_volume("snapshot", snapshot),
            labs.new_volume("blank", keep=True),
        ],
    )
    rows = lab.volumes_of(server_id)
    facts = {volume_id: lab.facts(volume_id) for volume_id in rows}
    assert {row["status"] for row in facts.values()} == {"in-use"}
    (root,) = (v for v, row in facts.items() if row["bootable"] == "true")
    (cloned,) = (v for v, row in facts.items() if row["snapshot_id"] == snapshot)
    (blank,) = set(facts) - {root, cloned, existing}
    assert facts[blank]["name"] == f"{server_id}-blank-vol"
    assert parent_of(cloud, f"volumes/volume-{root}") == f"images/{guest_images.raw}@snap"
    assert parent_of(cloud, f"volumes/volume-{cloned}").startswith(f"volumes/volume-{source}@")
    assert {v: rows[v]["delete_on_termination"] for v in rows} == {
        root: True,
        cloned: True,
        existing: False,
        blank: False,
    }
    assert not any(image.startswith(f"vms/{server_id}") for image in cloud.images())
    guest = lab.guest(server_id)
    assert root.startswith(guest.root_serial())
    wrote = {v: guest.payload(guest.disk(v).name).wrote for v in (cloned, existing, blank)}

    lab.delete(server_id)
    for volume_id in (root, cloned):
        lab.volume_gone(volume_id)
    for volume_id in (existing, blank):
        assert lab.facts(volume_id)["status"] == "available"
        assert lab.attachments(volume_id) == []

    reader = lab.boot(
        "reader",
        image=guest_images.raw,
        devices=[
            labs.image_disk(guest_images.raw),
            labs.new_volume("volume", existing, keep=True),
            labs.new_volume("volume", blank),
        ],
    )
    guest = lab.guest(reader)
    for volume_id in (existing, blank):
        payload = guest.payload(guest.disk(volume_id).name)
        assert (payload.read, payload.state) == (wrote[volume_id], "intact")
    lab.delete(reader)
    lab.volume_gone(blank)
    lab.drop_snapshot(snapshot)
    lab.drop(existing, source)


def test_a_root_outlives_its_servers(lab: labs.Lab, guest_images: conftest.GuestImages) -> None:
    """S30, S32, S97: a bootable volume boots one server after another, and so does a
    volume from its snapshot; each finds what the one before it wrote."""
    root = lab.volume("root", imageRef=guest_images.raw)
    device = labs.new_volume("volume", root, boot_index=0, keep=True)
    first = lab.boot("first", devices=[device])
    wrote = lab.guest(first).payload("root").wrote
    lab.delete(first)
    lab.until(root, "available")

    second = lab.boot("second", devices=[device])
    payload = lab.guest(second).payload("root")
    assert (payload.read, payload.state) == (wrote, "intact")
    snapshot = lab.snapshot(root)
    third = lab.boot("third", devices=[labs.new_volume("snapshot", snapshot, boot_index=0)])
    found = lab.guest(third).payload("root")
    assert (found.read, found.state) == (payload.wrote, "intact")
    lab.delete(second, third)
    lab.drop_snapshot(snapshot)
    lab.drop(root)


def test_what_cannot_boot_is_refused(lab: labs.Lab) -> None:
    """S30, S32: a root that is not bootable, or a snapshot of one, is 400 and nothing is
    made. S33: an empty root is no mistake: somebody is making an image."""
    plain = lab.volume("plain")
    snapshot = lab.snapshot(plain)
    for source_type, uuid in (("volume", plain), ("snapshot", snapshot)):
        device = labs.new_volume(source_type, uuid, boot_index=0, keep=True)
        answer = lab.order("refused", devices=[device])
        assert answer.status == 400, answer
        assert "bootable" in answer.body["badRequest"]["message"]
    assert lab.facts(plain)["status"] == "available"
    server_id = lab.boot("empty", devices=[labs.new_volume("blank", boot_index=0)])
    (root,) = lab.volumes_of(server_id)
    lab.delete(server_id)
    lab.volume_gone(root)
    lab.drop_snapshot(snapshot)
    lab.drop(plain)
