"""Encrypted volumes: the guest sees a disk, Ceph sees noise."""

import pathlib
import subprocess

from tests.realcloud import canaries
from tests.realcloud import cloud as clouds
from tests.realcloud import conftest
from tests.realcloud import lab as labs

GIB = 2**30
LUKS_MAGIC = b"LUKS\xba\xbe"
MARKER = b"nova-lite:"
"""What the guest writes at the start of an empty disk."""


def test_an_encrypted_volume_is_only_plain_in_the_guest(
    cloud: clouds.Cloud,
    lab: labs.Lab,
    guest_images: conftest.GuestImages,
    tmp_path: pathlib.Path,
) -> None:
    """S201, CVE-2017-18191: hot attach, boot and restart open the volume with its key, each
    time; it grows while the guest has it; what is in Ceph is LUKS and has nothing readable
    in it; when it is detached no secret stays in libvirt."""
    left = lab.boot("left", image=guest_images.raw)
    volume, plain = lab.encrypted_volume("secret"), lab.volume("plain")
    _blank(cloud, volume, tmp_path)
    lab.attach(left, volume)
    lab.attach(left, plain)
    guest = lab.guest(left)
    first = guest.payload(guest.disk(volume).name)
    assert first.state == "-"
    guest.payload(guest.disk(plain).name)
    assert lab.disk_of(left, volume).find(".//encryption").get("format") == "luks"
    assert volume in clouds.virsh("secret-list")
    lab.stop(left)
    assert MARKER in _content(cloud, plain)
    content = _content(cloud, volume)
    assert content.startswith(LUKS_MAGIC)
    assert MARKER not in content

    lab.start(left)
    guest = lab.guest(left)
    again = guest.payload(guest.disk(volume).name)
    assert (again.read, again.state) == (first.wrote, "intact")
    disk = guest.disk(volume)
    header_bytes = GIB - disk.size_bytes
    # Cinder may have made room for it beside the size.
    assert 0 <= header_bytes < GIB // 32
    lab.extend(volume, 2)
    guest.wait(rf"disk-resized {disk.name} serial \S+ size {2 * GIB - header_bytes}\b")
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
    assert volume not in clouds.virsh("secret-list")
    lab.drop(volume, plain)


def _blank(cloud: clouds.Cloud, volume_id: str, folder: pathlib.Path) -> None:
    """Write zeros at the start, as seen through the encryption: what nobody wrote yet
    looks like noise, and the guest spares what it does not know."""
    passphrase = folder / "passphrase"
    passphrase.touch(0o600)
    passphrase.write_text(canaries.secrets_of(cloud)["password of volume encryption"])
    image = (
        "driver=luks,key-secret=key,file.driver=rbd,file.pool=volumes,file.user=admin,"
        f"file.image=volume-{volume_id},file.conf={cloud.env['CEPH_CONF']}"
    )
    clouds.output_of(
        *("qemu-io", "--object", f"secret,id=key,file={passphrase}"),
        *("--image-opts", image, "-c", "write -P 0 0 4M"),
    )


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
