"""The whole story through the unmodified client, on four real daemons."""

import pathlib
import subprocess
import sys

import openstack_session
import scenario

from tests.integration import cluster as clusters


def test_server_boots_from_volume_and_leaves_nothing(
    libvirt_cluster: clusters.Cluster,
) -> None:
    """S29: the guest sees disks with the volumes' UUIDs; S198; and nothing is left."""
    cluster = libvirt_cluster
    image = subprocess.run(
        [str(clusters.CHECKOUT / "tools" / "guest-image")],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    ).stdout.splitlines()[-1]
    client = openstack_session.OpenStackSession(
        pathlib.Path(sys.executable).with_name("openstack"), cluster.clouds_yaml, clusters.CLOUD
    )
    story = scenario.Scenario(client, "integration")
    try:
        story.upload_image(image)
        story.ensure_flavor()
        server_id = story.create_server()
        assert story.root_disk_line().startswith("root-disk")
        story.create_volume()
        assert "disk-added" in story.attach()
        assert "disk-removed" in story.detach()
        steps = story.timeline()
        assert steps
        assert all(step.result == "Success" for step in steps)
        story.delete_server()
        story.delete_rest()
    except BaseException:
        story.abandon()
        raise
    finally:
        client.close()

    assert cluster.ok("GET", "/volumes/detail?all_tenants=1", service="volume")["volumes"] == []
    assert _domains_of(server_id) == []
    assert list((cluster.state / "instances").glob(f"**/*{server_id}*")) == []
    assert cluster.manage("allocations", "audit").strip() == "Nothing is wrong."
    clusters.wait_for(lambda: not any(cluster.queues().values()), "every queue to be empty", 10.0)


def _domains_of(server_id: str) -> list[str]:
    listed = subprocess.run(
        ["virsh", "-c", "qemu:///system", "list", "--all", "--uuid"],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return [uuid for uuid in listed.stdout.split() if uuid == server_id]
