"""The whole story through the unmodified client, among real services."""

import scenario

from tests.realcloud import cloud as clouds
from tests.realcloud import conftest

TIMEOUTS = scenario.Timeouts(boot_s=240.0, guest_s=240.0, volume_s=120.0)
"""Emulated guests on a busy machine are slow."""


def test_a_server_boots_from_a_volume_and_leaves_nothing(
    cloud: clouds.Cloud, guest_images: conftest.GuestImages
) -> None:
    """S29, S198, S217: a user without privileges boots from a volume that Cinder clones from
    the image, attaches another one, detaches it, and deletes everything."""
    story = scenario.Scenario(cloud.client(), "story", timeouts=TIMEOUTS)
    story.upload_image(str(guest_images.path))
    server_id = story.create_server()
    assert server_id in cloud.domains()
    assert story.root_disk_line().startswith("root-disk")
    assert _parent_of(cloud, story.root_volume_id) == f"images/{story.image_id}@snap"
    story.create_volume()
    assert "disk-added" in story.attach()
    assert "disk-removed" in story.detach()
    steps = story.timeline()
    assert steps
    assert all(step.result == "Success" for step in steps)
    story.delete_server()
    story.delete_rest()


def _parent_of(cloud: clouds.Cloud, volume_id: str | None) -> str:
    parent = cloud.rbd("info", f"volumes/volume-{volume_id}")["parent"]
    return f"{parent['pool']}/{parent['image']}@{parent['snapshot']}"
