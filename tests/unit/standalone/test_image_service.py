"""The embedded image service beyond the contract."""

import collections.abc
import contextlib
import http.client
import json
import pathlib
import typing
import urllib.parse

import pytest
import requests

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite.standalone import image_service
from tests.fixtures import embedded


@pytest.fixture(name="service")
def fixture_service(tmp_path: pathlib.Path) -> typing.Iterator[embedded.Services]:
    with embedded.services(str(tmp_path)) as service:
        yield service


def request(
    service: embedded.Services, method: str, path: str, **options: typing.Any
) -> requests.Response:
    return requests.request(method, f"{service.image_url}{path}", timeout=10, **options)


def patch(
    service: embedded.Services, image_id: str, *changes: dict[str, object]
) -> requests.Response:
    headers = {"Content-Type": image_service.PATCH_TYPE}
    return request(service, "PATCH", f"/v2/images/{image_id}", json=list(changes), headers=headers)


def new(service: embedded.Services, **fields: object) -> str:
    body = {"disk_format": "raw", "container_format": "bare", **fields}
    return str(request(service, "POST", "/v2/images", json=body).json()["id"])


def names(service: embedded.Services, query: str) -> list[str]:
    images = request(service, "GET", f"/v2/images?{query}").json()["images"]
    return [image["name"] for image in images]


def test_a_chunked_upload(service: embedded.Services, tmp_path: pathlib.Path) -> None:
    image_id = new(service)
    answer = request(
        service,
        "PUT",
        f"/v2/images/{image_id}/file",
        data=iter([b"abc" * 1000, b"def" * 1000]),
        headers={"Content-Type": "application/octet-stream"},
    )
    assert answer.status_code == 204
    assert request(service, "GET", f"/v2/images/{image_id}").json()["size"] == 6000
    image = service.glance.get_image(service.ctxt, image_id)
    service.glance.download(service.ctxt, image, str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == b"abc" * 1000 + b"def" * 1000


def test_data_come_once(service: embedded.Services) -> None:
    image_id = service.upload(b"one")
    answer = request(service, "PUT", f"/v2/images/{image_id}/file", data=b"two")
    assert answer.status_code == 409


def test_an_image_without_data_cannot_be_downloaded(
    service: embedded.Services, tmp_path: pathlib.Path
) -> None:
    image_id = new(service)
    assert request(service, "GET", f"/v2/images/{image_id}/file").status_code == 204
    image = service.glance.get_image(service.ctxt, image_id)
    with pytest.raises(exceptions.ImageUnacceptable):
        service.glance.download(service.ctxt, image, str(tmp_path / "out"))


def test_lists_are_filtered(service: embedded.Services) -> None:
    first = new(service, name="a", os_distro="debian", tags=["x", "y"])
    second = new(service, name="b", visibility="public", protected=True)
    new(service, name="hidden", os_hidden=True)
    assert names(service, "sort=name:asc") == ["a", "b"]
    assert names(service, f"id=in:{first},{second}&sort=name:desc") == ["b", "a"]
    assert names(service, "name=a") == ["a"]
    assert names(service, "os_distro=debian") == ["a"]
    assert names(service, "tag=x&tag=y") == ["a"]
    assert names(service, "tag=x&tag=z") == []
    assert names(service, "protected=true") == ["b"]
    assert names(service, "visibility=public") == ["b"]
    assert names(service, "os_hidden=true") == ["hidden"]
    assert names(service, "size_min=1") == []
    page = request(service, "GET", "/v2/images?limit=1&sort=name:asc").json()
    assert names(service, page["next"].partition("?")[2]) == ["b"]


def test_changes_by_json_patch(service: embedded.Services) -> None:
    image_id = new(service, name="a", kind="x")
    assert patch(service, image_id, {"op": "replace", "path": "/name", "value": "b"}).ok
    assert patch(service, image_id, {"op": "add", "path": "/new~1key", "value": "v"}).ok
    assert patch(service, image_id, {"op": "remove", "path": "/kind"}).ok
    image = request(service, "GET", f"/v2/images/{image_id}").json()
    assert (image["name"], image["new/key"], "kind" in image) == ("b", "v", False)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"op": "replace", "path": "/absent", "value": "v"}, 409),
        ({"op": "remove", "path": "/absent"}, 400),
        ({"op": "remove", "path": "/name"}, 403),
        ({"op": "replace", "path": "/status", "value": "active"}, 403),
        ({"op": "replace", "path": "/checksum", "value": "0"}, 403),
        ({"op": "replace", "path": "/min_disk", "value": True}, 400),
        ({"op": "replace", "path": "/visibility", "value": "all"}, 400),
        ({"op": "test", "path": "/name", "value": "a"}, 400),
        ({"path": "/name"}, 400),
    ],
)
def test_changes_that_are_refused(
    service: embedded.Services, change: dict[str, object], status: int
) -> None:
    image_id = new(service, name="a")
    assert patch(service, image_id, change).status_code == status


RENAMED = {"op": "replace", "path": "/name", "value": "b"}


def patch_slowly(
    service: embedded.Services, image_id: str, meanwhile: collections.abc.Callable[[], object]
) -> int:
    """Change the name, with ``meanwhile`` done when the request is there but for its body."""
    body = json.dumps([RENAMED]).encode()
    netloc = urllib.parse.urlsplit(service.image_url).netloc
    with contextlib.closing(http.client.HTTPConnection(netloc, timeout=10)) as connection:
        connection.putrequest("PATCH", f"/v2/images/{image_id}")
        connection.putheader("Content-Type", image_service.PATCH_TYPE)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        assert concurrency.wait_until(
            lambda: any(call["method"] == "PATCH" for call in service.image_calls()), 10
        )
        meanwhile()
        connection.send(body)
        return connection.getresponse().status


def test_a_change_takes_nothing_back(service: embedded.Services) -> None:
    """Regression: the record was read before the body came, and an upload that ended
    between was undone."""
    image_id = new(service, name="a")
    path = f"/v2/images/{image_id}/file"
    headers = {"Content-Type": "application/octet-stream"}

    def upload() -> None:
        assert request(service, "PUT", path, data=b"data", headers=headers).status_code == 204

    assert patch_slowly(service, image_id, upload) == 200
    image = request(service, "GET", f"/v2/images/{image_id}").json()
    assert (image["name"], image["status"], image["size"]) == ("b", "active", 4)
    assert request(service, "PUT", path, data=b"more", headers=headers).status_code == 409


def test_a_change_brings_nothing_back(service: embedded.Services) -> None:
    image_id = new(service, name="a")

    def delete() -> None:
        assert request(service, "DELETE", f"/v2/images/{image_id}").status_code == 204

    assert patch_slowly(service, image_id, delete) == 404
    assert request(service, "GET", f"/v2/images/{image_id}").status_code == 404
    assert names(service, "") == []


def test_a_change_is_made_as_a_whole(service: embedded.Services) -> None:
    image_id = new(service, name="a")
    missing = {"op": "replace", "path": "/absent", "value": "v"}
    assert patch(service, image_id, RENAMED, missing).status_code == 409
    assert request(service, "GET", f"/v2/images/{image_id}").json()["name"] == "a"


@pytest.mark.parametrize(
    "fields",
    [{"disk_format": "exe"}, {"min_ram": "many"}, {"prop": 3}, {"id": "no-uuid"}],
)
def test_images_that_are_refused(service: embedded.Services, fields: dict[str, object]) -> None:
    assert request(service, "POST", "/v2/images", json=fields).status_code == 400


def test_deletion(service: embedded.Services, tmp_path: pathlib.Path) -> None:
    image_id = service.upload(b"data", protected=True)
    assert request(service, "DELETE", f"/v2/images/{image_id}").status_code == 403
    patch(service, image_id, {"op": "replace", "path": "/protected", "value": False})
    assert request(service, "DELETE", f"/v2/images/{image_id}").status_code == 204
    assert not list((tmp_path / "images").iterdir())


def test_projects_are_kept_apart(service: embedded.Services) -> None:
    private = service.upload(b"x", visibility="private")
    public = service.upload(b"x", visibility="public")
    eve = {"X-Project-Id": "evil", "X-Roles": "member"}
    path = f"/v2/images/{private}"
    assert request(service, "GET", path, headers=eve).status_code == 404
    assert request(service, "GET", f"{path}/file", headers=eve).status_code == 404
    path = f"/v2/images/{public}"
    assert request(service, "GET", path, headers=eve).status_code == 200
    assert request(service, "DELETE", path, headers=eve).status_code == 403


def test_tags(service: embedded.Services) -> None:
    image_id = new(service)
    path = f"/v2/images/{image_id}/tags/blue"
    assert request(service, "PUT", path).status_code == 204
    assert request(service, "GET", f"/v2/images/{image_id}").json()["tags"] == ["blue"]
    assert request(service, "DELETE", path).status_code == 204
    assert request(service, "DELETE", path).status_code == 404


def test_documents(service: embedded.Services) -> None:
    assert request(service, "GET", "/").status_code == 300
    versions = request(service, "GET", "/versions").json()["versions"]
    assert versions[0]["links"][0]["href"] == f"{service.image_url}/v2/"
    assert "properties" in request(service, "GET", "/v2/schemas/image").json()
    assert request(service, "GET", "/v2/schemas/none").status_code == 404


def test_an_interrupted_upload_may_be_repeated_after_a_restart(tmp_path: pathlib.Path) -> None:
    images = image_service.ImageStore(str(tmp_path))
    images.records.put("image", {"id": "i", "status": "saving", "project_id": "p"})
    images.records.close()
    again = image_service.ImageStore(str(tmp_path))
    image = again.records.get("image", "i")
    assert image is not None
    assert image["status"] == "queued"
