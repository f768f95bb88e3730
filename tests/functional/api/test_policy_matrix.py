"""Who may do what by default, as one table: reader, member, administrator.

404 where what exists is not to be known; a stranger never learns of a server.
"""

import typing

import pytest

from nova_lite.api import routes
from tests.functional.api import conftest

PROJECT = {"X-Project-Id": "demo", "X-User-Id": "alice"}
READER = PROJECT | {"X-Roles": "reader"}
MEMBER = PROJECT | {"X-Roles": "member,reader"}
ADMIN = PROJECT | {"X-Roles": "admin,member,reader"}
STRANGER = {"X-Project-Id": "other", "X-User-Id": "bob", "X-Roles": "member,reader"}

ALL, CHANGE, ADMINS = "reader member admin", "member admin", "admin"

# Method and path -> version, body, and who may.
TABLE: dict[tuple[str, str], tuple[str, object, str]] = {
    ("GET", "/servers"): ("2.100", None, ALL),
    ("GET", "/servers/detail"): ("2.100", None, ALL),
    ("GET", "/servers/{server_id}"): ("2.100", None, ALL),
    ("PUT", "/servers/{server_id}"): ("2.100", {"server": {"name": "n"}}, CHANGE),
    ("GET", "/servers/{server_id}/metadata"): ("2.100", None, ALL),
    ("POST", "/servers/{server_id}/metadata"): ("2.100", {"metadata": {"a": "b"}}, CHANGE),
    ("PUT", "/servers/{server_id}/metadata"): ("2.100", {"metadata": {"m": "b"}}, CHANGE),
    ("GET", "/servers/{server_id}/metadata/{key}"): ("2.100", None, ALL),
    ("PUT", "/servers/{server_id}/metadata/{key}"): ("2.100", {"meta": {"m": "c"}}, CHANGE),
    ("GET", "/servers/{server_id}/tags"): ("2.100", None, ALL),
    ("PUT", "/servers/{server_id}/tags"): ("2.100", {"tags": ["red"]}, CHANGE),
    ("GET", "/servers/{server_id}/tags/{tag}"): ("2.100", None, ALL),
    ("PUT", "/servers/{server_id}/tags/{tag}"): ("2.100", None, CHANGE),
    ("GET", "/servers/{server_id}/os-volume_attachments"): ("2.89", None, ALL),
    ("GET", "/servers/{server_id}/os-instance-actions"): ("2.100", None, ALL),
    ("GET", "/servers/{server_id}/nova-lite-storage-trace"): ("2.100", None, ADMINS),
    ("GET", "/flavors"): ("2.100", None, ALL),
    ("GET", "/flavors/detail"): ("2.100", None, ALL),
    ("GET", "/flavors/{flavor_id}"): ("2.100", None, ALL),
    ("POST", "/flavors"): (
        "2.100",
        {"flavor": {"name": "x", "ram": 1, "vcpus": 1, "disk": 1}},
        ADMINS,
    ),
    ("PUT", "/flavors/{flavor_id}"): ("2.100", {"flavor": {"description": "d"}}, ADMINS),
    ("GET", "/flavors/{flavor_id}/os-extra_specs"): ("2.100", None, ALL),
    ("POST", "/flavors/{flavor_id}/os-extra_specs"): (
        "2.100",
        {"extra_specs": {"a": "b"}},
        ADMINS,
    ),
    ("GET", "/os-services"): ("2.100", None, ADMINS),
    ("GET", "/os-hypervisors"): ("2.100", None, ADMINS),
    ("GET", "/os-hypervisors/detail"): ("2.100", None, ADMINS),
    ("GET", "/os-hypervisors/statistics"): ("2.87", None, ADMINS),
    ("GET", "/os-aggregates"): ("2.100", None, ADMINS),
    ("GET", "/os-availability-zone"): ("2.100", None, ALL),
    ("GET", "/os-availability-zone/detail"): ("2.100", None, ADMINS),
    ("GET", "/os-quota-sets/{project_id}"): ("2.100", None, ALL),
    ("GET", "/os-quota-sets/{project_id}/defaults"): ("2.100", None, ALL),
    ("GET", "/os-quota-sets/{project_id}/detail"): ("2.100", None, ALL),
    ("PUT", "/os-quota-sets/{project_id}"): ("2.100", {"quota_set": {"cores": 99}}, ADMINS),
    ("DELETE", "/os-quota-sets/{project_id}"): ("2.100", None, ADMINS),
    ("GET", "/limits"): ("2.100", None, ALL),
    ("GET", "/os-keypairs"): ("2.100", None, ALL),
}

# What has an outside effect is in the tests of its own.
ELSEWHERE = {
    ("POST", "/servers"), ("DELETE", "/servers/{server_id}"),
    ("POST", "/servers/{server_id}/action"),
    ("DELETE", "/servers/{server_id}/metadata/{key}"), ("DELETE", "/servers/{server_id}/tags"),
    ("DELETE", "/servers/{server_id}/tags/{tag}"),
    ("POST", "/servers/{server_id}/os-volume_attachments"),
    ("GET", "/servers/{server_id}/os-volume_attachments/{volume_id}"),
    ("PUT", "/servers/{server_id}/os-volume_attachments/{volume_id}"),
    ("DELETE", "/servers/{server_id}/os-volume_attachments/{volume_id}"),
    ("GET", "/servers/{server_id}/os-instance-actions/{request_id}"),
    ("DELETE", "/flavors/{flavor_id}"), ("POST", "/flavors/{flavor_id}/action"),
    ("GET", "/flavors/{flavor_id}/os-flavor-access"),
    ("GET", "/flavors/{flavor_id}/os-extra_specs/{key}"),
    ("PUT", "/flavors/{flavor_id}/os-extra_specs/{key}"),
    ("DELETE", "/flavors/{flavor_id}/os-extra_specs/{key}"),
    ("PUT", "/os-services/{service_id}"), ("DELETE", "/os-services/{service_id}"),
    ("GET", "/os-hypervisors/{hypervisor_id}"),
    ("GET", "/os-hypervisors/{hypervisor_id}/search"),
    ("GET", "/os-hypervisors/{hypervisor_id}/servers"),
    ("POST", "/os-server-external-events"),
    ("POST", "/os-keypairs"), ("GET", "/os-keypairs/{keypair_name}"),
    ("DELETE", "/os-keypairs/{keypair_name}"),
}  # fmt: skip


def test_the_table_is_whole() -> None:
    every = {(method, url) for url, methods in routes.ROUTES.items() for method in methods}
    assert set(TABLE) | ELSEWHERE == every
    assert not set(TABLE) & ELSEWHERE


@pytest.fixture(name="server_id")
def fixture_server_id(api: conftest.Api) -> str:
    server_id = api.asked_for(metadata={"m": "1"}, tags=["red"])
    api.build(server_id)
    return server_id


@pytest.mark.parametrize(("method", "url"), TABLE)
def test_who_may(api: conftest.Api, server_id: str, method: str, url: str) -> None:
    version, body, allowed = TABLE[method, url]
    path = url.format(server_id=server_id, key="m", tag="red", flavor_id="1", project_id="demo")

    def status(headers: dict[str, str]) -> int:
        result: typing.Any = api.call(method, path, body, version=version, headers=headers)
        return int(result.status_code)

    for role, headers in (("reader", READER), ("member", MEMBER), ("admin", ADMIN)):
        code = status(headers)
        expected = 200 <= code < 300 if role in allowed else code == 403
        assert expected, f"{role}: {code}"
    if "{server_id}" in url:
        assert status(STRANGER) == 404
    elif "{project_id}" in url and "defaults" not in url:
        assert status(STRANGER) == 403
