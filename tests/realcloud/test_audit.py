"""What nova_lite says of itself agrees with Cinder, Ceph and libvirt; and what it finds
when it does not. After all tests conftest audits once more."""

import json
import sys

from tests.realcloud import cloud as clouds
from tests.realcloud import conftest
from tests.realcloud import lab as labs


def test_a_healthy_server_has_no_drift(
    cloud: clouds.Cloud, lab: labs.Lab, guest_images: conftest.GuestImages
) -> None:
    """D16, D31: with disks of every kind, an audit finds nothing and the trace of the server
    marks nothing; it tells parents in Ceph and who has a disk open. A volume that somebody
    took out of the guest's definition is found, and put back by the repair."""
    volume, encrypted = lab.volume("plain"), lab.encrypted_volume("encrypted")
    server = lab.boot(
        "audited",
        image=guest_images.raw,
        devices=[
            labs.image_disk(guest_images.raw),
            labs.new_volume("volume", volume, keep=True),
            labs.new_volume("volume", encrypted, keep=True),
            labs.new_volume("image", guest_images.raw),
        ],
    )
    assert _audit(cloud) == (0, [])
    code, traced = _manage(cloud, "storage", "trace", server)
    assert code == 0, traced
    assert f"images/{guest_images.raw}@snap" in traced
    assert "watch" in traced

    (target,) = (
        disk.find("target").get("dev")
        for disk in clouds.parsed(cloud.domains()[server]).iter("disk")
        if disk.findtext("serial") == volume
    )
    clouds.virsh("detach-disk", server, target, "--config")
    assert _audit(cloud) == (3, ["definition-differs"])
    code, traced = _manage(cloud, "storage", "trace", server)
    assert code == 3
    assert "!! runs, is not" in traced
    assert _audit(cloud, "--repair", "definition-differs") == (0, [])
    lab.delete(server)
    lab.until(volume, "available")
    lab.drop(volume, encrypted)


def _audit(cloud: clouds.Cloud, *words: str) -> tuple[int, list[str]]:
    """Exit code, and the kinds that were found."""
    code, printed = _manage(cloud, "audit", "--json", *words)
    return code, [finding["kind"] for finding in json.loads(printed)["findings"]]


def _manage(cloud: clouds.Cloud, *words: str) -> tuple[int, str]:
    return clouds.run(
        *(sys.executable, "-m", "nova_lite.cmd.manage"),
        *("--config-file", cloud.env["REALCLOUD_NOVA_CONF"], *words),
    )
