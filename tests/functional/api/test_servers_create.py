"""``POST /servers``: what is recorded, reserved, sent; and what is refused."""

import typing

import pytest
import sqlalchemy as sa
from oslo_utils import timeutils

from nova_lite import exceptions
from nova_lite import objects
from nova_lite.db.models import api as api_models
from nova_lite.db.queries import build_requests
from tests.fixtures import statements
from tests.functional.api import conftest

Row = dict[str, typing.Any]


def root(volume_id: str, **more: object) -> Row:
    row = {"uuid": volume_id, "source_type": "volume", "destination_type": "volume"}
    return row | {"boot_index": 0} | more


def sent(api: conftest.Api) -> list[objects.BuildRequest]:
    """What the conductor was told to build."""
    (_, wishes) = api.conductor.schedule_and_build_instances.call_args.args
    return list(wishes)


def nothing_is_left(api: conftest.Api) -> None:
    for table in (
        api_models.build_requests,
        api_models.instance_mappings,
        api_models.request_specs,
    ):
        assert api.count(table) == 0, table.name
    assert not api.attachments
    api.conductor.schedule_and_build_instances.assert_not_called()


def test_image_backed(api: conftest.Api) -> None:
    """S14, S111, S151: 202 before any work; durable before 202."""
    result = api.create(imageRef=api.image(), metadata={"a": "b"})
    assert result.status_code == 202
    server = result.json["server"]
    assert set(server) == {"id", "links", "OS-DCF:diskConfig", "security_groups", "adminPass"}
    assert result.headers["Location"].endswith(f"/v2.1/servers/{server['id']}")
    (wish,) = sent(api)
    assert wish.instance_uuid == server["id"]
    assert wish.request_spec.disk_gib == 10
    (device,) = wish.block_devices.objects
    assert (device.source_type, device.boot_index) == ("image", 0)
    assert device.delete_on_termination
    with api.database.api.read() as tx:
        assert build_requests.get(tx, server["id"]) is not None


BAD_BODIES = [
    pytest.param(r'"description": "\ud800"', "cannot be stored", id="half-a-pair"),
    pytest.param(r'"metadata": {"a\u0000": "b"}', "cannot be stored", id="nul"),
    pytest.param('"metadata": {"a": "\udcff"}', "Malformed", id="no-utf8"),
    pytest.param('"description": "a\\nb"', "description", id="two-lines"),
    pytest.param('"min_count": 1e999', "Malformed", id="infinity"),
    pytest.param('"min_count": NaN', "Malformed", id="nan"),
]


@pytest.mark.parametrize(("text", "said"), BAD_BODIES)
def test_what_no_database_can_keep(api: conftest.Api, text: str, said: str) -> None:
    """Regression: it was answered with 202, and the conductor failed at it for ever."""
    wanted = f'{{"server": {{"name": "a", "flavorRef": "1", "networks": "none", {text}}}}}'
    result = api.raw(
        "POST",
        "/v2.1/servers",
        body=wanted.encode(errors="surrogateescape"),
        headers={"OpenStack-API-Version": f"compute {conftest.LATEST}"},
    )
    assert result.status_code == 400, result.text
    assert said in result.json["badRequest"]["message"]
    nothing_is_left(api)


def test_a_path_that_no_database_can_hold(api: conftest.Api) -> None:
    assert api.call("GET", "/flavors/%00").status_code == 400


def test_a_name_that_is_too_long_with_its_number(api: conftest.Api) -> None:
    """Regression: PostgreSQL refused the row after the 202."""
    image = api.image()
    assert api.create(imageRef=image, name="n" * 254, max_count=2).status_code == 400
    nothing_is_left(api)
    assert api.create(imageRef=image, name="n" * 253, max_count=2).status_code == 202


def test_spaces_of_other_scripts_in_names(api: conftest.Api) -> None:
    """Nova takes what is printable: of spaces, all but line breaks."""
    assert api.create(imageRef=api.image(), name="サーバー\u3000一").status_code == 202


def test_costs_eight_statements(api: conftest.Api) -> None:
    """Flavor; then a transaction: the project's lock, its quota, three rows."""
    image = api.image()
    api.create(imageRef=image)
    with (
        statements.counted(api.database.api) as said,
        statements.counted(api.database.cell) as said_in_cell,
    ):
        assert api.create(imageRef=image).status_code == 202
    assert said == ["SELECT", "BEGIN", "UPDATE", "SELECT", *["INSERT"] * 3, "COMMIT"]
    assert said_in_cell == []


def test_a_node_that_is_not_there(api: conftest.Api) -> None:
    """Nova: 400, by hypervisor_hostname and by zone:host:node."""
    for host in ("host1", "host2"):
        api.host(host)
        api.node(host)
    image = api.image()
    wrong: list[dict[str, object]] = [
        {"hypervisor_hostname": "nowhere"},
        {"host": "host1", "hypervisor_hostname": "host2"},
        {"availability_zone": "nova:host1:nowhere"},
        {"availability_zone": "nova::nowhere"},
    ]
    for fields in wrong:
        result = api.create(imageRef=image, **fields)
        assert (result.status_code, "could not be found" in result.text) == (400, True), fields
    for fields in ({"hypervisor_hostname": "host1"}, {"availability_zone": "nova:host1:host1"}):
        assert api.create(imageRef=image, **fields).status_code == 202, fields


@pytest.mark.parametrize("key", ["os:scheduler_hints", "OS-SCH-HNT:scheduler_hints"])
def test_no_server_is_in_a_group(api: conftest.Api, key: str) -> None:
    """A group that cannot exist is not promised (Nova: 400 for one that does not)."""
    body = {"name": "a", "flavorRef": "1", "networks": "none", "imageRef": api.image()}
    for group in (conftest.new_uuid(), [conftest.new_uuid()], "mine"):
        result = api.call("POST", "/servers", {"server": body, key: {"group": group}})
        assert (result.status_code, "group" in result.text) == (400, True)
    other = {"server": body, key: {"different_host": [conftest.new_uuid()]}}
    assert api.call("POST", "/servers", other).status_code == 202


def test_what_the_command_line_sends(api: conftest.Api) -> None:
    """RULES B2-3, S55, S57, S58: strings where numbers and booleans belong."""
    image = api.image()
    api.flavor("2", **{"OS-FLV-EXT-DATA:ephemeral": 1, "swap": 512})
    rows = [
        {
            "uuid": image,
            "source_type": "image",
            "destination_type": "volume",
            "boot_index": "0",
            "volume_size": "2",
            "delete_on_termination": "false",
        },
        {
            "source_type": "blank",
            "destination_type": "local",
            "guest_format": "swap",
            "volume_size": 512,
            "boot_index": -1,
            "delete_on_termination": True,
        },
        {
            "source_type": "blank",
            "destination_type": "local",
            "volume_size": "1",
            "boot_index": None,
            "delete_on_termination": "yes",
        },
    ]
    result = api.create(flavorRef="2", imageRef="", block_device_mapping_v2=rows)
    assert result.status_code == 202, result.text
    (wish,) = sent(api)
    assert wish.instance.image_ref is None
    assert [d.volume_size for d in wish.block_devices.objects] == [2, 512, 1]
    # S156: the root takes none of the host's disk.
    assert wish.request_spec.disk_gib == 2


def test_boot_from_volume_reserves_it(api: conftest.Api) -> None:
    """S30, RULES B7."""
    volume = api.volume(image_metadata={"image_id": "x", "hw_disk_bus": "scsi", "min_ram": "1"})
    result = api.create(imageRef="", block_device_mapping_v2=[root(volume)])
    assert result.status_code == 202, result.text
    (wish,) = sent(api)
    (device,) = wish.block_devices.objects
    assert api.attachments[device.attachment_id] == volume
    assert (device.phase, device.volume_size) == ("reserved", 2)
    # S132: the server inherits the volume's image properties.
    assert wish.request_spec.image.properties == {"hw_disk_bus": "scsi"}
    with api.database.api.read() as tx:
        stored = build_requests.get(tx, wish.instance_uuid)
    assert stored is not None
    assert stored.block_devices.objects[0].attachment_id == device.attachment_id


def test_failed_reservation_leaves_nothing(api: conftest.Api) -> None:
    """The second volume is taken: the first one is released (PAINS D13)."""
    good, taken = api.volume(), api.volume(status="in-use")
    rows = [root(good), root(taken, boot_index=1)]
    result = api.create(imageRef="", block_device_mapping_v2=rows)
    assert result.status_code == 400
    assert "in-use" in result.json["badRequest"]["message"]
    assert api.volumes[good].status == "available"
    nothing_is_left(api)


def test_cinder_down_is_503(api: conftest.Api) -> None:
    volume = api.volume()
    api.cinder.create_attachment.side_effect = exceptions.RemoteServiceError(
        service="Cinder", reason="no answer"
    )
    result = api.create(imageRef="", block_device_mapping_v2=[root(volume)])
    assert result.status_code == 503
    nothing_is_left(api)


def test_slow_reservations_give_signs_of_life(api: conftest.Api) -> None:
    """Else the reaper takes the API for dead. With the last volume the request is ready."""
    volumes = [api.volume() for _ in range(3)]
    real = api.cinder.create_attachment.side_effect
    long_ago = timeutils.utcnow().replace(year=2000)
    seen: list[bool] = []

    def slowly(*args: typing.Any) -> typing.Any:
        table = api_models.build_requests
        with api.database.api.write() as tx:
            seen.append(tx.execute(sa.select(table.c.heartbeat_at)).scalar_one() > long_ago)
            tx.execute(table.update().values(heartbeat_at=long_ago))
        return real(*args)

    api.cinder.create_attachment.side_effect = slowly
    rows = [root(volume, boot_index=index) for index, volume in enumerate(volumes)]
    assert api.create(imageRef="", block_device_mapping_v2=rows).status_code == 202
    assert seen == [True] * 3


def test_a_server_that_is_deleted_while_it_is_prepared(api: conftest.Api) -> None:
    """It is whose who prepares it: nobody else knows what is held by then."""
    volumes = [api.volume() for _ in range(2)]
    real = api.cinder.create_attachment.side_effect

    def delete_meanwhile(*args: typing.Any) -> typing.Any:
        (server,) = api.get("/servers")["servers"]
        for _ in range(2):
            assert api.call("DELETE", f"/servers/{server['id']}").status_code == 204
        assert api.count(api_models.build_requests) == 1
        return real(*args)

    api.cinder.create_attachment.side_effect = delete_meanwhile
    rows = [root(volume, boot_index=index) for index, volume in enumerate(volumes)]
    assert api.create(imageRef="", block_device_mapping_v2=rows).status_code == 409
    api.cinder.create_attachment.assert_called_once()
    assert [api.volumes[volume].status for volume in volumes] == ["available"] * 2
    nothing_is_left(api)


def test_several_servers(api: conftest.Api) -> None:
    """S150, S151: own devices each, numbered names, one reservation."""
    result = api.create(imageRef=api.image(), min_count=1, max_count=3)
    assert result.status_code == 202
    wishes = sent(api)
    assert [wish.instance.display_name for wish in wishes] == ["vm-1", "vm-2", "vm-3"]
    assert len({d.uuid for wish in wishes for d in wish.block_devices.objects}) == 3
    assert len({wish.instance.reservation_id for wish in wishes}) == 1


def test_reservation_id_instead_of_server(api: conftest.Api) -> None:
    result = api.create(imageRef=api.image(), return_reservation_id=True)
    assert list(result.json) == ["reservation_id"]


def test_quota(api: conftest.Api) -> None:
    api.call("PUT", "/os-quota-sets/demo", {"quota_set": {"instances": 2}})
    image = api.image()
    refused = api.create(imageRef=image, min_count=3)
    assert refused.status_code == 403
    assert "Requested 3, but already used 0 of 2 instances" in refused.text
    nothing_is_left(api)
    # Fewer than the most, but not fewer than the least.
    assert api.create(imageRef=image, min_count=1, max_count=5).status_code == 202
    assert len(sent(api)) == 2
    assert api.create(imageRef=image).status_code == 403


# What is refused. Each names the item and leaves nothing.

NO_SOURCE = {"uuid": conftest.new_uuid(), "boot_index": 0}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        # B14-1: upstream answers 500.
        (NO_SOURCE, "source_type"),
        # B14-2: upstream reserves the volume and forgets it.
        ({"source_type": "volume", "destination_type": "local"}, "destination_type to 'volume'"),
        ({"source_type": "volume"}, "destination_type to 'volume'"),
        ({"source_type": "snapshot", "destination_type": "local"}, "destination_type"),
        # B14-4 and ENVIRONMENT: upstream names nothing, or answers 500.
        ({"source_type": "volume", "destination_type": "volume", "disk_bus": "warp"}, "virtio"),
        ({"source_type": "volume", "destination_type": "volume", "device_type": "mmc"}, "cdrom"),
        # B2.
        ({"source_type": "blank", "destination_type": "volume", "volume_size": 1}, "UUID"),
        ({"source_type": "image", "destination_type": "local"}, "imageRef"),
        (
            {"source_type": "volume", "destination_type": "volume", "volume_type": "fast"},
            "volume_type",
        ),
        ({"source_type": "image", "destination_type": "volume"}, "volume_size"),
        # B1.
        ({"source_type": "tape"}, "tape"),
        ({"source_type": "volume", "destination_type": "volume", "boot_index": "x"}, "boot_index"),
        ({"source_type": "volume", "destination_type": "volume", "volume_size": 0}, "volume_size"),
        ({"source_type": "volume", "delete_on_termination": "maybe"}, "maybe"),
        ({"source_type": "volume", "device_name": "v db"}, "device_name"),
        ({"source_type": "volume", "tag": "a,b"}, "tag"),
        ({"source_type": "volume", "colour": "red"}, "colour"),
    ],
)
def test_bad_device_is_400(api: conftest.Api, row: Row, words: str) -> None:
    volume = api.volume()
    result = api.create(
        imageRef="", block_device_mapping_v2=[{"uuid": volume, "boot_index": 0} | row]
    )
    assert result.status_code == 400, result.text
    message = result.json["badRequest"]["message"]
    assert words in message
    assert "block_device_mapping_v2[0]" in message
    nothing_is_left(api)


def test_snapshot_smaller_than_itself(api: conftest.Api) -> None:
    """B14-3: upstream fails minutes later."""
    snapshot = api.snapshot(api.volume(size_gib=5), size_gib=5)
    row = {"uuid": snapshot, "source_type": "snapshot", "destination_type": "volume"}
    small = row | {"boot_index": 0, "volume_size": 4}
    result = api.create(imageRef="", block_device_mapping_v2=[small])
    assert result.status_code == 400
    assert "5 GiB" in result.text
    enough = row | {"boot_index": 0, "volume_size": 5}
    assert api.create(imageRef="", block_device_mapping_v2=[enough]).status_code == 202


def test_volume_must_be_bootable(api: conftest.Api) -> None:
    """S30, S32."""
    volume = api.volume(bootable=False)
    result = api.create(imageRef="", block_device_mapping_v2=[root(volume)])
    assert (result.status_code, "not bootable" in result.text) == (400, True)
    row = {"uuid": api.snapshot(volume), "source_type": "snapshot", "destination_type": "volume"}
    result = api.create(imageRef="", block_device_mapping_v2=[row | {"boot_index": 0}])
    assert (result.status_code, "not bootable" in result.text) == (400, True)
    nothing_is_left(api)


def test_multiattach_needs_2_60(api: conftest.Api) -> None:
    """S119."""
    rows = [root(api.volume(multiattach=True))]
    old = api.create("2.59", imageRef="", block_device_mapping_v2=rows)
    assert (old.status_code, "2.60" in old.text) == (400, True)
    assert api.create("2.60", imageRef="", block_device_mapping_v2=rows).status_code == 202


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Missing imageRef"),
        ({"imageRef": conftest.new_uuid()}, "could not be found"),
        ({"flavorRef": "none"}, "Flavor none could not be found"),
        ({"min_count": 3, "max_count": 2}, "min_count"),
        ({"networks": [{"uuid": conftest.new_uuid()}]}, "no networking"),
        ({"key_name": "k"}, "key_name"),
        ({"availability_zone": "mars"}, "availability zone"),
        ({"host": "nowhere"}, "nowhere"),
        ({"name": ""}, "name"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_bad_request_is_400(api: conftest.Api, fields: Row, words: str) -> None:
    if fields and "imageRef" not in fields:
        fields = {"imageRef": api.image()} | fields
    result = api.create(**fields)
    assert result.status_code == 400, result.text
    assert words in result.json["badRequest"]["message"]
    nothing_is_left(api)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ({"status": "queued"}, "not active"),
        ({"min_ram_mib": 1024}, "memory"),
        ({"min_disk_gib": 11}, "too small"),
        ({"size_bytes": 11 * 1024**3}, "too small"),
        ({"properties": {"cinder_encryption_key_id": "k"}}, "encrypted"),
    ],
)
def test_image_that_does_not_fit(api: conftest.Api, image: Row, words: str) -> None:
    """S5, RULES B3."""
    result = api.create(imageRef=api.image(**image))
    assert (result.status_code, words in result.text) == (400, True), result.text
    nothing_is_left(api)


def test_flavor_without_disk_is_for_administrators(api: conftest.Api) -> None:
    api.flavor("0", disk=0)
    image = api.image()
    assert api.create(flavorRef="0", imageRef=image).status_code == 202
    body = {"name": "a", "flavorRef": "0", "imageRef": image, "networks": "none"}
    member = {"X-Roles": "member,reader"}
    result = api.call("POST", "/servers", {"server": body}, headers=member)
    assert result.status_code == 403


@pytest.mark.parametrize(
    ("version", "field", "accepted"),
    [
        ("2.31", {"tag": "a"}, False),
        ("2.32", {"tag": "a"}, True),
        ("2.33", {"tag": "a"}, False),
        ("2.41", {"tag": "a"}, False),
        ("2.42", {"tag": "a"}, True),
        ("2.66", {"volume_type": None}, False),
        ("2.67", {"volume_type": None}, True),
    ],
)
def test_versions_of_device_fields(
    api: conftest.Api, version: str, field: Row, accepted: bool
) -> None:
    """S118, RULES B1."""
    row = {"name": "a", "flavorRef": "1", "imageRef": ""}
    row["block_device_mapping_v2"] = [root(api.volume()) | field]
    if float(version[2:]) >= 37:
        row["networks"] = "none"
    result = api.call("POST", "/servers", {"server": row}, version=version)
    assert result.status_code == (202 if accepted else 400), result.text


def test_networks_are_required_from_2_37(api: conftest.Api) -> None:
    body = {"name": "a", "flavorRef": "1", "imageRef": api.image()}
    assert api.call("POST", "/servers", {"server": body}, version="2.36").status_code == 202
    assert api.call("POST", "/servers", {"server": body}, version="2.37").status_code == 400


def test_legacy_mapping(api: conftest.Api) -> None:
    """S115, S122, RULES B4."""
    volume = api.volume()
    result = api.create("2.1", block_device_mapping=[{"device_name": "vda", "volume_id": volume}])
    assert result.status_code == 202, result.text
    assert sent(api)[0].block_devices.objects[0].boot_index == 0
    both = api.create(
        "2.1",
        block_device_mapping=[{"device_name": "vda", "volume_id": api.volume()}],
        block_device_mapping_v2=[root(api.volume())],
    )
    assert (both.status_code, "syntaxes" in both.text) == (400, True)
    only_vdb = api.create(
        "2.1", block_device_mapping=[{"device_name": "vdb", "volume_id": api.volume()}]
    )
    assert (only_vdb.status_code, "boot" in only_vdb.text) == (400, True)


def test_volumes_of_another_project_are_not_found(api: conftest.Api) -> None:
    """SECURITY, cross-tenant BDM: fetched as the user; 400, no oracle."""
    result = api.create(imageRef="", block_device_mapping_v2=[root(conftest.new_uuid())])
    assert result.status_code == 400
    nothing_is_left(api)


def test_image_defined_devices(api: conftest.Api) -> None:
    """RULES B3, merge order: the image's root wins over the automatic row."""
    snapshot = api.snapshot(api.volume())
    rows = [
        {
            "source_type": "snapshot",
            "snapshot_id": snapshot,
            "destination_type": "volume",
            "boot_index": 0,
            "device_name": "/dev/vda",
            "volume_size": 2,
        }
    ]
    image = api.image(size_bytes=0, properties={"bdm_v2": "true", "block_device_mapping": rows})
    own = {"uuid": image, "source_type": "image", "destination_type": "local", "boot_index": 0}
    result = api.create(imageRef=image, block_device_mapping_v2=[own])
    assert result.status_code == 202, result.text
    (device,) = sent(api)[0].block_devices.objects
    assert (device.source_type, device.snapshot_id) == ("snapshot", snapshot)
    assert sent(api)[0].instance.image_ref is None


def test_zone_and_host(api: conftest.Api) -> None:
    api.host("host1", zone="east")
    result = api.create(imageRef=api.image(), availability_zone="east:host1")
    assert result.status_code == 202, result.text
    spec = sent(api)[0].request_spec
    assert (spec.availability_zone, spec.force_host, spec.force_node) == ("east", "host1", None)
    server = api.get(f"/servers/{result.json['server']['id']}")["server"]
    assert server["pinned_availability_zone"] == "east"
