"""Discovery, microversions, errors and request ids on the wire."""

import re

import pytest

from tests.functional.api import conftest


@pytest.mark.parametrize("path", ["/v2.1", "/v2.1/"])
def test_version_document_is_what_keystoneauth_needs(api: conftest.Api, path: str) -> None:
    version = api.raw("GET", path).json["version"]
    assert (version["id"], version["status"]) == ("v2.1", "CURRENT")
    assert (version["min_version"], version["version"]) == ("2.1", "2.100")
    assert version["links"][0]["href"].endswith("/v2.1/")
    assert version["media-types"][0]["base"] == "application/json"


def test_root_lists_versions(api: conftest.Api) -> None:
    assert [v["id"] for v in api.raw("GET", "/").json["versions"]] == ["v2.1"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "2.1"),
        ({"OpenStack-API-Version": "compute 2.60"}, "2.60"),
        ({"X-OpenStack-Nova-API-Version": "2.60"}, "2.60"),
        ({"OpenStack-API-Version": "compute latest"}, "2.100"),
        ({"OpenStack-API-Version": "volume 3.50"}, "2.1"),
        (
            {
                "OpenStack-API-Version": "compute 2.61",
                "X-OpenStack-Nova-API-Version": "2.60",
            },
            "2.61",
        ),
    ],
)
def test_negotiated_version_is_said(
    api: conftest.Api, headers: dict[str, str], expected: str
) -> None:
    result = api.call("GET", "/flavors", version=None, headers=headers)
    assert result.headers["OpenStack-API-Version"] == f"compute {expected}"
    assert result.headers["X-OpenStack-Nova-API-Version"] == expected
    assert "OpenStack-API-Version" in result.headers["Vary"]


@pytest.mark.parametrize("text", ["2.101", "3.1", "2.0", "1.9"])
def test_unknown_version_is_406(api: conftest.Api, text: str) -> None:
    result = api.call("GET", "/flavors", version=text)
    assert result.status_code == 406
    assert result.json["computeFault"]["code"] == 406
    assert "2.1" in result.json["computeFault"]["message"]


@pytest.mark.parametrize("text", ["2", "a.b", "2.1.1", "2.01"])
def test_malformed_version_is_400(api: conftest.Api, text: str) -> None:
    result = api.call("GET", "/flavors", version=text)
    assert result.status_code == 400
    assert result.json["badRequest"]["code"] == 400


def test_project_id_in_the_path_is_kept_in_links(api: conftest.Api) -> None:
    (flavor,) = api.get("/demo/flavors")["flavors"]
    assert flavor["links"][0]["href"].endswith("/v2.1/demo/flavors/1")
    assert flavor["links"][1]["href"].endswith("/demo/flavors/1")


def test_errors_have_novas_form(api: conftest.Api) -> None:
    assert api.call("GET", "/nothing").json == {
        "itemNotFound": {"code": 404, "message": "The resource could not be found."}
    }
    wrong = api.call("PATCH", "/flavors/1")
    assert wrong.status_code == 405
    assert wrong.json["badMethod"]["code"] == 405
    assert "GET" in wrong.headers["Allow"]


def test_500_tells_nothing_but_the_class(api: conftest.Api) -> None:
    api.glance.get_image.side_effect = RuntimeError("password=hunter2")
    result = api.create(imageRef=conftest.new_uuid())
    assert result.status_code == 500
    assert "hunter2" not in result.text
    assert "RuntimeError" in result.json["computeFault"]["message"]


def test_request_ids(api: conftest.Api) -> None:
    result = api.call("GET", "/flavors")
    assert re.match(r"^req-[0-9a-f-]{36}$", result.headers["x-openstack-request-id"])
    assert result.headers["x-compute-request-id"] == result.headers["x-openstack-request-id"]


def test_callers_request_id_is_passed_on(api: conftest.Api) -> None:
    global_id = f"req-{conftest.new_uuid()}"
    body = {"server": {"name": "a", "flavorRef": "1", "imageRef": api.image()}}
    api.call(
        "POST", "/servers", body, version="2.1", headers={"X-OpenStack-Request-ID": global_id}
    )
    (ctxt, _wishes) = api.conductor.schedule_and_build_instances.call_args.args
    assert ctxt.global_request_id == global_id


def test_body_must_be_json(api: conftest.Api) -> None:
    path = "/v2.1/flavors"
    assert api.raw("POST", path, body="{").status_code == 400
    xml = api.raw("POST", path, body="<x/>", headers={"Content-Type": "application/xml"})
    assert xml.status_code == 415
    large = api.raw("POST", path, body='"' + "x" * 200000 + '"')
    assert large.status_code == 413
