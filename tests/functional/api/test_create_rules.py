"""RULES B1, B2, B3 and B14 as tables: what a create takes, and what it refuses how.

Each refusal is a 400 that names the item, its index where one item is at fault,
and what to change; and it leaves nothing behind.
"""

import collections.abc
import typing

import pytest

from nova_lite.volume import records
from tests.functional.api import conftest
from tests.functional.api.test_servers_create import nothing_is_left
from tests.functional.api.test_servers_create import sent

Row = dict[str, typing.Any]
MakeApi = collections.abc.Callable[..., conftest.Api]

MEMBER = {"X-Roles": "member,reader", "X-Project-Id": "demo"}
ITEM = "block_device_mapping_v2[1]"


def message(result: typing.Any) -> str:
    assert result.status_code == 400, result.text
    return str(result.json["badRequest"]["message"])


def with_root(api: conftest.Api, *rows: Row, **fields: object) -> typing.Any:
    """A create from an image, with more devices."""
    image = api.image()
    root = {"uuid": image, "source_type": "image", "destination_type": "local", "boot_index": 0}
    return api.create(**{"imageRef": image, "block_device_mapping_v2": [root, *rows]} | fields)


def blank(**fields: object) -> Row:
    return {"source_type": "blank", "destination_type": "volume", "volume_size": 1} | fields


# B1: values of one key of an item. "" is a key that is not there.

TAKEN: dict[str, list[object]] = {
    "boot_index": [-1, "-1", "1", 1, None],
    "volume_size": [1, "1", "2147483647", 2147483647, "01"],
    "delete_on_termination": [
        True, False, "true", "True", "TRUE", "1", "on", "On", "ON", "yes", "Yes", "YES",
        "false", "False", "FALSE", "0", "off", "Off", "OFF", "no", "No", "NO",
    ],
    "device_name": ["vdx", "/dev/vdx", "a" * 200, "x.y_z-1"],
    "guest_format": ["ext4", None, "x" * 255],
    "disk_bus": [None, "fdc", "ide", "sata", "scsi", "usb", "virtio", "xen", "lxc", "uml"],
    "device_type": [None, "disk", "cdrom", "floppy", "lun"],
    "tag": ["a", "x" * 60, "a b"],
    "volume_type": ["fast", "id-of-fast", "", None],
}  # fmt: skip
REFUSED: dict[str, list[object]] = {
    "source_type": ["tape", "", 1, None],
    "destination_type": ["moon", "", None],
    "boot_index": ["x", "", "1.5", 1.5, []],
    "volume_size": [0, -1, "", "0", "-1", 2147483648, "2147483648", 1.5, "a"],
    "delete_on_termination": ["maybe", "", None, 2],
    "device_name": ["a b", "", "a" * 256, "vd*", 1],
    "guest_format": ["x" * 256, 1],
    "disk_bus": ["x" * 256, "warp", 1],
    "device_type": ["x" * 256, "mmc", 1],
    "tag": ["a,b", "a/b", "", "x" * 61, None],
    "volume_type": ["x" * 256, 1, "nosuch"],
    "colour": ["red"],
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in TAKEN.items() for value in values]
)
def test_b1_taken(api: conftest.Api, key: str, value: object) -> None:
    """S48, S50, S52, S53, S55, S57, S58: every spelling that clients use."""
    api.volume_types = [records.VolumeType("id-of-fast", "fast")]
    result = with_root(api, blank(**{key: value}))
    assert result.status_code == 202, result.text


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in REFUSED.items() for value in values]
)
def test_b1_refused(api: conftest.Api, key: str, value: object) -> None:
    """S44, S45, S48, S50, S118, S126."""
    result = with_root(api, blank(**{key: value}))
    text = message(result)
    assert ITEM in text
    assert key in text
    nothing_is_left(api)


V1_REFUSED: list[tuple[Row, str]] = [
    ({"source_type": "volume"}, "source_type"),
    ({"uuid": conftest.new_uuid()}, "uuid"),
    ({"virtual_name": "ephemeral"}, "Unrecognized legacy format"),
    ({"virtual_name": "ephemeral01"}, "Unrecognized legacy format"),
    ({"device_name": "vdb"}, "Unrecognized legacy format"),
    ({"volume_id": "x"}, "volume_id"),
    ({"volume_id": conftest.new_uuid(), "volume_size": 0}, "volume_size"),
]


@pytest.mark.parametrize(("row", "words"), V1_REFUSED)
def test_v1_refused(api: conftest.Api, row: Row, words: str) -> None:
    """B1, B4, S123."""
    text = message(api.create("2.1", imageRef=api.image(), block_device_mapping=[row]))
    assert words in text
    assert "block_device_mapping[0]" in text
    nothing_is_left(api)


def test_an_empty_list_is_no_list(api: conftest.Api) -> None:
    image = api.image()
    assert api.create(imageRef=image, block_device_mapping_v2=[]).status_code == 202
    both = api.create(imageRef=image, block_device_mapping_v2=[], block_device_mapping=[])
    assert both.status_code == 202


# B2: one item's keys together.


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (blank(uuid=conftest.new_uuid()), "remove uuid"),
        ({"source_type": "volume", "destination_type": "volume"}, "set uuid"),
        # A raw volume_id does not help.
        (
            {
                "source_type": "volume",
                "destination_type": "volume",
                "volume_id": conftest.new_uuid(),
            },
            "set uuid",
        ),
        (
            {"source_type": "image", "destination_type": "local", "uuid": conftest.new_uuid()},
            "boot_index to 0",
        ),
        (
            {
                "source_type": "image",
                "destination_type": "local",
                "uuid": conftest.new_uuid(),
                "boot_index": None,
            },
            "boot_index to 0",
        ),
        (
            {"source_type": "blank", "destination_type": "local", "volume_type": "fast"},
            "volume_type",
        ),
        (
            {
                "source_type": "volume",
                "destination_type": "volume",
                "uuid": conftest.new_uuid(),
                "volume_type": "fast",
            },
            "remove it",
        ),
        ({"source_type": "blank", "destination_type": "volume"}, "set volume_size"),
        (
            {"source_type": "image", "destination_type": "volume", "uuid": conftest.new_uuid()},
            "set volume_size",
        ),
        # B14-1 and B14-2.
        ({"uuid": conftest.new_uuid(), "boot_index": 1}, "source_type"),
        ({"source_type": "volume", "uuid": conftest.new_uuid()}, "destination_type to 'volume'"),
        (
            {
                "source_type": "snapshot",
                "uuid": conftest.new_uuid(),
                "destination_type": "local",
            },
            "destination_type to 'volume'",
        ),
        # Their sources are not there, or not for this user: the same words.
        (
            {"source_type": "volume", "destination_type": "volume", "uuid": conftest.new_uuid()},
            "could not be found",
        ),
        (
            {"source_type": "snapshot", "destination_type": "volume", "uuid": conftest.new_uuid()},
            "could not be found",
        ),
        (
            {
                "source_type": "image",
                "destination_type": "volume",
                "uuid": conftest.new_uuid(),
                "volume_size": 1,
            },
            "could not be found",
        ),
    ],
)
def test_b2(api: conftest.Api, row: Row, words: str) -> None:
    """B2, S46, S124, S126, S130: nothing is written when validation fails."""
    text = message(with_root(api, row))
    assert ITEM in text
    assert words in text
    nothing_is_left(api)


def test_b2_no_device_skips_the_rules(api: conftest.Api) -> None:
    """B2-8: it drops the device that the image defines under that name."""
    api.flavor("2", swap=512)
    mappings = [{"virtual": "swap", "device": "/dev/vdb"}]
    image = api.image(properties={"mappings": mappings})
    rows = [
        {"uuid": image, "source_type": "image", "destination_type": "local", "boot_index": 0},
        {"device_name": "/dev/vdb", "no_device": True, "uuid": "nonsense"},
    ]
    fields: Row = {"flavorRef": "2", "imageRef": image}
    assert api.create(**fields).status_code == 202
    assert [d.device_name for d in sent(api)[0].block_devices.objects] == ["/dev/vdb", None]
    assert api.create(**fields, block_device_mapping_v2=rows).status_code == 202
    # The flavor's own swap comes instead, under no name.
    assert [d.device_name for d in sent(api)[0].block_devices.objects] == [None, None]


# B3: the set.


@pytest.mark.parametrize(
    ("indices", "status"),
    [
        ([0], 202), ([0, 1], 202), ([1, 0, 2], 202), ([0, -1, None], 202),
        ([], 400), ([None], 400), ([1], 400), ([0, 0], 400), ([0, 2], 400),
    ],
)  # fmt: skip
def test_b3_boot_sequence(api: conftest.Api, indices: list[int | None], status: int) -> None:
    """B3-1, S71."""
    rows = [blank(boot_index=index) for index in indices] or [blank()]
    result = api.create(imageRef="", block_device_mapping_v2=rows)
    assert result.status_code == status, result.text
    if status == 400:
        assert "must be 0, 1, 2" in message(result)
        nothing_is_left(api)


@pytest.mark.parametrize(
    ("sizes", "accepted"),
    [([20], True), ([21], False), ([10, 10], True), ([10, 11], False), ([None, 1], False)],
)
def test_b3_ephemerals(make_api: MakeApi, sizes: list[int | None], accepted: bool) -> None:
    """B3-8."""
    api = make_api()
    api.flavor("2", **{"OS-FLV-EXT-DATA:ephemeral": 20})
    rows = [{"source_type": "blank", "destination_type": "local"} for _ in sizes]
    rows = [
        row | ({"volume_size": size} if size else {})
        for row, size in zip(rows, sizes, strict=True)
    ]
    result = with_root(api, *rows, flavorRef="2")
    assert result.status_code == (202 if accepted else 400), result.text
    if not accepted:
        assert "of 20" in message(result)
        nothing_is_left(api)


@pytest.mark.parametrize(("sizes", "accepted"), [([512], True), ([513], False), ([1, 1], False)])
def test_b3_swap(api: conftest.Api, sizes: list[int], accepted: bool) -> None:
    """B3-9."""
    api.flavor("2", swap=512)
    row = {"source_type": "blank", "destination_type": "local", "guest_format": "swap"}
    result = with_root(api, *(row | {"volume_size": size} for size in sizes), flavorRef="2")
    assert result.status_code == (202 if accepted else 400), result.text


@pytest.mark.parametrize(("limit", "accepted"), [(3, True), (2, False), (0, False), (-1, True)])
def test_b3_local_devices(make_api: MakeApi, limit: int, accepted: bool) -> None:
    """B3-10: root, ephemeral and swap are three."""
    api = make_api(api__max_local_block_devices=limit)
    api.flavor("2", **{"OS-FLV-EXT-DATA:ephemeral": 1, "swap": 512})
    result = api.create(flavorRef="2", imageRef=api.image())
    assert result.status_code == (202 if accepted else 400), result.text
    if not accepted:
        assert f"(3) is more than allowed ({limit})" in message(result)


def test_b3_volume_type_is_stored_by_name(api: conftest.Api) -> None:
    """B3-2: by id or name; one look at Cinder a request."""
    api.volume_types = [records.VolumeType("id-1", "gold"), records.VolumeType("id-2", "slow")]
    rows = [blank(volume_type="id-1"), blank(volume_type="slow")]
    assert with_root(api, *rows).status_code == 202
    kinds = [device.volume_type for device in sent(api)[0].block_devices.objects]
    assert kinds == [None, "gold", "slow"]
    assert api.cinder.list_volume_types.call_count == 1
    text = message(with_root(api, blank(), blank(volume_type="bronze")))
    assert "block_device_mapping_v2[2]" in text
    assert "volume_type bronze could not be found" in text


def test_b3_unfinished_snapshot(api: conftest.Api) -> None:
    snapshot = api.snapshot(api.volume(), status="creating")
    row = {"source_type": "snapshot", "destination_type": "volume", "uuid": snapshot}
    text = message(with_root(api, row))
    assert ITEM in text
    assert "status creating" in text


@pytest.mark.parametrize(
    ("status", "multiattach", "accepted"),
    [
        ("available", False, True), ("downloading", False, True), ("in-use", True, True),
        ("in-use", False, False), ("reserved", False, False), ("error", True, False),
        ("deleting", False, False), ("creating", False, False),
    ],
)  # fmt: skip
def test_b3_status_of_a_volume(
    api: conftest.Api, status: str, multiattach: bool, accepted: bool
) -> None:
    volume = api.volume(status=status, multiattach=multiattach)
    row = {"source_type": "volume", "destination_type": "volume", "uuid": volume}
    result = with_root(api, row)
    if accepted:
        # The double of Cinder reserves available volumes only.
        assert result.status_code == 202 or status != "available", result.text
    else:
        assert f"status {status}" in message(result)
        assert ITEM in message(result)
        nothing_is_left(api)


@pytest.mark.parametrize(
    ("zones", "asked", "expected"),
    [
        (["east"], None, "east"),
        (["east"], "east", "east"),
        (["nova"], None, "nova"),
        ([], None, None),
        (["east", "nova"], None, "must be in one availability zone"),
        (["east"], "nova", "ask for east"),
        (["mars"], None, "zone is not available"),
    ],
)
def test_b3_zones_of_volumes(
    make_api: MakeApi, zones: list[str], asked: str | None, expected: str | None
) -> None:
    """B3-11 with ``cross_az_attach = False``."""
    api = make_api(cinder__cross_az_attach=False)
    api.host("h1", zone="east")
    api.host("h2", zone="nova")
    row = {"source_type": "volume", "destination_type": "volume"}
    rows = [row | {"uuid": api.volume(availability_zone=zone)} for zone in zones]
    fields: Row = {"availability_zone": asked} if asked else {}
    result = with_root(api, *rows, **fields)
    if expected in ("east", "nova", None):
        assert result.status_code == 202, result.text
        assert sent(api)[0].request_spec.availability_zone == expected
        assert sent(api)[0].instance.availability_zone == expected
    else:
        assert expected in message(result)
        nothing_is_left(api)


def test_b3_zones_do_not_matter_by_default(api: conftest.Api) -> None:
    row = {"source_type": "volume", "destination_type": "volume"}
    rows = [row | {"uuid": api.volume(availability_zone=zone)} for zone in ("east", "west")]
    assert with_root(api, *rows).status_code == 202
    assert sent(api)[0].request_spec.availability_zone is None


@pytest.mark.parametrize("source", ["snapshot", "image", "blank"])
def test_b3_new_volumes_for_several_servers(api: conftest.Api, source: str) -> None:
    """B3-11: only existing volumes cannot be shared out."""
    ids: dict[str, Row] = {
        "snapshot": {"uuid": api.snapshot(api.volume())},
        "image": {"uuid": api.image()},
        "blank": {},
    }
    row = {"source_type": source, "destination_type": "volume", "volume_size": 2, "boot_index": 0}
    rows = [row | ids[source]]
    assert api.create(imageRef="", min_count=2, block_device_mapping_v2=rows).status_code == 202
    existing = {"source_type": "volume", "destination_type": "volume", "uuid": api.volume()}
    assert "multiple instances" in message(with_root(api, existing, max_count=2))


def test_b3_the_roots_name_is_taken(api: conftest.Api) -> None:
    row = {"source_type": "volume", "destination_type": "volume", "uuid": api.volume()}
    text = message(with_root(api, row | {"device_name": "vda"}))
    assert "is the root device's name" in text
    nothing_is_left(api)


@pytest.mark.parametrize(
    ("image", "size", "accepted"),
    [
        ({"min_disk_gib": 5}, 5, True),
        ({"min_disk_gib": 6}, 5, False),
        # Cinder finds out that a volume is too small for the image's data.
        ({"size_bytes": 9 * 1024**3}, 5, True),
        ({"min_ram_mib": 512}, 5, True),
        ({"min_ram_mib": 513}, 5, False),
    ],
)
def test_min_disk_and_min_ram_of_a_volume_root(
    api: conftest.Api, image: Row, size: int, accepted: bool
) -> None:
    """RULES B3: the flavor's disk does not matter, its memory does."""
    api.flavor("0", disk=0)
    row = {"source_type": "image", "destination_type": "volume", "boot_index": 0}
    rows = [row | {"uuid": api.image(**image), "volume_size": size}]
    body = {"name": "a", "networks": "none", "flavorRef": "0", "block_device_mapping_v2": rows}
    result = api.call("POST", "/servers", {"server": body}, headers=MEMBER)
    assert result.status_code == (202 if accepted else 400), result.text


@pytest.mark.parametrize(
    ("image", "accepted"),
    [
        ({"min_disk_gib": 10, "min_ram_mib": 512, "size_bytes": 10 * 1024**3}, True),
        ({"size_bytes": 10 * 1024**3 + 1}, False),
        ({"min_disk_gib": 11}, False),
        ({"min_ram_mib": 513}, False),
    ],
)
def test_min_disk_and_min_ram_of_a_local_root(
    api: conftest.Api, image: Row, accepted: bool
) -> None:
    """S5: equal is enough."""
    result = api.create(imageRef=api.image(**image))
    assert result.status_code == (202 if accepted else 400), result.text


@pytest.mark.parametrize(
    ("resource", "limit", "words"),
    [
        ("instances", 1, "Quota exceeded for instances: Requested 2, but already used 0 of 1"),
        ("cores", 1, "Quota exceeded for cores: Requested 2, but already used 0 of 1 cores"),
        ("ram", 600, "Quota exceeded for ram: Requested 1024, but already used 0 of 600 ram"),
    ],
)
def test_quota_says_what_is_used_up(
    api: conftest.Api, resource: str, limit: int, words: str
) -> None:
    """RULES B1: 403, in Nova's words."""
    api.call("PUT", "/os-quota-sets/demo", {"quota_set": {resource: limit}})
    result = api.create(imageRef=api.image(), min_count=2)
    assert result.status_code == 403
    assert words in result.json["forbidden"]["message"]
    nothing_is_left(api)


def test_flavors_of_others_are_not_found(api: conftest.Api) -> None:
    """The same words whether it is another project's or nobody's."""
    api.flavor("private", **{"os-flavor-access:is_public": False})
    body = {"name": "a", "networks": "none", "imageRef": api.image()}
    texts = set()
    stranger = {"X-Roles": "member,reader", "X-Project-Id": "other"}
    for flavor in ("private", "nothing"):
        wanted = {"server": body | {"flavorRef": flavor}}
        result = api.call("POST", "/servers", wanted, headers=stranger)
        texts.add(message(result).replace(flavor, "…"))
    assert texts == {"Flavor … could not be found."}
