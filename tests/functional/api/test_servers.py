"""Servers after they were asked for: list, show, change, delete."""

import collections.abc
import pathlib
import typing
import urllib.parse

import pytest

from nova_lite import exceptions
from nova_lite.db.models import api as api_models
from nova_lite.db.queries import build_requests
from nova_lite.db.queries import instances
from nova_lite.db.queries import operations
from tests.fixtures import statements
from tests.functional.api import conftest


def names(api: conftest.Api, query: str = "", version: str = "2.100") -> list[str]:
    body = api.get(f"/servers/detail{query}", version=version)
    return [server["name"] for server in body["servers"]]


def test_server_that_is_only_asked_for_is_shown(api: conftest.Api) -> None:
    server_id = api.asked_for()
    server = api.get(f"/servers/{server_id}")["server"]
    assert (server["status"], server["OS-EXT-STS:task_state"]) == ("BUILD", "scheduling")
    assert names(api) == ["vm"]
    assert [s["id"] for s in api.get("/servers")["servers"]] == [server_id]


def test_name_is_no_id(api: conftest.Api) -> None:
    """Clients look up names by GET /servers/{name} first."""
    api.server()
    result = api.call("GET", "/servers/vm")
    assert (result.status_code, list(result.json)) == (404, ["itemNotFound"])


def test_show_costs_two_statements_in_the_cell(api: conftest.Api) -> None:
    server_id = api.server()
    with statements.counted(api.database.cell) as said:
        api.get(f"/servers/{server_id}", version="2.1")
    assert said == ["SELECT", "SELECT"]


def test_list_costs_do_not_grow(api: conftest.Api) -> None:
    for _ in range(3):
        api.server()
    with statements.counted(api.database.cell) as said:
        assert len(names(api)) == 3
    assert said == ["SELECT", "SELECT"]


@pytest.mark.parametrize(
    ("key", "since"),
    [
        ("OS-EXT-SRV-ATTR:hostname", 3),
        ("locked", 9),
        ("host_status", 16),
        ("description", 19),
        ("tags", 26),
        ("trusted_image_certificates", 63),
        ("server_groups", 71),
        ("locked_reason", 73),
        ("pinned_availability_zone", 96),
        ("scheduler_hints", 100),
    ],
)
def test_keys_come_with_their_version(api: conftest.Api, key: str, since: int) -> None:
    path = f"/servers/{api.server()}"
    assert key not in api.get(path, version=f"2.{since - 1}")["server"]
    assert key in api.get(path, version=f"2.{since}")["server"]


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a|a)*b",
        "(x){9}",
        "a*a*a*a*b",
        "a?" * 28 + "a" * 28,
        "(a|a)" * 25 + "b",
        "(a*)?(a*)?b",
    ],
)
def test_patterns_that_take_for_ever_are_refused(api: conftest.Api, pattern: str) -> None:
    query = urllib.parse.urlencode({"name": pattern})
    refused = api.call("GET", f"/servers?{query}")
    assert refused.status_code == 400
    assert "pattern" in refused.json["badRequest"]["message"]


@pytest.mark.parametrize(
    "pattern", ["alpha", "al|be|ga|de|ep|ze", "^(al|be)pha$", "alphas?$", "^a.*h[a-z]+$"]
)
def test_usual_patterns_are_taken(api: conftest.Api, pattern: str) -> None:
    api.server(display_name="alpha")
    assert names(api, "?" + urllib.parse.urlencode({"name": pattern})) == ["alpha"]


def test_flavor_is_embedded_from_2_47(api: conftest.Api) -> None:
    path = f"/servers/{api.server()}"
    assert set(api.get(path, version="2.46")["server"]["flavor"]) == {"id", "links"}
    flavor = api.get(path, version="2.47")["server"]["flavor"]
    shown = {"vcpus", "ram", "disk", "ephemeral", "swap", "original_name", "extra_specs"}
    assert set(flavor) == shown


def test_fault_is_shown_and_its_details_are_for_administrators(api: conftest.Api) -> None:
    server_id = api.server(vm_state="error")
    with api.database.cell.write() as tx:
        instances.add_fault(tx, server_id, "No valid host was found.", "host1: resources")
    fault = api.get(f"/servers/{server_id}")["server"]["fault"]
    assert (fault["code"], fault["details"]) == (500, "host1: resources")
    member = {"X-Roles": "member,reader"}
    seen = api.get(f"/servers/{server_id}", headers=member)["server"]
    assert seen["fault"]["message"] == "No valid host was found."
    assert "details" not in seen["fault"]


def test_paging(api: conftest.Api) -> None:
    created = [api.server() for _ in range(5)]
    seen: list[str] = []
    query = "?limit=2&sort_key=created_at&sort_dir=asc"
    for _ in range(3):
        body = api.get(f"/servers{query}")
        seen += [server["id"] for server in body["servers"]]
        if "servers_links" in body:
            query = "?" + body["servers_links"][0]["href"].partition("?")[2]
    assert seen == created
    assert api.call("GET", f"/servers?marker={conftest.new_uuid()}").status_code == 400


def test_paging_over_servers_that_are_only_asked_for(api: conftest.Api) -> None:
    old = [api.server() for _ in range(2)]
    new = [api.asked_for() for _ in range(3)]
    first = api.get("/servers?limit=2")["servers"]
    rest = api.get(f"/servers?limit=10&marker={first[-1]['id']}")["servers"]
    assert [s["id"] for s in first + rest] == [*reversed(new), *reversed(old)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?name=^a", ["alpha"]),
        ("?status=ACTIVE", ["alpha"]),
        ("?status=SHUTOFF", ["beta"]),
        ("?status=ACTIVE&status=SHUTOFF", ["beta", "alpha"]),
        ("?status=SHUTOFF&status=ERROR", ["beta"]),
        ("?status=ACTIVE&status=DELETED", ["alpha"]),
        ("?status=DELETED", []),
        ("?host=host2", ["beta"]),
        ("?tags=red", ["alpha"]),
        ("?not-tags=red", ["beta"]),
        ("?tags-any=red,green", ["beta", "alpha"]),
        ("?deleted=False", ["beta", "alpha"]),
        ("?deleted=True", []),
        ("?all_tenants=1", ["beta", "alpha"]),
        ("?flavor=1&sort_key=display_name&sort_dir=asc", ["alpha", "beta"]),
        ("?flavor=2", []),
        ("?locked=true", []),
        ("?changes-since=2000-01-01T00:00:00Z", ["beta", "alpha"]),
        ("?changes-before=2000-01-01T00:00:00Z", []),
        ("?availability_zone=nova&project_id=demo", ["beta", "alpha"]),
        ("?ip=10.0.0.1", []),
    ],
)
def test_filters(api: conftest.Api, query: str, expected: list[str]) -> None:
    api.server(display_name="alpha", tags=["red"])
    api.server("host2", display_name="beta", vm_state="stopped", tags=["green"])
    assert names(api, query) == expected


@pytest.mark.parametrize("name", ["project_id", "tenant_id"])
def test_another_project_is_seen_by_all_tenants_only(
    make_api: collections.abc.Callable[..., conftest.Api], tmp_path: pathlib.Path, name: str
) -> None:
    """Nova: without ``all_tenants``, or the right to it, whatever project is named."""
    rules = tmp_path / "policy.yaml"
    rules.write_text('"os_compute_api:servers:allow_all_filters": "role:support"\n')
    api = make_api(settings=f"[oslo_policy]\npolicy_file = {rules}\n")
    api.server(display_name="ours")
    api.asked_for(name="ours-asked-for")
    theirs = {"X-Roles": "admin,member,reader", "X-Project-Id": "theirs"}
    body = {"name": "theirs", "flavorRef": "1", "networks": "none", "imageRef": api.image()}
    assert api.call("POST", "/servers", {"server": body}, headers=theirs).status_code == 202
    support = {"X-Roles": "support,reader", "X-Project-Id": "demo"}
    admin = {"X-Roles": "admin,support,member,reader", "X-Project-Id": "demo"}

    def seen(query: str, headers: dict[str, str]) -> list[str]:
        listed = api.get(f"/servers?{name}=theirs{query}", headers=headers)["servers"]
        return [server["name"] for server in listed]

    assert seen("", support) == ["ours-asked-for", "ours"]
    assert seen("", admin) == ["ours-asked-for", "ours"]
    assert seen("&all_tenants=1", admin) == ["theirs"]
    refused = api.call("GET", f"/servers?{name}=theirs&all_tenants=1", headers=support)
    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sort_dir=asc", "a1 b2 c1 c2"),
        ("sort_dir=desc", "c2 c1 b2 a1"),
        ("sort_key=display_name", "c2 c1 b2 a1"),
        ("sort_key=hostname&sort_key=display_name", "c2 b2 c1 a1"),
        ("sort_key=hostname&sort_dir=asc&sort_key=display_name", "a1 c1 b2 c2"),
        ("sort_key=hostname&sort_dir=desc&sort_key=display_name&sort_dir=asc", "b2 c2 a1 c1"),
    ],
)
def test_directions_of_keys(api: conftest.Api, query: str, expected: str) -> None:
    """Nova: created_at if no key is given; the first direction if there are too few."""
    for name in ("a1", "b2", "c1", "c2"):
        api.server(display_name=name, hostname=name[1])
    assert names(api, f"?{query}") == expected.split()
    excess = api.call("GET", "/servers?sort_dir=asc&sort_dir=asc")
    assert (excess.status_code, "exceeds" in excess.text) == (400, True)


@pytest.mark.parametrize("key", ["host", "node"])
def test_only_administrators_sort_by_host(api: conftest.Api, key: str) -> None:
    member = {"X-Roles": "member,reader"}
    for query in (f"sort_key={key}", f"sort_key=uuid&sort_key={key}&sort_dir=asc"):
        result = api.call("GET", f"/servers?{query}", headers=member)
        assert result.status_code == 403
        message = result.json["forbidden"]["message"]
        assert message == f"Only administrators can sort servers by {key}"
        assert api.call("GET", f"/servers/detail?{query}").status_code == 200


def test_bad_filters(api: conftest.Api) -> None:
    for query in ("?surprise=1", "?name=(", "?changes-since=today", "?sort_key=flavour"):
        assert api.call("GET", f"/servers{query}").status_code == 400, query
    assert names(api, "?surprise=1", version="2.74") == []


def test_update(api: conftest.Api) -> None:
    path = f"/servers/{api.server()}"
    body = {"server": {"name": " new ", "description": "d", "hostname": "h1.example"}}
    changed = api.call("PUT", path, body).json["server"]
    assert (changed["name"], changed["description"]) == ("new", "d")
    assert "OS-EXT-STS:vm_state" in changed  # everything, since 2.75
    old = api.call("PUT", path, {"server": {"name": "x"}}, version="2.74").json["server"]
    assert "OS-EXT-STS:vm_state" not in old


def test_metadata(api: conftest.Api) -> None:
    path = f"/servers/{api.server()}/metadata"
    assert api.call("POST", path, {"metadata": {"a": "1", "b": "2"}}).status_code == 200
    assert api.call("PUT", f"{path}/a", {"meta": {"a": "3"}}).json == {"meta": {"a": "3"}}
    assert api.call("PUT", f"{path}/a", {"meta": {"z": "3"}}).status_code == 400
    assert api.get(f"{path}/a") == {"meta": {"a": "3"}}
    assert api.call("DELETE", f"{path}/b").status_code == 204
    assert api.call("DELETE", f"{path}/b").status_code == 404
    assert api.call("PUT", path, {"metadata": {"c": "1"}}).json == {"metadata": {"c": "1"}}
    many = {f"k{number}": "v" for number in range(129)}
    assert api.call("PUT", path, {"metadata": many}).status_code == 403


def test_tags(api: conftest.Api) -> None:
    path = f"/servers/{api.server()}/tags"
    assert api.call("GET", path, version="2.25").status_code == 404
    assert api.call("PUT", f"{path}/a").status_code == 201
    assert api.call("PUT", f"{path}/a").status_code == 204
    assert api.call("GET", f"{path}/a").status_code == 204
    assert api.call("GET", f"{path}/b").status_code == 404
    assert api.call("PUT", path, {"tags": ["x", "y"]}).json == {"tags": ["x", "y"]}
    assert api.call("DELETE", f"{path}/x").status_code == 204
    assert api.call("DELETE", path).status_code == 204
    assert api.get(path) == {"tags": []}


def test_console(api: conftest.Api) -> None:
    server_id = api.server()
    api.compute.get_console_output.return_value = "hello"
    path = f"/servers/{server_id}/action"
    body = {"os-getConsoleOutput": {"length": "5"}}
    assert api.call("POST", path, body).json == {"output": "hello"}
    assert api.compute.get_console_output.call_args.args[1:] == ("host1", server_id, 5)
    api.compute.get_console_output.side_effect = exceptions.GuestNotFound(instance_uuid=server_id)
    assert api.call("POST", path, {"os-getConsoleOutput": {}}).status_code == 409
    assert api.call("POST", path, {"os-dance": None}).status_code == 400


# Delete


def test_delete_on_its_host(api: conftest.Api) -> None:
    api.host()
    server_id = api.server()
    assert api.call("DELETE", f"/servers/{server_id}").status_code == 204
    (_, host, instance, operation, _) = api.compute.terminate_instance.call_args.args
    assert (host, instance.uuid, operation.owner) == ("host1", server_id, "host1")
    server = api.get(f"/servers/{server_id}")["server"]
    assert server["OS-EXT-STS:task_state"] == "deleting"
    # A repeat is harmless and starts nothing.
    assert api.call("DELETE", f"/servers/{server_id}").status_code == 204
    api.compute.terminate_instance.assert_called_once()


def test_delete_when_the_host_is_down(api: conftest.Api) -> None:
    """RULES B10."""
    api.host()
    api.silence("host1")
    server_id = api.server()
    assert api.call("DELETE", f"/servers/{server_id}").status_code == 204
    api.compute.terminate_instance.assert_not_called()
    assert api.conductor.delete_instance.call_args.args[2].owner == "conductor"


def test_delete_withdraws_what_is_only_asked_for(api: conftest.Api) -> None:
    """S146, PAINS D15: nothing is left, and the volume is available again."""
    volume = api.volume()
    row = {"uuid": volume, "source_type": "volume", "destination_type": "volume"}
    result = api.create(imageRef="", block_device_mapping_v2=[row | {"boot_index": 0}])
    api.cinder.delete_volume.side_effect = AssertionError("it was the user's before")
    server_id = result.json["server"]["id"]
    assert api.call("DELETE", f"/servers/{server_id}").status_code == 204
    assert api.volumes[volume].status == "available"
    for table in (api_models.build_requests, api_models.instance_mappings):
        assert api.count(table) == 0
    assert api.call("GET", f"/servers/{server_id}").status_code == 404


def test_delete_of_what_becomes_ready_meanwhile(
    api: conftest.Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is held is read when it is sure that it does not change any more."""
    volume = api.volume()
    row = {"uuid": volume, "source_type": "volume", "destination_type": "volume"}
    result = api.create(imageRef="", block_device_mapping_v2=[row | {"boot_index": 0}])
    real = build_requests.get

    def before_that(*args: typing.Any) -> typing.Any:
        wish = real(*args)
        for device in wish.block_devices.objects:
            device.attachment_id = device.phase = None
        return wish

    monkeypatch.setattr(build_requests, "get", before_that)
    assert api.call("DELETE", f"/servers/{result.json['server']['id']}").status_code == 204
    assert api.volumes[volume].status == "available"


def test_force_delete(api: conftest.Api) -> None:
    api.host()
    server_id = api.server()
    result = api.call("POST", f"/servers/{server_id}/action", {"forceDelete": None})
    assert result.status_code == 202
    api.compute.terminate_instance.assert_called_once()


def test_actions(api: conftest.Api) -> None:
    """S2, PAINS D1: users see what is being done."""
    api.host()
    server_id = api.server()
    api.call("DELETE", f"/servers/{server_id}")
    path = f"/servers/{server_id}/os-instance-actions"
    (entry,) = api.get(path)["instanceActions"]
    assert entry["action"] == "delete"
    assert "updated_at" not in api.get(path, version="2.57")["instanceActions"][0]
    one = api.get(f"{path}/{entry['request_id']}")["instanceAction"]
    assert one["events"][0]["event"] == operations.STEP_CAST
    assert one["events"][0]["host"] == "host1"
    member = {"X-Roles": "member,reader"}
    seen = f"{path}/{entry['request_id']}"
    assert "events" not in api.get(seen, version="2.50", headers=member)["instanceAction"]
    events = api.get(seen, version="2.62", headers=member)["instanceAction"]["events"]
    assert set(events[0]) == {"event", "start_time", "finish_time", "result", "hostId"}
    assert api.call("GET", f"{path}/req-none").status_code == 404
