"""What one and the same server, attachment and flavor look like at each version.

Requests by version (which fields are accepted) are in ``tests/functional/api``; here
are the answers, from the whole service, and the requests that need its neighbours.
"""

import dataclasses
import typing

import pytest

from tests.functional.clients import cloud as clouds
from tests.functional.clients import conftest
from tests.integration import cluster as clusters

Row = dict[str, typing.Any]

BASE_KEYS = {
    "id", "name", "status", "tenant_id", "user_id", "metadata", "hostId", "image", "flavor",
    "created", "updated", "addresses", "accessIPv4", "accessIPv6", "links", "config_drive",
    "key_name", "progress", "OS-DCF:diskConfig", "OS-EXT-AZ:availability_zone",
    "OS-EXT-SRV-ATTR:host", "OS-EXT-SRV-ATTR:hypervisor_hostname",
    "OS-EXT-SRV-ATTR:instance_name", "OS-EXT-STS:power_state", "OS-EXT-STS:task_state",
    "OS-EXT-STS:vm_state", "OS-SRV-USG:launched_at", "OS-SRV-USG:terminated_at",
    "os-extended-volumes:volumes_attached",
}  # fmt: skip
"""A server at 2.1, by the API reference; ``security_groups`` too where there are any."""


@dataclasses.dataclass(frozen=True)
class Subject:
    """One server with a bootable root volume and a data volume, tagged."""

    id: str
    root: str
    data: str


@pytest.fixture(scope="module")
def subject(running: clouds.Cloud, sources: conftest.Sources) -> typing.Iterator[Subject]:
    rows = [
        {
            "uuid": sources.volume, "source_type": "volume", "destination_type": "volume",
            "boot_index": 0, "tag": "root",
        },
        {
            "uuid": sources.data, "source_type": "volume", "destination_type": "volume",
            "tag": "data", "delete_on_termination": False,
        },
    ]  # fmt: skip
    body = {
        "name": "test", "flavorRef": "1", "networks": "none", "tags": ["t"],
        "description": "words", "block_device_mapping_v2": rows,
    }  # fmt: skip
    server_id = running.ok("POST", "/servers", {"server": body})["server"]["id"]
    running.active(server_id)
    yield Subject(server_id, sources.volume, sources.data)
    running.clear()
    for volume in (sources.volume, sources.data):
        running.wait_for_volume(volume, "available")


def shown(cloud: clouds.Cloud, subject: Subject, version: str) -> Row:
    answer = cloud.ok("GET", f"/servers/{subject.id}", version=version)
    return typing.cast(Row, answer["server"])


def test_base_is_complete(running: clouds.Cloud, subject: Subject) -> None:
    """API C2: 2.1 must stay complete; a client that names no version gets it."""
    for version in ("2.1", None):
        status, answer = running.call("GET", f"/servers/{subject.id}", version=version)
        assert status == 200
        server = answer["server"]
        assert set(server) - {"security_groups"} == BASE_KEYS
        assert server["os-extended-volumes:volumes_attached"] == [
            {"id": subject.root}, {"id": subject.data},
        ]  # fmt: skip
        # Booted from a volume: no image, and that is an empty string.
        assert server["image"] == ""
        assert server["flavor"]["id"] == "1"
        assert set(server["flavor"]) == {"id", "links"}
        (listed,) = running.ok("GET", "/servers/detail", version=version)["servers"]
        assert set(listed) == set(server)
        (listed,) = running.ok("GET", "/servers", version=version)["servers"]
        assert set(listed) == {"id", "name", "links"}


@pytest.mark.parametrize(
    ("since", "key", "value"),
    [
        (3, "OS-EXT-SRV-ATTR:hostname", "test"),
        (3, "OS-EXT-SRV-ATTR:reservation_id", ...),
        (3, "OS-EXT-SRV-ATTR:launch_index", 0),
        (3, "OS-EXT-SRV-ATTR:kernel_id", ""),
        (3, "OS-EXT-SRV-ATTR:ramdisk_id", ""),
        (3, "OS-EXT-SRV-ATTR:root_device_name", "/dev/vda"),
        (3, "OS-EXT-SRV-ATTR:user_data", None),
        (9, "locked", False),
        (16, "host_status", "UP"),
        (19, "description", "words"),
        (26, "tags", ["t"]),
        (63, "trusted_image_certificates", None),
        (71, "server_groups", []),
        (73, "locked_reason", None),
        (96, "pinned_availability_zone", None),
        (100, "scheduler_hints", {}),
    ],
)
def test_keys_of_a_server(
    running: clouds.Cloud, subject: Subject, since: int, key: str, value: object
) -> None:
    assert key not in shown(running, subject, f"2.{since - 1}")
    for version in (f"2.{since}", "2.100"):
        found = shown(running, subject, version)[key]
        assert value is ... or found == value, version


def test_volumes_of_a_server(running: clouds.Cloud, subject: Subject) -> None:
    """2.3 brings delete_on_termination into the server."""
    key = "os-extended-volumes:volumes_attached"
    assert shown(running, subject, "2.2")[key] == [{"id": subject.root}, {"id": subject.data}]
    assert shown(running, subject, "2.3")[key] == [
        {"id": subject.root, "delete_on_termination": False},
        {"id": subject.data, "delete_on_termination": False},
    ]


def test_flavor_of_a_server(running: clouds.Cloud, subject: Subject) -> None:
    """2.47 embeds it."""
    assert set(shown(running, subject, "2.46")["flavor"]) == {"id", "links"}
    flavor = shown(running, subject, "2.47")["flavor"]
    assert flavor == {
        "vcpus": 1, "ram": 512, "disk": 1, "ephemeral": 0, "swap": 0, "original_name": "test1",
        "extra_specs": {},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("version", "keys"),
    [
        ("2.1", {"id", "serverId", "volumeId", "device"}),
        ("2.69", {"id", "serverId", "volumeId", "device"}),
        ("2.70", {"id", "serverId", "volumeId", "device", "tag"}),
        ("2.78", {"id", "serverId", "volumeId", "device", "tag"}),
        ("2.79", {"id", "serverId", "volumeId", "device", "tag", "delete_on_termination"}),
        ("2.88", {"id", "serverId", "volumeId", "device", "tag", "delete_on_termination"}),
        (
            "2.89",
            {
                "serverId", "volumeId", "device", "tag", "delete_on_termination",
                "attachment_id", "bdm_uuid",
            },
        ),
    ],
)  # fmt: skip
def test_attachments(
    running: clouds.Cloud, subject: Subject, version: str, keys: set[str]
) -> None:
    """2.70, 2.79, 2.89; the list and the single one agree."""
    path = f"/servers/{subject.id}/os-volume_attachments"
    listed = running.ok("GET", path, version=version)["volumeAttachments"]
    assert [row["volumeId"] for row in listed] == [subject.root, subject.data]
    assert all(set(row) == keys for row in listed)
    single = running.ok("GET", f"{path}/{subject.data}", version=version)["volumeAttachment"]
    assert single == listed[1]
    if version == "2.89":
        rows = running.devices(subject.id)
        assert [(row["attachment_id"], row["bdm_uuid"]) for row in listed] == [
            (row["attachment_id"], row["uuid"]) for row in rows
        ]


@pytest.mark.parametrize(("version", "expected"), [("2.84", 409), ("2.85", 202), ("2.100", 202)])
def test_update_of_an_attachment(
    running: clouds.Cloud, subject: Subject, version: str, expected: int
) -> None:
    """2.85: only delete_on_termination may change. Before, a PUT was a swap, which is
    Cinder's to ask for: 409."""
    path = f"/servers/{subject.id}/os-volume_attachments/{subject.data}"
    more = {"delete_on_termination": False} if expected == 202 else {}
    volume = subject.data if expected == 202 else subject.root
    body = {"volumeAttachment": {"volumeId": volume, **more}}
    status, answer = running.call("PUT", path, body, version=version)
    assert status == expected, answer


@pytest.mark.parametrize(
    ("version", "field", "expected"),
    [
        ("2.48", {"tag": "x"}, 400),
        ("2.49", {"tag": "x"}, 200),
        ("2.78", {"delete_on_termination": True}, 400),
        ("2.79", {"delete_on_termination": False}, 200),
        ("2.59", {}, 200),
    ],
)
def test_attach_by_version(
    running: clouds.Cloud, subject: Subject, version: str, field: Row, expected: int
) -> None:
    volume = running.volume(1)
    path = f"/servers/{subject.id}/os-volume_attachments"
    body = {"volumeAttachment": {"volumeId": volume, **field}}
    status, answer = running.call("POST", path, body, version=version)
    assert status == expected, answer
    if expected != 200:
        assert running.cinder_volume(volume)["status"] == "available"
        return
    running.wait_for_volume(volume, "in-use")
    detach(running, subject, volume)


def detach(cloud: clouds.Cloud, subject: Subject, volume: str) -> None:
    path = f"/servers/{subject.id}/os-volume_attachments/{volume}"
    clusters.wait_for(
        lambda: cloud.call("DELETE", path)[0] in (202, 404), "a detach to be accepted"
    )
    cloud.wait_for_volume(volume, "available")


def shared_row(volume: str) -> Row:
    return {"uuid": volume, "source_type": "volume", "destination_type": "volume"}


def create_with(cloud: clouds.Cloud, image: str, row: Row, version: str) -> tuple[int, Row]:
    """A server with a local root and one more device."""
    root = {"uuid": image, "source_type": "image", "destination_type": "local", "boot_index": 0}
    body = {
        "name": "m", "flavorRef": "1", "networks": "none", "imageRef": image,
        "block_device_mapping_v2": [root, row],
    }  # fmt: skip
    return cloud.call("POST", "/servers", {"server": body}, version=version)


def test_multiattach(running: clouds.Cloud, subject: Subject, sources: conftest.Sources) -> None:
    """S119: 2.60, at create and at attach; the message names it."""
    volume = running.volume(1, multiattach=True)
    before = running.world()
    path = f"/servers/{subject.id}/os-volume_attachments"
    attach = {"volumeAttachment": {"volumeId": volume}}
    for status, answer in (
        running.call("POST", path, attach, version="2.59"),
        create_with(running, sources.image, shared_row(volume), "2.59"),
    ):
        assert status == 400
        assert "2.60" in answer["badRequest"]["message"]
    assert running.world() == before
    running.ok("POST", path, attach, version="2.60")
    running.wait_for_volume(volume, "in-use")
    detach(running, subject, volume)
    status, answer = create_with(running, sources.image, shared_row(volume), "2.60")
    assert status == 202
    server = running.active(answer["server"]["id"])["id"]
    running.ok("DELETE", f"/servers/{server}")
    running.wait_gone(server)
    running.wait_for_volume(volume, "available")


def test_two_guests_of_one_host_share_a_volume(
    running: clouds.Cloud, sources: conftest.Sources
) -> None:
    """S26: deleting one server releases its own attachment and no other."""
    volume = running.volume(1, multiattach=True)
    first, second = (
        running.active(
            create_with(running, sources.image, shared_row(volume), "2.60")[1]["server"]["id"]
        )["id"]
        for _ in range(2)
    )
    holders = {use["server_id"] for use in running.cinder_volume(volume)["attachments"]}
    assert holders == {first, second}
    for server in (first, second):
        running.ok("DELETE", f"/servers/{server}")
        running.wait_gone(server)
        running.world()
    assert running.cinder_volume(volume)["attachments"] == []


def test_volume_type(running: clouds.Cloud, sources: conftest.Sources) -> None:
    """2.67, B3-2: below it the key is unknown."""
    row = {
        "uuid": sources.image, "source_type": "image", "destination_type": "volume",
        "boot_index": 0, "volume_size": 1, "volume_type": "no-such-type",
    }  # fmt: skip
    body = {"name": "v", "flavorRef": "1", "networks": "none", "block_device_mapping_v2": [row]}
    before = running.world()
    for version in ("2.66", "2.67"):
        status, answer = running.call("POST", "/servers", {"server": body}, version=version)
        assert (status, "volume_type" in str(answer)) == (400, True), (version, answer)
    assert running.world() == before
    # Kept as its name, whichever way it was given.
    kind = running.ok("GET", "/types", service="volume")["volume_types"][0]
    for given in (kind["id"], kind["name"]):
        row["volume_type"] = given
        made = running.ok("POST", "/servers", {"server": body})["server"]["id"]
        running.active(made)
        assert running.wanted(made, "volume_type") == [{"volume_type": kind["name"]}]
        running.ok("DELETE", f"/servers/{made}")
        running.wait_gone(made)


@pytest.mark.parametrize(
    ("version", "key", "there"),
    [
        ("2.54", "description", False),
        ("2.55", "description", True),
        ("2.60", "extra_specs", False),
        ("2.61", "extra_specs", True),
    ],
)
def test_keys_of_a_flavor(running: clouds.Cloud, version: str, key: str, there: bool) -> None:
    flavor = running.ok("GET", "/flavors/1", version=version)["flavor"]
    assert (key in flavor) == there


@pytest.mark.parametrize(
    ("version", "query", "expected"),
    [
        ("2.1", "tags=t", 200),
        ("2.26", "tags=nobody", 200),
        ("2.65", "changes-before=2100-01-01T00:00:00Z", 200),
        ("2.66", "changes-before=2100-01-01T00:00:00Z", 200),
        ("2.66", "changes-before=x", 400),
        ("2.72", "locked=maybe", 200),
        ("2.73", "locked=maybe", 400),
        ("2.74", "surprise=1", 200),
        ("2.75", "surprise=1", 400),
    ],
)
def test_list_queries(
    running: clouds.Cloud, subject: Subject, version: str, query: str, expected: int
) -> None:
    status, answer = running.call("GET", f"/servers?{query}", version=version)
    assert status == expected, answer
    if expected == 200:
        found = [row["id"] for row in answer["servers"]]
        if version == "2.66":
            # It lists deleted servers too.
            assert subject.id in found
        else:
            assert found == ([] if "nobody" in query else [subject.id])
