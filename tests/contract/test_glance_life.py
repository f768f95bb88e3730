"""What we rely on in Glance. Runs against a real one as ``test_cinder_life`` does."""

import os
import pathlib
import typing
import uuid

import pytest

from nova_lite import exceptions
from nova_lite import objects
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
    image = service.glance.get_image(service.ctxt, image_id)
    service.glance.download(service.ctxt, image, str(path))
    assert path.read_bytes() == data


def test_what_is_not_there(service: embedded.Services, tmp_path: pathlib.Path) -> None:
    missing = str(uuid.uuid4())
    with pytest.raises(exceptions.ImageNotFound, match=missing):
        service.glance.get_image(service.ctxt, missing)
    image = objects.ImageMeta(id=missing, hash_algorithm="sha512", hash_value="00")
    with pytest.raises(exceptions.ImageNotFound):
        service.glance.download(service.ctxt, image, str(tmp_path / "image"))
    with pytest.raises(exceptions.ImageNotFound):
        service.glance.get_image(service.ctxt, "../images")
    assert not list(tmp_path.iterdir())


def new_image(service: embedded.Services, **properties: str) -> str:
    """The record of an image that has no data yet."""
    image_id = str(uuid.uuid4())
    image = objects.ImageMeta(
        id=image_id, name="made", min_disk_gib=1, min_ram_mib=64, properties=properties
    )
    service.glance.create_image(service.ctxt, image)
    return image_id


def test_an_image_is_made_in_steps(service: embedded.Services, tmp_path: pathlib.Path) -> None:
    """As one of a server is: the record first, the data last."""
    glance, ctxt = service.glance, service.ctxt
    image_id = new_image(service, image_type="snapshot", purpose="old")
    image = glance.get_image(ctxt, image_id)
    assert (image.status, image.name, image.disk_format) == ("queued", "made", None)
    assert (image.min_disk_gib, image.min_ram_mib) == (1, 64)
    # What is new, what was there, and what has a sign of JSON pointers in its name.
    changes = {"state": "done", "purpose": "new", "a/b~c": "odd"}
    glance.update_image(ctxt, image_id, changes, disk_format="raw", container_format="bare")
    data = os.urandom(3_500_000)
    path = tmp_path / "data"
    path.write_bytes(data)
    told: list[int] = []
    glance.upload(ctxt, image_id, str(path), lambda: told.append(1))
    assert len(told) > 3
    image = glance.get_image(ctxt, image_id)
    assert (image.status, image.disk_format, image.size_bytes) == ("active", "raw", len(data))
    assert image.properties == {"image_type": "snapshot"} | changes
    glance.download(ctxt, image, str(tmp_path / "again"))
    assert (tmp_path / "again").read_bytes() == data
    with pytest.raises(exceptions.RemoteConflict):
        glance.upload(ctxt, image_id, str(path))
    for _ in range(2):
        glance.delete_image(ctxt, image_id)
    with pytest.raises(exceptions.ImageNotFound):
        glance.get_image(ctxt, image_id)


def test_an_image_without_data_is_active_too(service: embedded.Services) -> None:
    """What names the volumes of a server."""
    image_id = new_image(service)
    service.glance.update_image(service.ctxt, image_id, disk_format="raw", container_format="bare")
    service.glance.upload(service.ctxt, image_id, None)
    image = service.glance.get_image(service.ctxt, image_id)
    assert (image.status, image.size_bytes) == ("active", 0)
    service.glance.delete_image(service.ctxt, image_id)


def test_a_queued_image_can_be_deleted(service: embedded.Services) -> None:
    image_id = new_image(service)
    service.glance.delete_image(service.ctxt, image_id)
    with pytest.raises(exceptions.ImageNotFound):
        service.glance.update_image(service.ctxt, image_id, disk_format="raw")


def test_a_transfer_that_its_watcher_ends(
    service: embedded.Services, tmp_path: pathlib.Path
) -> None:
    """The image is no whole one, and the next call works."""
    image_id = new_image(service)
    glance, ctxt = service.glance, service.ctxt
    glance.update_image(ctxt, image_id, disk_format="raw", container_format="bare")
    path = tmp_path / "data"
    path.write_bytes(os.urandom(3_500_000))
    left = 2

    def enough() -> None:
        nonlocal left
        left -= 1
        if not left:
            raise exceptions.OperationSuperseded(operation_id=image_id)

    with pytest.raises(exceptions.OperationSuperseded):
        glance.upload(ctxt, image_id, str(path), enough)
    assert glance.get_image(ctxt, image_id).status != "active"
    glance.delete_image(ctxt, image_id)


def test_values_that_glance_refuses(service: embedded.Services) -> None:
    image_id = new_image(service)
    with pytest.raises(exceptions.InvalidInput):
        service.glance.update_image(service.ctxt, image_id, disk_format="floppy")
    with pytest.raises(exceptions.RemoteConflict):
        service.glance.create_image(service.ctxt, objects.ImageMeta(id=image_id, name="twice"))
    service.glance.delete_image(service.ctxt, image_id)


def test_locations_need_permission(service: embedded.Services) -> None:
    """Glance's own default; a cloud on one Ceph turns it on, and looks whether they exist."""
    image_id = new_image(service)
    with pytest.raises((exceptions.Forbidden, exceptions.InvalidInput)):
        service.glance.add_location(service.ctxt, image_id, "rbd://a/b/c/snap")
    service.glance.delete_image(service.ctxt, image_id)


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
