"""Volumes that grow or move to another back end while a guest uses them."""

import pytest

from tests.realcloud import cloud as clouds
from tests.realcloud import conftest
from tests.realcloud import lab as labs

GIB = 2**30


@pytest.fixture
def server(lab: labs.Lab, guest_images: conftest.GuestImages) -> str:
    """One that runs."""
    return lab.boot("change", image=guest_images.raw)


def test_a_volume_grows_under_its_server(cloud: clouds.Cloud, lab: labs.Lab, server: str) -> None:
    """Cinder extends a volume in use and tells nova_lite (volume-extended): the guest sees
    the new size at once, and its data stays. A server that is switched off sees it when it
    starts."""
    volume = lab.volume("growing")
    lab.attach(server, volume)
    guest = lab.guest(server)
    disk = guest.disk(volume)
    wrote = guest.payload(disk.name).wrote
    assert disk.size_bytes == GIB
    lab.extend(volume, 2)
    (line,) = guest.wait(rf"disk-resized {disk.name} serial \S+ size (\d+)")
    assert int(line[1]) == 2 * GIB
    assert {e["result"] for e in lab.events(server, "extend_volume").values()} == {"Success"}

    lab.stop(server)
    lab.extend(volume, 3)
    lab.start(server)
    guest = lab.guest(server)
    disk = guest.disk(volume)
    payload = guest.payload(disk.name)
    assert disk.size_bytes == 3 * GIB
    assert (payload.read, payload.state) == (wrote, "intact")
    (row,) = cloud.sql(
        "nova_lite_cell",
        f"SELECT volume_size FROM block_device_mapping WHERE volume_id = '{volume}'",
    )
    assert row["volume_size"] == 3
    lab.delete(server)
    lab.until(volume, "available")
    lab.drop(volume)


def test_a_volume_moves_under_its_server(cloud: clouds.Cloud, lab: labs.Lab, server: str) -> None:
    """Cinder migrates a volume in use to its other back end and has nova_lite swap it; the
    guest notices nothing, and its data has moved. LP 2112187: nobody else may swap."""
    volume, other = lab.volume("moving", volume_type="anywhere"), lab.volume("other")
    lab.attach(server, volume)
    guest = lab.guest(server)
    disk = guest.disk(volume)
    wrote = guest.payload(disk.name).wrote
    path = f"/servers/{server}/os-volume_attachments/{volume}"
    swap = {"volumeAttachment": {"volumeId": other}}
    assert lab.compute("PUT", path, swap).status == 403
    assert lab.compute("PUT", path, swap, user=clouds.ADMIN).status in (403, 409)

    source_pool, target_pool = _migrate(lab, volume)
    assert {e["result"] for e in lab.events(server, "swap_volume").values()} == {"Success"}
    source = lab.disk_of(server, volume).find("source")
    assert source.get("name").startswith(f"{target_pool}/volume-")
    assert len(lab.attachments(volume)) == 1
    assert set(lab.volumes_of(server)) == {volume}
    assert "disk-removed" not in guest.text()

    lab.detach(server, volume)
    lab.until(volume, "available")
    lab.attach(server, volume)
    payload = guest.payload(guest.disk(volume, 2).name, 2)
    assert (payload.read, payload.state) == (wrote, "intact")
    lab.delete(server)
    lab.until(volume, "available")
    assert f"{source_pool}/volume-{volume}" not in cloud.images()
    lab.drop(volume, other)


def _migrate(lab: labs.Lab, volume_id: str) -> tuple[str, str]:
    """Have Cinder move a volume to its other back end, and wait; both pools.

    A retype would not do: Cinder 21 copies a volume that it retypes between two pools of
    one Ceph as if nobody wrote to it.
    """
    pools = {"realcloud@ceph#ceph": "volumes", "realcloud@ceph2#ceph2": "volumes2"}
    source = _host_of(lab, volume_id)
    (target,) = pools.keys() - {source}
    body = {"os-migrate_volume": {"host": target, "force_host_copy": False}}
    path = f"/volumes/{volume_id}/action"
    answer = lab.block_storage("POST", path, body, user=clouds.ADMIN)
    assert answer.status == 202, answer
    clouds.wait_for(lambda: _host_of(lab, volume_id) == target, "the volume to move", 180.0)
    lab.until(volume_id, "in-use")
    return pools[source], pools[target]


def _host_of(lab: labs.Lab, volume_id: str) -> str:
    answer = lab.block_storage("GET", f"/volumes/{volume_id}", user=clouds.ADMIN)
    return str(answer.body["volume"]["os-vol-host-attr:host"])
