"""A compute host dies while it works; its successor has no user's token."""

import collections.abc
import typing

import pytest

from tests.realcloud import cloud as clouds
from tests.realcloud import conftest


@pytest.fixture(name="kill_compute")
def fixture_kill_compute(
    cloud: clouds.Cloud,
) -> collections.abc.Iterator[collections.abc.Callable[[], None]]:
    """As a power cut. Afterwards it runs again in any case."""

    yield lambda: cloud.kill("nova-compute")
    cloud.up()


@pytest.mark.parametrize("moment", ["ordered", "reserved", "attached"])
def test_a_build_from_a_volume_survives_or_fails_cleanly(
    cloud: clouds.Cloud,
    guest_images: conftest.GuestImages,
    flavor: str,
    kill_compute: collections.abc.Callable[[], None],
    moment: str,
) -> None:
    """What is left of the build is continued or undone with the service's
    token alone; then the user deletes the server and nothing is left."""
    compute = cloud.connection().compute
    server = compute.create_server(
        name=f"death-{moment}",
        flavor_id=flavor,
        image_id="",
        availability_zone=clouds.CEPH_ZONE,
        networks="none",
        block_device_mapping=[
            {
                "uuid": guest_images.raw,
                "source_type": "image",
                "destination_type": "volume",
                "volume_size": 1,
                "boot_index": 0,
                "delete_on_termination": True,
            }
        ],
    )
    clouds.wait_for(lambda: _reached(cloud, moment), f"the volume to be {moment}")
    kill_compute()
    cloud.up()

    def settled() -> typing.Any:
        now = compute.get_server(server.id)
        return now if now.status in ("ACTIVE", "ERROR") and now.task_state is None else None

    found = clouds.wait_for(settled, "the server to be ACTIVE or ERROR", 240.0)
    assert found.status == "ACTIVE" or found.fault["message"]
    compute.delete_server(server.id)
    compute.wait_for_delete(found, interval=0.5, wait=120)


def _reached(cloud: clouds.Cloud, moment: str) -> bool:
    volumes = cloud.sql("cinder", "SELECT status FROM volumes WHERE deleted = 0")
    attachments = cloud.sql(
        "cinder", "SELECT attach_status FROM volume_attachment WHERE deleted = 0"
    )
    if moment == "ordered":
        return bool(volumes)
    if moment == "reserved":
        return bool(attachments)
    return any(row["attach_status"] == "attached" for row in attachments)
