"""What we rely on in Glance. Runs against a real one as ``test_cinder_life`` does."""

import os
import pathlib
import typing
import uuid

import pytest

from nova_lite import exceptions
from tests.fixtures import embedded
from tests.fixtures import neighbours


@pytest.fixture(scope="module", name="service", params=neighbours.KINDS)
def fixture_service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> typing.Iterator[embedded.Services]:
    with neighbours.neighbours(request.param, str(tmp_path_factory.mktemp("glance"))) as service:
        yield service


def test_metadata(service: embedded.Services) -> None:
    image_id = service.upload(b"x" * 1000, name="tiny", min_disk=2, min_ram=64, os_distro="debian")
    image = service.glance.get_image(service.ctxt, image_id)
    assert (image.id, image.name, image.status) == (image_id, "tiny", "active")
    assert (image.disk_format, image.container_format) == ("raw", "bare")
    assert (image.size_bytes, image.min_disk_gib, image.min_ram_mib) == (1000, 2, 64)
    assert image.owner
    assert image.checksum
    assert image.properties["os_distro"] == "debian"
    assert not {"id", "self", "file", "tags", "owner"} & set(image.properties)


def test_download_is_verified_and_complete(
    service: embedded.Services, tmp_path: pathlib.Path
) -> None:
    data = os.urandom(3_500_000)
    image_id = service.upload(data)
    path = tmp_path / "image"
    service.glance.download(service.ctxt, image_id, str(path))
    assert path.read_bytes() == data


def test_what_is_not_there(service: embedded.Services, tmp_path: pathlib.Path) -> None:
    missing = str(uuid.uuid4())
    with pytest.raises(exceptions.ImageNotFound, match=missing):
        service.glance.get_image(service.ctxt, missing)
    with pytest.raises(exceptions.ImageNotFound):
        service.glance.download(service.ctxt, missing, str(tmp_path / "image"))
    with pytest.raises(exceptions.ImageNotFound):
        service.glance.get_image(service.ctxt, "../images")
    assert not list(tmp_path.iterdir())


def test_locations_name_the_data_if_they_are_told(service: embedded.Services) -> None:
    """S219: a list of objects with a URL each; absent where the service tells none."""
    image_id = service.upload(os.urandom(1000))
    image = service.ask("image", "GET", f"/images/{image_id}").json()
    for location in image.get("locations", ()):
        assert location["url"].partition("://")[0]
        assert isinstance(location["metadata"], dict)
    urls = [location["url"] for location in image.get("locations", ())]
    if any(url.startswith("rbd://") for url in urls):
        # What makes a clone possible: cluster, pool, image, snapshot.
        assert urls[0].split("/")[-2:] == [image_id, "snap"]
        assert image["direct_url"] == urls[0]


def test_another_project_sees_no_private_image(service: embedded.Services) -> None:
    image_id = service.upload(os.urandom(1000), visibility="private")
    with pytest.raises(exceptions.ImageNotFound):
        service.glance.get_image(service.stranger(), image_id)


def test_an_image_that_is_not_complete_has_no_data(service: embedded.Services) -> None:
    body = {"name": "later", "disk_format": "raw", "container_format": "bare"}
    image_id = service.ask("image", "POST", "/images", json=body).json()["id"]
    assert service.glance.get_image(service.ctxt, image_id).status == "queued"
    answer = service.ask("image", "GET", f"/images/{image_id}/file")
    assert (answer.status_code, answer.content) == (204, b"")
