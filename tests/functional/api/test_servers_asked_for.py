"""Servers that are only asked for, in lists: as if they were in the cell already.

A client polls from the moment its create is answered; a list that hides the server
until a conductor has moved it makes the client think that it is gone.
"""

import pytest

from nova_lite.api.servers import filters
from nova_lite.api.servers import matching
from nova_lite.db.models import api as api_models
from nova_lite.db.queries import block_devices
from nova_lite.db.queries import build_requests
from nova_lite.db.queries import instances
from tests.functional.api import conftest

MEMBER = {"X-Roles": "member,reader", "X-Project-Id": "demo"}
LONG_AGO, FAR_AHEAD = "2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z"


def move(api: conftest.Api, server_id: str, **fields: object) -> None:
    """Do what a conductor does first: the same server, in the cell."""
    with api.database.api.read() as tx:
        wish = build_requests.get(tx, server_id)
    assert wish is not None
    for name, value in fields.items():
        setattr(wish.instance, name, value)
    with api.database.cell.write() as tx:
        instances.insert(tx, [wish.instance])
        block_devices.add(tx, wish.block_devices.objects)
    with api.database.api.write() as tx:
        table = api_models.build_requests
        tx.execute(table.delete().where(table.c.instance_uuid == server_id))


@pytest.fixture(name="asked")
def fixture_asked(api: conftest.Api) -> str:
    """A server with a value for every filter."""
    api.host("host1", zone="east")
    return api.asked_for(
        name="Web-1",
        description="the first",
        availability_zone="east",
        accessIPv4="1.2.3.4",
        accessIPv6="fe80::1",
        tags=["red", "green"],
        config_drive=True,
        hostname="web-1",
    )


def values(api: conftest.Api, server_id: str) -> dict[str, list[str]]:
    """For each filter values of which some match."""
    server = api.get(f"/servers/{server_id}")["server"]
    with api.database.api.read() as tx:
        wish = build_requests.get(tx, server_id)
    assert wish is not None
    created = server["created"]
    precise = wish.instance.created_at.isoformat() + "Z"
    return {
        "access_ip_v4": ["1.2.3.4", "4.3.2.1"],
        "access_ip_v6": ["fe80::1", "None"],
        "availability_zone": ["east", "nova", "None"],
        "description": ["the first", "other", "None"],
        "display_description": ["the first", "other"],
        "host": ["host1", "None"],
        "image": [server["image"]["id"], conftest.new_uuid()],
        "image_ref": [server["image"]["id"], "None"],
        "key_name": ["None", "k"],
        "node": ["None", "n"],
        "project_id": ["demo", "other"],
        "tenant_id": ["demo", "other"],
        "reservation_id": [wish.instance.reservation_id, "r-0"],
        "root_device_name": ["None", "/dev/vda"],
        "task_state": ["scheduling", "None", "spawning"],
        "user_id": [server["user_id"], "nobody"],
        "uuid": [server_id, conftest.new_uuid()],
        "vm_state": ["building", "active"],
        "name": ["Web", "^Web-1$", "web", ".*", "x"],
        "display_name": ["^W", "^w"],
        "hostname": ["web", "^eb"],
        "created_at": [precise, LONG_AGO],
        "launched_at": [LONG_AGO],
        "terminated_at": [LONG_AGO],
        "power_state": ["0", "1"],
        "launch_index": ["0", "1"],
        "status": ["BUILD", "build", "ACTIVE", "BUILD&status=ERROR", "ACTIVE&status=ERROR"],
        "flavor": ["1", "2"],
        "locked": ["false", "true"],
        "config_drive": ["true", "false"],
        "changes-since": [LONG_AGO, created, FAR_AHEAD],
        "changes-before": [LONG_AGO, FAR_AHEAD],
        "tags": ["red", "red,green", "red,blue"],
        "tags-any": ["blue,red", "blue"],
        "not-tags": ["red,blue", "red"],
        "not-tags-any": ["blue", "blue,red"],
        "deleted": ["false", "true"],
        "ip": ["1.2.3.4"],
        "ip6": ["fe80::1"],
        "all_tenants": ["1", "0"],
    }


def test_every_filter_has_its_values(api: conftest.Api, asked: str) -> None:
    known = {*matching.EQUAL, *matching.REGEX, *matching.TIMES, *matching.NUMBERS}
    known |= {*matching._SPECIAL, "status", "all_tenants"}
    assert known == set(values(api, asked))
    assert set(filters._SPECIAL) <= set(matching._SPECIAL)


@pytest.mark.parametrize("path", ["/servers", "/servers/detail"])
def test_filters_see_what_is_asked_for_as_what_is_there(
    api: conftest.Api, asked: str, path: str
) -> None:
    """The same answer to every filter before and after a conductor has moved it."""
    queries = [
        (name, value, headers)
        for name, choices in values(api, asked).items()
        for value in choices
        for headers in ({}, MEMBER)
    ]

    def answers() -> list[tuple[str, str, bool]]:
        found = []
        for name, value, headers in queries:
            result = api.call("GET", f"{path}?{name}={value}", headers=headers)
            assert result.status_code in (200, 403), f"{name}={value}: {result.text}"
            ids = [one["id"] for one in result.json.get("servers", [])]
            found.append((name, value, asked in ids))
        return found

    before = answers()
    move(api, asked)
    assert answers() == before
    by_name: dict[str, set[bool]] = {}
    for name, _, is_found in before:
        by_name.setdefault(name, set()).add(is_found)
    never = {"ip", "ip6", "launched_at", "terminated_at"}
    assert {name for name, found in by_name.items() if True not in found} == never


@pytest.mark.parametrize(
    "query",
    [
        "",
        "&sort_key=display_name&sort_dir=asc",
        "&sort_key=uuid",
        "&sort_key=launched_on",
        "&sort_key=display_description",
    ],
)
def test_pages_go_through_both(api: conftest.Api, query: str) -> None:
    """Every server once, however many are still only asked for."""
    texts = ["x", "", None, "", "y"]
    ids = [api.asked_for(name=f"s{n}", description=text) for n, text in enumerate(texts)]
    for number, server_id in enumerate(ids[::2]):
        move(api, server_id, launched_on=f"host{number}")
    seen: list[str] = []
    marker = ""
    while True:
        url = f"/servers?limit=2{query}{marker}"
        page = [one["id"] for one in api.get(url)["servers"]]
        if not page:
            break
        seen += page
        marker = f"&marker={page[-1]}"
    whole = [one["id"] for one in api.get(f"/servers?limit=10{query}")["servers"]]
    assert sorted(seen) == sorted(ids)
    assert seen == whole


def test_another_project_sees_nothing(api: conftest.Api, asked: str) -> None:
    stranger = {"X-Roles": "member,reader", "X-Project-Id": "other"}
    assert api.call("GET", "/servers", headers=stranger).json["servers"] == []
    assert api.call("GET", "/servers?all_tenants=1", headers=stranger).status_code == 403
    assert api.call("GET", f"/servers/{asked}", headers=stranger).status_code == 404


def test_a_status_that_nothing_can_have(api: conftest.Api) -> None:
    """2.38: an error; before, an empty list."""
    assert api.get("/servers?status=nonsense", version="2.37")["servers"] == []
    result = api.call("GET", "/servers?status=nonsense", version="2.38")
    assert (result.status_code, "nonsense" in result.text) == (400, True)
    # As in Nova: beside one that exists it adds nothing.
    server_id = api.asked_for()
    listed = api.get("/servers?status=nonsense&status=BUILD", version="2.38")["servers"]
    assert [server["id"] for server in listed] == [server_id]
