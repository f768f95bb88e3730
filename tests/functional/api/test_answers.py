"""Every answer at every version at which it changes (issue 2, item 2).

The client of these tests holds each answer against the schema that its handler
declares; here every handler that reads is asked, on both sides of each change.
"""

import re

import pytest

from nova_lite import context
from nova_lite import transitions
from nova_lite.api import microversion
from nova_lite.api import routes
from nova_lite.api import validation
from nova_lite.db.queries import instances
from nova_lite.db.queries import operations
from tests.functional.api import conftest

READER = {"X-Roles": "reader", "X-Project-Id": "demo"}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFyS2X5wZ7m1o6nUQyA6mV7lF0m1sB7m0v0vX1c0Zf1E me"

GETS = [
    pytest.param(url, methods["GET"], id=url)
    for url, methods in routes.ROUTES.items()
    if "GET" in methods
]


def _around_changes(handler: object) -> list[str]:
    """The first version of each range, the last before it, and the newest."""
    since, until = getattr(handler, "available", (microversion.MINIMUM, microversion.MAXIMUM))
    minors = {since.minor, until.minor}
    by_status: dict[int, validation.Schemas] = handler.answers  # type: ignore[attr-defined]
    for schemas in by_status.values():
        for first, last, _ in schemas.ranges:
            minors |= {first.minor, last.minor}
    return [f"2.{minor}" for minor in sorted(minors) if since.minor <= minor <= until.minor]


def _journal(api: conftest.Api, server_id: str) -> str:
    """An action of the server; returns its request id."""
    with api.database.cell.read() as tx:
        instance = instances.get(tx, server_id)
    ctxt = context.RequestContext(user_id="u", project_id="demo", overwrite=False)
    operation = api.database.cell.transact(
        operations.start, ctxt, instance, transitions.DELETE, owner="host1"
    )
    return str(operation.request_id)


@pytest.fixture(name="world")
def fixture_world(api: conftest.Api) -> dict[str, str]:
    """A value for each parameter of a path."""
    api.host("host1")
    api.node("host1")
    api.flavor("2", **{"os-flavor-access:is_public": False, "swap": 512})
    api.call("POST", "/flavors/2/os-extra_specs", {"extra_specs": {"hw:k": "v"}})
    api.call("POST", "/os-keypairs", {"keypair": {"name": "me", "public_key": KEY}})
    volume = api.volume()
    row = {"uuid": volume, "source_type": "volume", "destination_type": "volume", "tag": "t"}
    root = row | {"boot_index": 0}
    server_id = api.asked_for(
        imageRef="", block_device_mapping_v2=[root], metadata={"m": "1"}, tags=["red"]
    )
    api.build(server_id)
    api.server(vm_state="error")
    api.asked_for()
    return {
        "server_id": server_id,
        "volume_id": volume,
        "flavor_id": "2",
        "request_id": _journal(api, server_id),
        "project_id": "demo",
        "keypair_name": "me",
        "tag": "red",
    }


def _path(api: conftest.Api, url: str, world: dict[str, str], version: str) -> str:
    values = dict(world, key="hw:k" if "extra_specs" in url else "m")
    by_uuid = microversion.parse(version) >= microversion.UUIDS_OF_SERVICES
    if "{hypervisor_id}/" in url:
        values["hypervisor_id"] = "host1"
    elif "{hypervisor_id}" in url:
        (node,) = api.get("/os-hypervisors", version=version)["hypervisors"]
        values["hypervisor_id"] = str(node["id"])
        assert isinstance(node["id"], str) == by_uuid
    return re.sub(r"{(\w+)}", lambda match: values[match[1]], url)


@pytest.mark.parametrize(("url", "handler"), GETS)
def test_reads(api: conftest.Api, world: dict[str, str], url: str, handler: object) -> None:
    for version in _around_changes(handler):
        path = _path(api, url, world, version)
        for headers in ({}, READER):
            result = api.call("GET", path, version=version, headers=headers)
            allowed = (200, 204) if not headers else (200, 204, 403, 404)
            assert result.status_code in allowed, f"{version}: {result.text}"


def test_hypervisors_with_servers(api: conftest.Api, world: dict[str, str]) -> None:
    """From 2.75 on a host without servers has an empty list, not none."""
    api.host("idle")
    api.node("idle")
    for version, expected in (("2.53", False), ("2.74", False), ("2.75", True), ("2.100", True)):
        for url in ("/os-hypervisors", "/os-hypervisors/detail"):
            found = api.get(f"{url}?with_servers=true", version=version)["hypervisors"]
            idle = next(one for one in found if one["hypervisor_hostname"] == "idle")
            busy = next(one for one in found if one["hypervisor_hostname"] == "host1")
            assert ("servers" in idle) == expected
            assert {one["uuid"] for one in busy["servers"]} >= {world["server_id"]}


def test_server_groups_are_of_one_server_only(api: conftest.Api, world: dict[str, str]) -> None:
    """2.71: in a show and an update, not in a list."""
    url = f"/servers/{world['server_id']}"
    for version in ("2.70", "2.71", "2.100"):
        known = version != "2.70"
        assert ("server_groups" in api.get(url, version=version)["server"]) == known
        changed = api.call("PUT", url, {"server": {"name": "new"}}, version=version)
        assert ("server_groups" in changed.json["server"]) == known
        for server in api.get("/servers/detail", version=version)["servers"]:
            assert "server_groups" not in server


def test_what_an_update_shows(api: conftest.Api, world: dict[str, str]) -> None:
    """2.75: as much as a show; before, the plain keys."""
    url = f"/servers/{world['server_id']}"
    for version in ("2.1", "2.18", "2.19", "2.63", "2.74", "2.75", "2.90", "2.96", "2.100"):
        result = api.call("PUT", url, {"server": {"name": "new"}}, version=version)
        assert result.status_code == 200, result.text
        whole = "OS-EXT-STS:vm_state" in result.json["server"]
        assert whole == (microversion.parse(version) >= microversion.STRICT_AND_UNIFORM)
