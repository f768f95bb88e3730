"""``X-Nova-Lite-Dry-Run``: the plan, and that nothing comes of it (issue 3, item 7)."""

import json
import os
import pathlib
import typing

import pytest
import sqlalchemy as sa

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.api.servers import dry_run
from nova_lite.db.models import api as api_models
from nova_lite.db.models import cell as cell_models
from nova_lite.scheduler import manager
from nova_lite.volume import cinder
from tests.fixtures import hosts
from tests.functional.api import conftest

Row = dict[str, typing.Any]

WRITES = (
    "create_volume", "delete_volume", "create_attachment", "update_attachment",
    "complete_attachment", "delete_attachment", "begin_detaching", "roll_detaching",
    "reserve_volume", "unreserve_volume", "initialize_connection", "terminate_connection",
    "attach_volume", "detach_volume", "create_snapshot", "delete_snapshot",
    "complete_extend", "complete_migration",
)  # fmt: skip


def ask(api: conftest.Api, *, value: str = "true", **fields: object) -> typing.Any:
    """The answer to a dry run."""
    headers = {dry_run.HEADER: value, **typing.cast(Row, fields.pop("headers", {}))}
    body = {"name": "vm", "flavorRef": "1", "networks": "none"} | fields
    return api.call("POST", "/servers", {"server": body}, headers=headers)


def plan(api: conftest.Api, **fields: object) -> typing.Any:
    before = rows(api)
    result = ask(api, **fields)
    assert result.status_code == 200, result.text
    nothing_happened(api, before)
    return result.json["dry_run"]


def rows(api: conftest.Api) -> dict[str, list[typing.Any]]:
    """Everything in both databases."""
    found = {}
    for scope, metadata in (
        (api.database.api, api_models.metadata),
        (api.database.cell, cell_models.metadata),
    ):
        with scope.read() as tx:
            for table in metadata.sorted_tables:
                found[table.name] = list(tx.execute(sa.select(table)))
    return found


def nothing_happened(api: conftest.Api, before: dict[str, list[typing.Any]]) -> None:
    assert rows(api) == before
    for name in WRITES:
        getattr(api.cinder, name).assert_not_called()
    assert not api.conductor.method_calls
    assert not api.compute.method_calls
    api.scheduler.select_destinations.assert_not_called()


def test_every_writing_call_of_cinder_is_watched() -> None:
    reads = {
        "get_volume", "get_snapshot", "get_attachment", "list_attachments",
        "list_volume_types", "supports_attachments", "find_volumes", "find_snapshots",
        "snapshot_quota",
        "get_encryption", "list_all_volumes", "list_all_attachments",
    }  # fmt: skip
    public = {name for name in vars(cinder.CinderClient) if not name.startswith("_")}
    assert public == reads | set(WRITES)


@pytest.fixture(name="two_hosts")
def fixture_two_hosts(api: conftest.Api) -> conftest.Api:
    api.scheduler.explain_destinations.return_value = [
        objects.HostVerdict(host="big", reason="suitable"),
        objects.HostVerdict(host="small", rule="ram", reason="no memory (100 of 512 MiB)"),
        objects.HostVerdict(host="tiny", rule="ram", reason="no memory (10 of 512 MiB)"),
    ]
    return api


def test_all_kinds_of_devices(two_hosts: conftest.Api) -> None:
    """S63-S68: names, sizes, origins, and what is charged."""
    api = two_hosts
    api.flavor("2", **{"OS-FLV-EXT-DATA:ephemeral": 4, "swap": 512, "disk": 10, "vcpus": 2})
    image, volume = api.image(disk_format="qcow2"), api.volume(size_gib=3)
    snapshot = api.snapshot(api.volume(size_gib=5), size_gib=5)
    answer = plan(
        api,
        flavorRef="2",
        imageRef=image,
        min_count=1,
        block_device_mapping_v2=[
            {"source_type": "image", "destination_type": "local", "uuid": image, "boot_index": 0},
            {"source_type": "volume", "destination_type": "volume", "uuid": volume, "tag": "a"},
            {"source_type": "snapshot", "destination_type": "volume", "uuid": snapshot},
            {
                "source_type": "image",
                "destination_type": "volume",
                "uuid": image,
                "volume_size": 7,
                "delete_on_termination": True,
            },
            {"source_type": "blank", "destination_type": "volume", "volume_size": 1},
        ],
    )
    found = [
        (d["device_name"], d.get("size_gib", d.get("size_mib")), d["data"], d["on_delete"])
        for d in answer["devices"]
    ]
    assert found == [
        ("/dev/vda", 10, "download and convert", "destroyed"),
        ("/dev/vdb", 4, "blank", "destroyed"),
        ("/dev/vdc", 512, "blank", "destroyed"),
        ("/dev/vdd", 3, "in place", "kept"),
        ("/dev/vde", 5, "by Cinder", "kept"),
        ("/dev/vdf", 7, "by Cinder", "destroyed"),
        ("/dev/vdg", 1, "blank", "kept"),
    ]
    assert [("size_mib" in d) for d in answer["devices"]].index(True) == 2
    assert {d["disk_bus"] for d in answer["devices"]} == {"virtio"}
    assert answer["devices"][3]["tag"] == "a"
    assert answer["charged"] == {
        "instances": 1,
        "cores": 2,
        "ram_mib": 512,
        "host_disk_gib": 15,
        "new_volumes_gib": 13,
    }


def test_local_disks_never_outlive_their_server(two_hosts: conftest.Api) -> None:
    """Whatever the client's row says: the command line sends false for them."""
    image = two_hosts.image()
    row = {"source_type": "image", "destination_type": "local", "uuid": image, "boot_index": 0}
    answer = plan(
        two_hosts,
        imageRef=image,
        block_device_mapping_v2=[row | {"delete_on_termination": False}],
    )
    assert [device["on_delete"] for device in answer["devices"]] == ["destroyed"]


@pytest.mark.parametrize(
    ("image_bus", "own_bus", "expected"),
    [
        (None, None, [("/dev/vda", "virtio"), ("/dev/vdb", "virtio")]),
        ("scsi", None, [("/dev/sda", "scsi"), ("/dev/sdb", "scsi")]),
        ("scsi", "virtio", [("/dev/sda", "scsi"), ("/dev/vda", "virtio")]),
        (None, "sata", [("/dev/vda", "virtio"), ("/dev/sda", "sata")]),
        ("warp", "usb", [("/dev/vda", "virtio"), ("/dev/sda", "usb")]),
    ],
)
def test_names_follow_the_bus(
    two_hosts: conftest.Api,
    image_bus: str | None,
    own_bus: str | None,
    expected: list[tuple[str, str]],
) -> None:
    """RULES B5: the device's bus, else the image's ``hw_disk_bus``, else virtio."""
    properties = {"hw_disk_bus": image_bus} if image_bus else {}
    image = two_hosts.image(properties=properties)
    row: Row = {"source_type": "blank", "destination_type": "volume", "volume_size": 1}
    if own_bus:
        row["disk_bus"] = own_bus
    root = {"source_type": "image", "destination_type": "local", "uuid": image, "boot_index": 0}
    answer = plan(two_hosts, imageRef=image, block_device_mapping_v2=[root, row])
    assert [(d["device_name"], d["disk_bus"]) for d in answer["devices"]] == expected


@pytest.mark.parametrize(
    ("disk_format", "force_raw", "data"),
    [
        ("raw", True, "download"),
        ("iso", True, "download"),
        ("qcow2", True, "download and convert"),
        ("qcow2", False, "download"),
        ("vmdk", False, "download and convert"),
    ],
)
def test_how_an_image_gets_to_the_host(
    make_api: typing.Callable[..., conftest.Api], disk_format: str, force_raw: bool, data: str
) -> None:
    """S103: as the image cache does it."""
    api = make_api(libvirt__force_raw_images=force_raw)
    api.scheduler.explain_destinations.return_value = []
    answer = plan(api, imageRef=api.image(disk_format=disk_format))
    assert answer["devices"][0]["data"] == data


FSID = "5d7ae0d5-0c3f-4d05-8a6a-2cd1ee1a6b7a"


@pytest.mark.parametrize(
    ("disk_format", "is_shown", "pool", "never", "data", "why"),
    [
        ("raw", True, "images", False, "clone", f"is that one ({FSID})"),
        ("raw", False, "images", False, "clone", "it is raw and in Ceph"),
        ("raw", True, "images", True, "clone", "it is raw and in Ceph"),
        ("raw", True, "vms", False, "download and import", "images_rbd_glance_pools (vms)"),
        ("raw", True, None, False, "download and import", "Glance shows no location"),
        ("qcow2", True, "images", False, "download, convert and import", "its format is qcow2"),
        ("qcow2", True, "images", True, "refused by the host", "images_rbd_never_download is on"),
    ],
)  # fmt: skip
def test_how_an_image_gets_into_ceph(
    make_api: typing.Callable[..., conftest.Api],
    disk_format: str,
    is_shown: bool,
    pool: str | None,
    never: bool,
    data: str,
    why: str,
) -> None:
    """D11, D12: said before the boot, and why."""
    api = make_api(libvirt__images_type="rbd", libvirt__images_rbd_never_download=never)
    api.scheduler.explain_destinations.return_value = []
    image_id = conftest.new_uuid()
    urls = [f"rbd://{FSID}/{pool}/{image_id}/snap"] if pool else []
    api.glance.rbd_urls.return_value = urls
    image = api.image(id=image_id, disk_format=disk_format, rbd_urls=urls if is_shown else [])
    (device,) = plan(api, imageRef=image)["devices"]
    assert device["data"] == data
    assert why in device["why"]
    result = ask(api, imageRef=image, headers={"X-Roles": "member,reader"})
    (shown,) = result.json["dry_run"]["devices"]
    assert shown["data"] == data
    # Where images are kept is for administrators.
    assert FSID not in result.text
    assert image_id not in shown["why"]
    assert "vms" not in shown["why"]


def test_a_dry_run_without_glances_own_view(
    make_api: typing.Callable[..., conftest.Api],
) -> None:
    """The plan is the careful one; the host asks again."""
    api = make_api(libvirt__images_type="rbd")
    api.scheduler.explain_destinations.return_value = []
    api.glance.rbd_urls.side_effect = exceptions.RemoteServiceError(service="Glance", reason="x")
    (device,) = plan(api, imageRef=api.image(disk_format="raw"))["devices"]
    assert device["data"] == "download and import"


def test_hosts_for_administrators_and_for_others(two_hosts: conftest.Api) -> None:
    """Names of hosts are for administrators."""
    image = two_hosts.image()
    counts = {"suitable": 1, "refused": {"ram": 2}}
    assert plan(two_hosts, imageRef=image)["hosts"] == {
        **counts,
        "suitable_hosts": ["big"],
        "refused_hosts": [
            {"host": "small", "rule": "ram", "reason": "no memory (100 of 512 MiB)"},
            {"host": "tiny", "rule": "ram", "reason": "no memory (10 of 512 MiB)"},
        ],
    }
    member = {"X-Roles": "member,reader"}
    result = ask(two_hosts, imageRef=image, headers=member)
    assert result.json["dry_run"]["hosts"] == counts
    assert "small" not in result.text
    (_, spec) = two_hosts.scheduler.explain_destinations.call_args.args
    assert (spec.vcpus, spec.memory_mib, spec.disk_gib) == (1, 512, 10)


def test_no_host_is_an_answer(api: conftest.Api) -> None:
    """A create is accepted too, and ends in ERROR: the plan is how one learns it before."""
    api.scheduler.explain_destinations.return_value = []
    assert plan(api, imageRef=api.image())["hosts"]["suitable"] == 0


def test_a_silent_scheduler_is_an_answer(api: conftest.Api) -> None:
    """A create does not ask it either."""
    api.scheduler.explain_destinations.side_effect = exceptions.RpcTimeout(
        service="scheduler", method="explain_destinations"
    )
    assert plan(api, imageRef=api.image())["hosts"] == {"unknown": "no scheduler answered"}


def test_as_many_as_quota_allows(two_hosts: conftest.Api) -> None:
    api = two_hosts
    api.call("PUT", "/os-quota-sets/demo", {"quota_set": {"instances": 2}})
    answer = plan(api, imageRef=api.image(), min_count=1, max_count=5)
    assert (answer["servers"], answer["charged"]["ram_mib"]) == (2, 1024)
    before = rows(api)
    refused = ask(api, imageRef=api.image(), min_count=3)
    assert (refused.status_code, "of 2 instances" in refused.text) == (403, True)
    nothing_happened(api, before)


@pytest.mark.parametrize(
    ("value", "status"),
    [("true", 200), ("1", 200), ("TRUE", 200), ("false", 202), ("0", 202), ("maybe", 400),
     ("", 400)],
)  # fmt: skip
def test_the_header(two_hosts: conftest.Api, value: str, status: int) -> None:
    result = ask(two_hosts, value=value, imageRef=two_hosts.image())
    assert result.status_code == status, result.text
    assert two_hosts.conductor.method_calls or status != 202


def test_a_refusal_is_that_of_a_create(two_hosts: conftest.Api) -> None:
    before = rows(two_hosts)
    row = {"source_type": "volume", "destination_type": "volume", "boot_index": 0}
    fields: Row = {"imageRef": "", "block_device_mapping_v2": [row | {"uuid": two_hosts.volume(
        status="error")}]}  # fmt: skip
    planned = ask(two_hosts, **fields)
    created = two_hosts.create(**fields)
    assert planned.status_code == created.status_code == 400
    assert planned.json == created.json
    nothing_happened(two_hosts, before)


def test_the_answer_in_the_documentation_is_current(api: conftest.Api) -> None:
    """With a real scheduler behind it. NOVA_LITE_WRITE_DOCS=1 writes the file again."""
    folder = pathlib.Path(__file__).parents[3] / "docs" / "reference"
    body = json.loads((folder / "dry-run-request.json").read_text())
    image, volume = (row["uuid"] for row in body["server"]["block_device_mapping_v2"])
    api.flavor("small", ram=2048, disk=20, swap=512)
    api.image(id=image, disk_format="qcow2")
    api.volume(id=volume, size_gib=10)
    hosts.add_host(api.database, "host-1")
    hosts.add_host(api.database, "host-2", memory_mib=1024)
    scheduler = manager.SchedulerManager(api.conf, api.database)
    api.scheduler.explain_destinations.side_effect = scheduler.explain_destinations
    result = api.call("POST", "/servers", body, headers={dry_run.HEADER: "true"})
    assert result.status_code == 200, result.text
    text = json.dumps(result.json, indent=2) + "\n"
    file = folder / "dry-run-answer.json"
    if os.environ.get("NOVA_LITE_WRITE_DOCS"):
        file.write_text(text)
    assert file.read_text() == text
