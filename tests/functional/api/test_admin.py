"""Services, hypervisors, zones, limits, quotas, flavors."""

import pytest

from nova_lite import objects
from nova_lite.db.queries import instances
from tests.fixtures import hosts
from tests.functional.api import conftest


def node(api: conftest.Api, host: str = "host1") -> objects.ComputeNode:
    api.host(host)
    found = objects.ComputeNode(
        uuid=conftest.new_uuid(), host=host, hypervisor_hostname=f"{host}.example",
        hypervisor_type="fake", hypervisor_version=1, cpu_info={"model": "x"},
        vcpus=8, memory_mib=4096, disk_gib=100, host_ip="192.0.2.1",
    )  # fmt: skip
    with api.database.api.write() as tx:
        return hosts.report(tx, found)


def test_services(api: conftest.Api) -> None:
    api.host()
    (service,) = api.get("/os-services?binary=nova-compute")["services"]
    assert (service["state"], service["status"], service["zone"]) == ("up", "enabled", "nova")
    path = f"/os-services/{service['id']}"
    body = {"status": "disabled", "disabled_reason": "why"}
    changed = api.call("PUT", path, body).json["service"]
    assert (changed["status"], changed["disabled_reason"]) == ("disabled", "why")
    assert api.call("PUT", path, {"disabled_reason": "why"}).status_code == 400
    api.silence("host1")
    assert api.get("/os-services")["services"][0]["state"] == "down"
    assert api.call("DELETE", path).status_code == 204
    assert api.call("DELETE", path).status_code == 404


@pytest.mark.parametrize("version", ["2.52", "2.53"])
def test_a_service_with_servers_is_not_deleted(api: conftest.Api, version: str) -> None:
    """Nova: 409. Its servers would have no host to be deleted by."""
    api.host()
    server_id = api.server()
    (service,) = api.get("/os-services?binary=nova-compute", version=version)["services"]
    path = f"/os-services/{service['id']}"
    refused = api.call("DELETE", path, version=version)
    assert (refused.status_code, "host1" in refused.text) == (409, True)
    with api.database.cell.write() as tx:
        instances.mark_deleted(tx, server_id)
    assert api.call("DELETE", path, version=version).status_code == 204


def test_services_before_2_53(api: conftest.Api) -> None:
    api.host()
    (service,) = api.get("/os-services", version="2.10")["services"]
    assert isinstance(service["id"], int)
    assert "forced_down" not in service
    body = {"host": "host1", "binary": "nova-compute"}
    disabled = api.call("PUT", "/os-services/disable", body, version="2.1")
    assert disabled.json == {"service": {**body, "status": "disabled"}}
    down = api.call(
        "PUT", "/os-services/force-down", {**body, "forced_down": True}, version="2.11"
    )
    assert down.json["service"]["forced_down"] is True
    assert api.get("/os-services")["services"][0]["state"] == "down"
    assert api.call("PUT", "/os-services/dance", body, version="2.1").status_code == 404


def test_hypervisors(api: conftest.Api) -> None:
    made = node(api)
    server = api.server()
    (brief,) = api.get("/os-hypervisors")["hypervisors"]
    assert set(brief) == {"id", "hypervisor_hostname", "state", "status"}
    assert brief["id"] == made.uuid
    old = api.get("/os-hypervisors/detail", version="2.1")["hypervisors"][0]
    assert (old["id"], old["cpu_info"], old["vcpus"]) == (made.id, '{"model": "x"}', 8)
    new = api.get(f"/os-hypervisors/{made.uuid}?with_servers=true")["hypervisor"]
    assert "vcpus" not in new
    assert new["servers"][0]["uuid"] == server
    assert api.get("/os-hypervisors/statistics", version="2.87")["hypervisor_statistics"]["count"]
    assert api.call("GET", "/os-hypervisors/statistics").status_code == 404
    assert api.get("/os-hypervisors/host1/search", version="2.52")["hypervisors"]
    assert api.call("GET", f"/os-hypervisors/{conftest.new_uuid()}").status_code == 404


def test_zones(api: conftest.Api) -> None:
    api.host("host1", zone="east")
    (zone,) = api.get("/os-availability-zone")["availabilityZoneInfo"]
    assert zone == {"zoneName": "east", "zoneState": {"available": True}, "hosts": None}
    (zone,) = api.get("/os-availability-zone/detail")["availabilityZoneInfo"]
    assert zone["hosts"]["host1"]["nova-compute"]["available"] is True


def test_limits_and_quotas(api: conftest.Api) -> None:
    api.server()
    absolute = api.get("/limits")["limits"]["absolute"]
    assert (absolute["maxTotalInstances"], absolute["totalInstancesUsed"]) == (10, 1)
    assert "maxImageMeta" not in absolute
    assert "maxTotalFloatingIps" in api.get("/limits", version="2.35")["limits"]["absolute"]
    path = "/os-quota-sets/demo"
    assert api.call("PUT", path, {"quota_set": {"instances": 0}}).status_code == 400
    forced = {"quota_set": {"instances": 0, "force": True}}
    assert api.call("PUT", path, forced).json["quota_set"]["instances"] == 0
    detail = api.get(f"{path}/detail")["quota_set"]["instances"]
    assert detail == {"limit": 0, "in_use": 1, "reserved": 0}
    assert api.call("DELETE", path).status_code == 202
    assert api.get(path)["quota_set"]["instances"] == 10
    assert api.get(f"{path}/defaults")["quota_set"]["cores"] == 20


def test_quotas_of_single_users_are_refused(api: conftest.Api) -> None:
    """The project's own are not changed in their place."""
    path = "/os-quota-sets/demo"
    body = {"quota_set": {"instances": 1}}
    for version in ("2.1", "2.75"):
        for method, sent in (("PUT", body), ("DELETE", None)):
            result = api.call(method, f"{path}?user_id=alice", sent, version=version)
            assert (result.status_code, "single users" in result.text) == (400, True)
    assert api.get(path)["quota_set"]["instances"] == 10
    assert api.call("PUT", path, body).status_code == 200
    assert api.call("DELETE", f"{path}?user_id=alice").status_code == 400
    assert api.get(path)["quota_set"]["instances"] == 1


def test_the_quota_of_metadata_is_kept(api: conftest.Api) -> None:
    """The project's, not the configured one; what is too much already can be removed."""
    api.host()
    image = api.image()
    server_id = api.server(metadata={"a": "1", "b": "2", "c": "3"})
    metadata = f"/servers/{server_id}/metadata"
    api.call("PUT", "/os-quota-sets/demo", {"quota_set": {"metadata_items": 1}})
    assert api.get("/limits")["limits"]["absolute"]["maxServerMeta"] == 1
    two = {"x": "1", "y": "2"}
    assert api.create(imageRef=image, metadata=two).status_code == 403
    assert api.create(imageRef=image, metadata={"x": "1"}).status_code == 202
    assert api.call("POST", metadata, {"metadata": {"d": "4"}}).status_code == 403
    assert api.call("PUT", metadata, {"metadata": two}).status_code == 403
    assert api.call("PUT", f"{metadata}/d", {"meta": {"d": "4"}}).status_code == 403
    snapshot = {"createImage": {"name": "i", "metadata": two}}
    action = f"/servers/{server_id}/action"
    assert api.call("POST", action, snapshot, version="2.38").status_code == 403
    assert api.call("DELETE", f"{metadata}/a").status_code == 204
    assert api.get(metadata)["metadata"] == {"b": "2", "c": "3"}
    api.call("PUT", "/os-quota-sets/demo", {"quota_set": {"metadata_items": -1}})
    assert api.call("PUT", metadata, {"metadata": two}).status_code == 200


def test_flavors(api: conftest.Api) -> None:
    """S82, S83."""
    api.flavor("2", swap=512, **{"OS-FLV-EXT-DATA:ephemeral": 20})
    flavor = api.get("/flavors/2", version="2.1")["flavor"]
    assert (flavor["swap"], flavor["OS-FLV-EXT-DATA:ephemeral"]) == (512, 20)
    assert api.get("/flavors/1", version="2.74")["flavor"]["swap"] == ""
    assert api.get("/flavors/1")["flavor"]["swap"] == 0
    assert api.call("PUT", "/flavors/1", {"flavor": {"description": "d"}}).status_code == 200
    assert api.get("/flavors/1")["flavor"]["description"] == "d"
    specs = "/flavors/1/os-extra_specs"
    assert api.call("POST", specs, {"extra_specs": {"a": "1"}}).status_code == 200
    assert api.call("PUT", f"{specs}/b", {"b": "2"}).json == {"b": "2"}
    assert api.get("/flavors/1")["flavor"]["extra_specs"] == {"a": "1", "b": "2"}
    assert api.call("DELETE", f"{specs}/a").status_code == 200
    assert api.call("DELETE", f"{specs}/a").status_code == 404
    assert [f["id"] for f in api.get("/flavors?limit=1&marker=1")["flavors"]] == ["2"]
    assert api.call("POST", "/flavors", {"flavor": {"name": "f1", "ram": 1, "vcpus": 1, "disk": 0}}
                    ).status_code == 409  # fmt: skip
    assert api.call("DELETE", "/flavors/2").status_code == 202
    assert api.call("GET", "/flavors/2").status_code == 404


def test_private_flavors(api: conftest.Api) -> None:
    api.flavor("p", **{"os-flavor-access:is_public": False})
    other = {"X-Roles": "member,reader", "X-Project-Id": "other"}
    assert api.call("GET", "/flavors/p", headers=other).status_code == 404
    assert api.get("/flavors/p/os-flavor-access") == {"flavor_access": []}
    body = {"addTenantAccess": {"tenant": "other"}}
    assert api.call("POST", "/flavors/p/action", body).status_code == 200
    assert api.call("POST", "/flavors/p/action", body).status_code == 409
    assert api.call("GET", "/flavors/p", headers=other).status_code == 200
    access = api.get("/flavors/p/os-flavor-access")["flavor_access"]
    assert [row["tenant_id"] for row in access] == ["other"]
    body = {"removeTenantAccess": {"tenant": "other"}}
    assert api.call("POST", "/flavors/p/action", body).status_code == 200
    assert api.call("GET", "/flavors/p", headers=other).status_code == 404
    assert [f["id"] for f in api.get("/flavors?is_public=None")["flavors"]] == ["1", "p"]
