"""Encrypted volumes: the guest sees a disk, Ceph sees noise (S201)."""

import subprocess

from tests.realcloud import cloud as clouds
from tests.realcloud import conftest
from tests.realcloud import lab as labs

LUKS_MAGIC = b"LUKS\xba\xbe"
MARKER = b"nova-lite:"
"""What the guest writes at the start of an empty disk."""


def test_an_encrypted_volume_is_only_plain_in_the_guest(
    cloud: clouds.Cloud, lab: labs.Lab, guest_images: conftest.GuestImages
) -> None:
    """S201, CVE-2017-18191: hot attach, boot and restart open the volume with its key, each
    time; what is in Ceph is LUKS and has nothing readable in it; when it is detached no
    secret stays in libvirt."""
    left = lab.boot("left", image=guest_images.raw)
    volume, plain = lab.volume("secret", volume_type="luks"), lab.volume("plain")
    secrets_before = clouds.virsh("secret-list").count("\n")
    lab.attach(left, volume)
    lab.attach(left, plain)
    guest = lab.guest(left)
    first = guest.payload(guest.disk(volume).name)
    assert first.state == "-"
    guest.payload(guest.disk(plain).name)
    assert lab.disk_of(left, volume).find(".//encryption").get("format") == "luks"
    lab.stop(left)
    assert MARKER in _content(cloud, plain)
    content = _content(cloud, volume)
    assert content.startswith(LUKS_MAGIC)
    assert MARKER not in content

    lab.start(left)
    guest = lab.guest(left)
    again = guest.payload(guest.disk(volume).name)
    assert (again.read, again.state) == (first.wrote, "intact")
    lab.detach(left, volume)
    lab.until(volume, "available")
    right = lab.boot(
        "right",
        image=guest_images.raw,
        devices=[
            labs.image_disk(guest_images.raw),
            labs.new_volume("volume", volume, keep=True),
        ],
    )
    guest = lab.guest(right)
    third = guest.payload(guest.disk(volume).name)
    assert (third.read, third.state) == (again.wrote, "intact")
    lab.delete(left, right)
    lab.until(volume, "available")
    assert clouds.virsh("secret-list").count("\n") <= secrets_before
    lab.drop(volume, plain)


def _content(cloud: clouds.Cloud, volume_id: str) -> bytes:
    """The first 8 MiB of a volume as Ceph keeps it."""
    image = f"volumes/volume-{volume_id}"
    with subprocess.Popen(
        ["rbd", "--conf", cloud.env["CEPH_CONF"], "--no-progress", "export", image, "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as export:
        assert export.stdout is not None
        content = export.stdout.read(8 * 2**20)
        export.kill()
    return content
