"""Requests made by hypothesis: never a 5xx, and a refusal leaves the world as it was.

300 examples in the gate (150 of attachments); ``NOVA_LITE_HYPOTHESIS_PROFILE=nightly``
makes 5,000. After each refusal Cinder's database and ours are compared with what they
were; what is accepted is built, deleted again, and must leave nothing either.
"""

import json
import typing
import urllib.parse

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.functional.clients import cloud as clouds
from tests.functional.clients import conftest
from tests.integration import cluster as clusters

# What tests/conftest.py loaded; the gate makes the same requests each time.
PROFILE = hypothesis.settings(
    derandomize=hypothesis.settings().max_examples <= 300,
    suppress_health_check=list(hypothesis.HealthCheck),
)

Body = dict[str, typing.Any]

VERSIONS = [f"2.{minor}" for minor in (1, 19, 32, 33, 36, 37, 41, 42, 52, 57, 63, 67, 74)]
VERSIONS += ["2.79", "2.85", "2.89", "2.90", "2.94", "2.100"]

# The names of things in a body; the test puts ids in their place.
REFERENCES = ("@image", "@volume", "@snapshot", "@data", "@nobody", "@queued", "@taken")

ODD_TEXT = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [
            "",
            " ",
            "\x00",
            "\ud800",
            "a" * 256,
            "ä",
            "\U0001f600",
            "None",
            "null",
            "../..",
            "'--",
            "%s",
            "{0}",
        ]
    ),
)
NUMBER = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([20, 21, 512, 513, 2**31 - 1, 2**31, 2**63, 10**40, 1.5, 1e308]),
    st.sampled_from(["0", "1", "25", "-1", "x", "", "007", "١"]),
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBER, ODD_TEXT, st.sampled_from(REFERENCES)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(ODD_TEXT, inner, max_size=2)
    ),
    max_leaves=3,
)
FLAG = st.sampled_from([True, False, "true", "0", "on", "NO", "maybe", 1, None])


def mostly(usual: st.SearchStrategy[typing.Any]) -> st.SearchStrategy[typing.Any]:
    """Usual values, and one time in ten anything at all."""
    return st.integers(0, 9).flatmap(lambda dice: ANYTHING if dice == 9 else usual)


DEVICE_FIELDS: dict[str, st.SearchStrategy[typing.Any]] = {
    "source_type": mostly(st.sampled_from(["image", "volume", "snapshot", "blank"])),
    "destination_type": mostly(st.sampled_from(["local", "volume"])),
    "uuid": mostly(st.sampled_from(REFERENCES)),
    "boot_index": mostly(st.sampled_from([0, "0", 1, -1, None])),
    "volume_size": mostly(st.sampled_from([1, "2", 20, 512])),
    "guest_format": mostly(st.sampled_from(["swap", "ext4", None])),
    "device_type": mostly(st.sampled_from(["disk", "cdrom", "lun", "floppy", None])),
    "disk_bus": mostly(st.sampled_from(["virtio", "scsi", "ide", "usb", "sata", None])),
    "device_name": mostly(st.sampled_from(["/dev/vda", "vdb", "/dev/sda", None])),
    "delete_on_termination": FLAG,
    "no_device": st.one_of(FLAG, st.just("")),
    "tag": mostly(st.sampled_from(["a", "b"])),
    "volume_type": mostly(st.sampled_from(["local", None, "gold"])),
    "volume_id": mostly(st.sampled_from(REFERENCES)),
    "image_id": mostly(st.sampled_from(REFERENCES)),
}


def chosen(
    fields: dict[str, st.SearchStrategy[typing.Any]], *always: str
) -> st.SearchStrategy[Body]:
    """A dictionary with some of the fields; ``always`` nearly always."""
    optional = {name: value for name, value in fields.items() if name not in always}
    usual = st.fixed_dictionaries(
        {name: fields[name] for name in always},
        optional={},
    )
    extra = st.lists(st.sampled_from(sorted(optional)), max_size=3, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: optional[name] for name in names})
    )
    return st.builds(lambda one, two: one | two, usual, extra)


# Rows that make sense by themselves, so that deep checks are reached.
SENSIBLE: list[Body] = [
    {"source_type": "image", "destination_type": "local", "uuid": "@image", "boot_index": 0},
    {
        "source_type": "image", "destination_type": "volume", "uuid": "@image", "boot_index": 0,
        "volume_size": 1, "delete_on_termination": True,
    },
    {
        "source_type": "volume", "destination_type": "volume", "uuid": "@volume",
        "boot_index": 0,
    },
    {
        "source_type": "snapshot", "destination_type": "volume", "uuid": "@snapshot",
        "boot_index": 0, "delete_on_termination": True,
    },
    {"source_type": "volume", "destination_type": "volume", "uuid": "@data"},
    {"source_type": "volume", "destination_type": "volume", "uuid": "@taken"},
    {
        "source_type": "blank", "destination_type": "volume", "volume_size": 1,
        "delete_on_termination": True,
    },
    {"source_type": "blank", "destination_type": "local", "volume_size": 5},
    {"source_type": "blank", "destination_type": "local", "guest_format": "swap"},
]  # fmt: skip
ROW = st.one_of(
    st.sampled_from(SENSIBLE),
    st.builds(
        lambda row, more: row | more,
        st.sampled_from(SENSIBLE),
        chosen(DEVICE_FIELDS),
    ),
    chosen(DEVICE_FIELDS, "source_type", "destination_type", "uuid"),
)
V1_ROW = st.builds(
    lambda row, more: row | more,
    st.sampled_from(
        [
            {"device_name": "vda", "volume_id": "@volume"},
            {"device_name": "vdb", "volume_id": "@data"},
            {"device_name": "vdc", "snapshot_id": "@snapshot", "delete_on_termination": "1"},
            {"virtual_name": "swap", "device_name": "vdd"},
            {"virtual_name": "ephemeral0", "device_name": "vde"},
            {"no_device": True, "device_name": "vdf"},
        ]
    ),
    chosen(
        {
            name: DEVICE_FIELDS[name]
            for name in ("volume_size", "device_name", "delete_on_termination", "no_device")
        }
        | {"virtual_name": mostly(st.sampled_from(["swap", "ephemeral1", "root"]))}
    ),
)

SERVER_FIELDS: dict[str, st.SearchStrategy[typing.Any]] = {
    "name": mostly(st.sampled_from(["a", "x" * 255])),
    "flavorRef": mostly(st.sampled_from(["7", "7", "1", 1, "9"])),
    "imageRef": mostly(st.sampled_from(["@image", "@image", "", "@queued"])),
    "networks": mostly(st.sampled_from(["none", "auto", []])),
    "block_device_mapping_v2": mostly(st.lists(ROW, max_size=4)),
    "block_device_mapping": mostly(st.lists(V1_ROW, max_size=3)),
    "min_count": mostly(st.sampled_from([1, 2, "1"])),
    "max_count": mostly(st.sampled_from([1, 2, "2"])),
    "metadata": mostly(st.dictionaries(ODD_TEXT, ODD_TEXT, max_size=2)),
    "user_data": mostly(st.just("aGVsbG8=")),
    "config_drive": FLAG,
    "availability_zone": mostly(st.sampled_from(["nova", "mars", "nova:x", "::"])),
    "tags": mostly(st.lists(ODD_TEXT, max_size=2)),
    "description": mostly(ODD_TEXT),
    "hostname": mostly(st.sampled_from(["aa", "a.b"])),
    "host": mostly(st.just("nowhere")),
    "accessIPv4": mostly(st.sampled_from(["", "10.0.0.1"])),
    "return_reservation_id": FLAG,
    "adminPass": mostly(ODD_TEXT),
    "key_name": mostly(ODD_TEXT),
    "security_groups": mostly(st.just([{"name": "default"}])),
    "OS-DCF:diskConfig": mostly(st.sampled_from(["AUTO", "MANUAL"])),
}


@st.composite
def nearly_right(draw: st.DrawFn) -> Body:
    """A server that could be built, but for at most one field: so the request gets past
    the schema and each refusal is reached with other devices already looked at."""
    root = draw(st.sampled_from(SENSIBLE[:4]))
    more = draw(st.lists(st.sampled_from(SENSIBLE[4:]), max_size=3, unique_by=str))
    rows = [dict(row) for row in (root, *more)]
    body: Body = {"name": "a", "flavorRef": "7", "networks": "none"}
    if root["destination_type"] == "local":
        body["imageRef"] = "@image"
    body["block_device_mapping_v2"] = rows
    match draw(st.sampled_from(["nothing", "drop", "drop", "change", "server"])):
        case "drop":
            row = draw(st.sampled_from(rows))
            del row[draw(st.sampled_from(sorted(row)))]
        case "change":
            field = draw(st.sampled_from(sorted(DEVICE_FIELDS)))
            draw(st.sampled_from(rows))[field] = draw(DEVICE_FIELDS[field])
        case "server":
            field = draw(st.sampled_from(sorted(SERVER_FIELDS)))
            body[field] = draw(SERVER_FIELDS[field])
    return body


ODD_SERVER = st.one_of(
    chosen(SERVER_FIELDS, "name", "flavorRef", "networks", "block_device_mapping_v2"),
    chosen(
        SERVER_FIELDS, "name", "flavorRef", "imageRef", "networks", "block_device_mapping_v2"
    ),
    chosen(SERVER_FIELDS, "name", "flavorRef", "block_device_mapping"),
    ANYTHING,
)  # fmt: skip
SERVER = st.integers(0, 9).flatmap(lambda dice: nearly_right() if dice < 4 else ODD_SERVER)


@pytest.fixture(scope="module")
def ids(running: clouds.Cloud, sources: conftest.Sources) -> typing.Iterator[dict[str, str]]:
    """What the references mean; ``@taken`` is a volume that another server has."""
    taken = running.volume(1)
    root = {"uuid": sources.image, "source_type": "image", "destination_type": "local"}
    rows = [
        root | {"boot_index": 0},
        {"uuid": taken, "source_type": "volume", "destination_type": "volume"},
    ]
    body = {
        "name": "other", "flavorRef": "1", "imageRef": sources.image, "networks": "none",
        "block_device_mapping_v2": rows,
    }  # fmt: skip
    other = running.ok("POST", "/servers", {"server": body})["server"]["id"]
    running.active(other)
    queued = running.ok(
        "POST", "/images",
        {"name": "q", "disk_format": "raw", "container_format": "bare"}, service="image",
    )["id"]  # fmt: skip
    yield {
        "@image": sources.image,
        "@volume": sources.volume,
        "@snapshot": sources.snapshot,
        "@data": sources.data,
        "@nobody": "0" * 8 + "-0000-4000-8000-" + "0" * 12,
        "@queued": queued,
        "@taken": taken,
        "@server": other,
    }
    running.clear()


def resolved(value: typing.Any, ids: dict[str, str]) -> typing.Any:
    """The value with ids for names."""
    if isinstance(value, dict):
        return {key: resolved(item, ids) for key, item in value.items()}
    if isinstance(value, list):
        return [resolved(item, ids) for item in value]
    return ids.get(value, value) if isinstance(value, str) else value


def is_refusal(status: int, answer: Body) -> bool:
    """Whether it is a proper refusal; anything but that or success is a bug."""
    assert status < 500, answer
    if status >= 400:
        (error,) = answer.values()
        assert error["code"] == status
        assert error["message"]
        return True
    return False


@hypothesis.settings(PROFILE)
@hypothesis.given(server=SERVER, version=st.sampled_from(VERSIONS))
def test_create(
    running: clouds.Cloud, ids: dict[str, str], server: typing.Any, version: str
) -> None:
    """B1–B4, S121, S130."""
    if isinstance(server, dict) and int(version[2:]) < 37:
        server = {key: value for key, value in server.items() if key != "networks"}
    body = {"server": resolved(server, ids)}
    before = running.world()
    status, answer = running.call("POST", "/servers", body, version=version)
    if is_refusal(status, answer):
        hypothesis.event(f"refused with {status}")
        # At once: what is undone later was done.
        assert running.world_now() == before
        return
    hypothesis.event("accepted")
    assert status == 202
    for made in running.ok("GET", "/servers")["servers"]:
        if made["id"] != ids["@server"]:
            clusters.wait_for(
                lambda made_id=made["id"]: (
                    running.ok("GET", f"/servers/{made_id}")["server"]["status"] != "BUILD"
                ),
                "an end of the build",
            )
            shown = running.ok("GET", f"/servers/{made['id']}")["server"]
            # What was accepted can be built: nothing is found out later.
            assert shown["status"] == "ACTIVE", shown.get("fault")
            has_its_volumes(running, made["id"])
            running.ok("DELETE", f"/servers/{made['id']}")
            running.wait_gone(made["id"])
    after = running.world()
    assert after.rows == before.rows
    assert used(after) == used(before)
    remove_orphans(running, before, after)


def has_its_volumes(cloud: clouds.Cloud, server: str) -> None:
    """B14-2: no row is silently ignored."""
    for row in cloud.devices(server):
        if row["destination_type"] == "volume" or row["source_type"] in ("volume", "snapshot"):
            volume = cloud.cinder_volume(row["volume_id"])
            assert row["attachment_id"] in [use["attachment_id"] for use in volume["attachments"]]
            assert volume["status"] == "in-use"


def used(world: clouds.World) -> list[tuple[str, str, str]]:
    """All of Cinder but volumes that nobody uses: those a server made and left."""
    return [row for row in world.cinder if (row[0], row[2]) != ("volume", "available")]


def remove_orphans(cloud: clouds.Cloud, before: clouds.World, after: clouds.World) -> None:
    known = {row[1] for row in before.cinder}
    for kind, volume_id, _ in after.cinder:
        if kind == "volume" and volume_id not in known:
            cloud.ok("DELETE", f"/volumes/{volume_id}", service="volume")
            clusters.wait_for(
                lambda path=f"/volumes/{volume_id}": (
                    cloud.call("GET", path, service="volume")[0] == 404
                ),
                "the volume to go",
            )


ATTACHMENT = st.one_of(
    chosen(
        {
            "volumeId": mostly(st.sampled_from(REFERENCES)),
            "device": mostly(st.sampled_from([None, "/dev/vdb", "/dev/vdz", "vdb", "/dev/sda"])),
            "tag": mostly(st.sampled_from(["a", "", "x" * 61])),
            "delete_on_termination": FLAG,
        },
        "volumeId",
    ),
    ANYTHING,
)


# Half as many in the gate: the space is small, and what is accepted takes its time.
@hypothesis.settings(PROFILE, max_examples=150 if PROFILE.derandomize else PROFILE.max_examples)
@hypothesis.given(attachment=ATTACHMENT, version=st.sampled_from(VERSIONS))
def test_attach(
    running: clouds.Cloud, ids: dict[str, str], attachment: typing.Any, version: str
) -> None:
    path = f"/servers/{ids['@server']}/os-volume_attachments"
    body = {"volumeAttachment": resolved(attachment, ids)}
    before = running.world()
    status, answer = running.call("POST", path, body, version=version)
    if is_refusal(status, answer):
        hypothesis.event(f"refused with {status}")
        assert running.world_now() == before
        return
    hypothesis.event("accepted")
    volume = answer["volumeAttachment"]["volumeId"]
    running.world()
    assert running.cinder_volume(volume)["status"] == "in-use"
    running.ok("PUT", f"{path}/{volume}", {"volumeAttachment": {"volumeId": volume,
               "delete_on_termination": False}})  # fmt: skip
    running.ok("DELETE", f"{path}/{volume}")
    assert running.world() == before


QUERY = st.lists(
    st.tuples(
        st.one_of(
            st.sampled_from(
                [
                    "name", "status", "image", "flavor", "host", "tags", "not-tags-any", "locked",
                    "changes-since", "changes-before", "all_tenants", "deleted", "limit", "marker",
                    "sort_key", "sort_dir", "power_state", "launch_index", "created_at", "uuid",
                    "ip", "task_state", "vm_state", "config_drive", "user_id", "hostname",
                    "project_id", "soft_deleted", "progress", "launched_at", "display_name",
                ]
            ),
            ODD_TEXT,
        ),
        st.one_of(
            ODD_TEXT,
            NUMBER.map(str),
            st.sampled_from(
                [
                    "ACTIVE", "error", "DELETED", "desc", "asc", "display_name", "uuid", "true",
                    "2020-01-01T00:00:00Z", "(", "[a-", "^a.*$", "(a+)+$", "a,b", "@server",
                ]
            ),
        ),
    ),
    max_size=4,
)  # fmt: skip


@hypothesis.settings(PROFILE)
@hypothesis.given(
    query=QUERY,
    version=st.sampled_from(VERSIONS),
    path=st.sampled_from(["/servers", "/servers/detail", "@attachments", "/flavors", "@actions"]),
)
def test_lists(
    running: clouds.Cloud,
    ids: dict[str, str],
    query: list[tuple[str, str]],
    version: str,
    path: str,
) -> None:
    server = f"/servers/{ids['@server']}"
    path = {
        "@attachments": f"{server}/os-volume_attachments",
        "@actions": f"{server}/os-instance-actions",
    }.get(path, path)
    pairs = [(name, ids.get(value, value)) for name, value in query]
    # Half of a surrogate pair goes as the bytes a careless client would send.
    text = urllib.parse.urlencode(pairs, errors="surrogatepass")
    status, answer = running.call("GET", f"{path}?{text}", version=version)
    if not is_refusal(status, answer):
        assert status == 200


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"power_state": str(2**63)}, 400),
        ({"launch_index": "9" * 40}, 400),
        ({"limit": "9" * 5000}, 400),
        ({"limit": str(2**31)}, 200),
        ({"changes-since": "0001-01-01T00:00:00+23:59"}, 400),
        ({"launched_at": "0001-01-01T00:00:00+23:59"}, 400),
        ({"name": "("}, 400),
        ({"name": "\x00"}, 400),
        ({"marker": "\x00"}, 400),
    ],
)
def test_odd_query(running: clouds.Cloud, query: dict[str, str], expected: int) -> None:
    """Values that broke something once."""
    text = urllib.parse.urlencode(query)
    for path in ("/servers", "/servers/detail"):
        status, answer = running.call("GET", f"{path}?{text}")
        is_refusal(status, answer)
        assert status == expected, answer


def test_limit_where_there_are_no_pages(running: clouds.Cloud) -> None:
    """Hypervisors come in pages from 2.33 on; before, the parameter is unread."""
    for version, expected in (("2.32", 200), ("2.33", 400)):
        status, _ = running.call("GET", "/os-hypervisors?limit=x", version=version)
        assert status == expected


ROWS_OF_IMAGES: list[typing.Any] = [
    "x", "{}", "[1]", "[{}]", [{"source_type": 5}], [{"device_name": 5, "volume_id": "x"}],
    [{"source_type": "snapshot", "snapshot_id": {}, "boot_index": []}], "[" * 90000,
    [{"no_device": {}}], [{"virtual": "swap", "device": 7}], [{"boot_index": 1e300}],
    [{"volume_size": 1e300, "device_name": "vda", "volume_id": "x"}],
]  # fmt: skip


@pytest.mark.parametrize("key", ["block_device_mapping", "mappings"])
@pytest.mark.parametrize("flag", ["", "true"])
@pytest.mark.parametrize("number", range(len(ROWS_OF_IMAGES)))
def test_image_with_odd_mappings(
    running: clouds.Cloud, ids: dict[str, str], key: str, flag: str, number: int
) -> None:
    """B5: anybody can write an image's properties."""
    rows = ROWS_OF_IMAGES[number]
    del ids
    value = rows if isinstance(rows, str) else json.dumps(rows)
    image = running.image("odd", 512, bdm_v2=flag, **{key: value})
    body = {"name": "a", "flavorRef": "1", "imageRef": image, "networks": "none"}
    before = running.world()
    status, answer = running.call("POST", "/servers", {"server": body})
    if is_refusal(status, answer):
        assert running.world_now() == before
    else:
        # Rows of ``mappings`` that name no swap or ephemeral disk are not for us.
        assert key == "mappings"
        server = answer["server"]["id"]
        running.active(server)
        running.ok("DELETE", f"/servers/{server}")
        running.wait_gone(server)
    running.ok("DELETE", f"/images/{image}", service="image")


def test_more_servers_than_anybody_has_room_for(
    running: clouds.Cloud, sources: conftest.Sources
) -> None:
    """Refused, or cut to the quota, before anything is prepared."""
    body = {"name": "a", "flavorRef": "1", "imageRef": sources.image, "networks": "none"}
    before = running.world()
    for count in (10**20, str(10**19)):
        status, answer = running.call("POST", "/servers", {"server": body | {"min_count": count}})
        assert is_refusal(status, answer)
    running.ok("PUT", "/os-quota-sets/demo", {"quota_set": {"instances": 3}})
    try:
        status, answer = running.call(
            "POST", "/servers", {"server": body | {"min_count": 2**31 - 1}}
        )
        assert status == 403
    finally:
        running.ok("DELETE", "/os-quota-sets/demo")
    assert running.world() == before


def test_body_nested_without_end(running: clouds.Cloud) -> None:
    nested: typing.Any = []
    for _ in range(900):
        nested = [nested]
    status, answer = running.call("POST", "/servers", nested)
    assert is_refusal(status, answer)
