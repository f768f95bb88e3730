"""Images made of servers (createImage), and servers booted from them."""

import json

from tests.realcloud import cloud as clouds
from tests.realcloud import conftest
from tests.realcloud import lab as labs


def create_image(cloud: clouds.Cloud, lab: labs.Lab, server_id: str, name: str) -> str:
    """The id of an image of the server, which is active."""
    answer = lab.act(server_id, "createImage", {"name": name})
    image_id = str(answer.body["image_id"])
    image = cloud.connection().image
    clouds.wait_for(lambda: image.get_image(image_id).status == "active", "the image", 120.0)
    lab.active(server_id)
    return image_id


def test_a_running_server_is_copied(
    cloud: clouds.Cloud, lab: labs.Lab, guest_images: conftest.GuestImages
) -> None:
    """S2: an image of a running server with a disk in Ceph is made inside of Ceph,
    though Glance's user may not read the pool of the disks; what the guest had written is in
    it, the server goes on, and may go. The image boots by clone, and on a host that must
    download it."""
    server = lab.boot("original", image=guest_images.raw)
    wrote = lab.guest(server).payload("root").wrote
    image = create_image(cloud, lab, server, "copy")
    shown = cloud.connection().image.get_image(image)
    assert (shown.disk_format, shown.instance_uuid) == ("raw", server)
    assert lab.server(server)["status"] == "ACTIVE"
    assert "upload_image" not in lab.events(server, "createImage")
    lab.delete(server)

    for zone in (clouds.CEPH_ZONE, clouds.FILES_ZONE):
        copy = lab.boot("copy", image=image, zone=zone)
        payload = lab.guest(copy).payload("root")
        assert (payload.read, payload.state) == (wrote, "intact")
        lab.delete(copy)
    cloud.connection().image.delete_image(image)


def test_a_server_on_volumes_is_copied(
    cloud: clouds.Cloud, lab: labs.Lab, guest_images: conftest.GuestImages
) -> None:
    """S2, S22, S28: one snapshot a volume and one image with as many mappings; a server
    booted from it has both disks with their data. Deleting the image leaves the snapshots,
    as in Nova: who made them deletes them."""
    server = lab.boot(
        "original",
        devices=[
            labs.new_volume("image", guest_images.raw, boot_index=0),
            labs.new_volume("blank", tag="data"),
        ],
    )
    guest = lab.guest(server)
    volumes = lab.volumes_of(server)
    (data,) = (volume for volume in volumes if lab.facts(volume)["bootable"] == "false")
    root_wrote, data_wrote = (
        guest.payload(name).wrote for name in ("root", guest.disk(data).name)
    )
    image = create_image(cloud, lab, server, "copy")
    shown = cloud.connection().image.get_image(image)
    mapping = json.loads(shown.properties["block_device_mapping"])
    snapshots = [entry["snapshot_id"] for entry in mapping]
    assert len(snapshots) == len(set(snapshots)) == 2
    assert not shown.size

    copy = lab.boot("copy", image=image)
    guest = lab.guest(copy)
    payload = guest.payload("root")
    assert (payload.read, payload.state) == (root_wrote, "intact")
    (data_copy,) = (v for v in lab.volumes_of(copy) if lab.facts(v)["bootable"] == "false")
    payload = guest.payload(guest.disk(data_copy).name)
    assert (payload.read, payload.state) == (data_wrote, "intact")
    copies = lab.volumes_of(copy)
    cloud.connection().image.delete_image(image)
    lab.delete(copy)
    for volume in copies:
        lab.volume_gone(volume)
    for snapshot in snapshots:
        assert lab.block_storage("GET", f"/snapshots/{snapshot}").status == 200
        lab.drop_snapshot(snapshot)
    lab.delete(server)
    for volume in volumes:
        lab.volume_gone(volume)
