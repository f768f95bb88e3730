"""Images made of real guests, and guests booted from them: what one guest wrote, with
its checksum, the next one finds intact."""

import collections.abc
import json
import typing

import pytest

from tests.integration import cluster as clusters
from tests.integration import test_eight_rows as rows


@pytest.fixture(scope="module")
def lab(services: clusters.Services) -> collections.abc.Iterator[rows.Lab]:
    """One cluster for all tests here; each leaves nothing behind."""
    with rows.new_lab(services) as lab:
        yield lab


def create_image(lab: rows.Lab, server_id: str, name: str) -> typing.Any:
    """``openstack server image create``; the image, which is whole."""
    made = lab.client.json("server", "image", "create", "--name", name, server_id)
    clusters.wait_for(
        lambda: lab.client.json("image", "show", made["id"])["status"] == "active",
        f"image {name}",
        rows.GUEST_TIMEOUT_S,
    )
    wait_at_rest(lab, server_id)
    return lab.client.json("image", "show", made["id"])


def wait_at_rest(lab: rows.Lab, server_id: str, status: str | None = None) -> None:
    """Return when nothing is done to the server, and it is what it should be."""

    def is_at_rest() -> bool:
        server = lab.cluster.server(server_id)
        assert server is not None
        return server["OS-EXT-STS:task_state"] is None and status in (None, server["status"])

    clusters.wait_for(is_at_rest, f"server {server_id} to be {status}", rows.GUEST_TIMEOUT_S)


def wrote(lab: rows.Lab, server_id: str, *disks: str) -> dict[str, str]:
    """The checksums of what a guest has written to its disks."""
    return {disk: lab.console(server_id).payload(disk)[2] for disk in disks}


def nothing_left(lab: rows.Lab) -> None:
    folder = lab.instances / "snapshots"
    assert not folder.exists() or not list(folder.iterdir())


def test_a_running_server_and_then_a_stopped_one(lab: rows.Lab) -> None:
    """S2: live, the guest goes on and is never halted; off, the same disk. Either
    image boots with what the guest had written, and depends on nothing here."""
    server_id = lab.server("original", "--image", "guest", flavor="plain")
    before = wrote(lab, server_id, "root")
    live = create_image(lab, server_id, "live")
    assert live["disk_format"] == "qcow2"
    assert (live["properties"]["image_type"], live["min_disk"]) == ("snapshot", 1)
    assert len(lab.console(server_id).find("booted")) == 1
    lab.client.run("server", "stop", server_id)
    wait_at_rest(lab, server_id, "SHUTOFF")
    lab.console(server_id).wait("powering-off")
    cold = create_image(lab, server_id, "cold")
    lab.delete(server_id)
    nothing_left(lab)

    for image in (live, cold):
        copy = lab.server(f"of-{image['name']}", "--image", image["id"], flavor="plain")
        found, state, _written = lab.console(copy).payload("root")
        assert (found, state) == (before["root"], "intact")
        lab.delete(copy)
        lab.client.run("image", "delete", image["id"])


def test_a_server_is_started_again(lab: rows.Lab) -> None:
    """A volume that came while it was off is there, and its root holds what it held."""
    volume = lab.volume("late")
    server_id = lab.server("sleeper", "--image", "guest", flavor="plain")
    before = wrote(lab, server_id, "root")
    lab.client.run("server", "stop", server_id)
    wait_at_rest(lab, server_id, "SHUTOFF")
    lab.client.run("server", "add", "volume", server_id, volume)
    clusters.wait_for(lambda: lab.volume_facts(volume)["status"] == "in-use", "the attach")
    lab.client.run("server", "start", server_id)
    wait_at_rest(lab, server_id, "ACTIVE")
    console = lab.console(server_id)
    again = console.wait(r"payload root read (\S+) (\S+) wrote (\S+)", 2)[1]
    assert again.group(1, 2) == (before["root"], "intact")
    assert console.others(1)["vdb"].is_volume(volume)
    lab.delete(server_id)
    lab.client.run("volume", "delete", volume)


def test_a_server_on_volumes(lab: rows.Lab) -> None:
    """S22, S28, RULES B7: a snapshot a volume; what boots from the image has volumes of
    its own with the same data. The image's end leaves the snapshots."""
    server_id = lab.server(
        "original",
        "--block-device",
        f"source_type=image,uuid={lab.image},destination_type=volume,volume_size=1,"
        "boot_index=0,delete_on_termination=true",
        "--block-device",
        "source_type=blank,destination_type=volume,volume_size=1,delete_on_termination=true",
        flavor="plain",
    )
    before = wrote(lab, server_id, "root", "vdb")
    image = create_image(lab, server_id, "both")
    devices = json.loads(image["properties"]["block_device_mapping"])
    assert [row["source_type"] for row in devices] == ["snapshot", "snapshot"]
    assert not image["size"]
    copy = lab.server("copy", "--image", image["id"], flavor="plain")
    for disk, checksum in before.items():
        found, state, _written = lab.console(copy).payload(disk)
        assert (disk, found, state) == (disk, checksum, "intact")
    lab.delete(copy, server_id)
    lab.client.run("image", "delete", image["id"])
    snapshots = lab.cluster.ok("GET", "/snapshots", service="volume")["snapshots"]
    assert {each["id"] for each in snapshots} == {row["snapshot_id"] for row in devices}
    for snapshot in snapshots:
        lab.client.run("volume", "snapshot", "delete", snapshot["id"])
