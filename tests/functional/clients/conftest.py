"""One service for all tests of clients, with images, flavors and volumes to use."""

import collections.abc
import dataclasses

import pytest

from tests.functional.clients import cloud as clouds


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> collections.abc.Iterator[clouds.Cloud]:
    """The service, with flavor ``7`` of the document: 512 MiB, 1 GiB, 20 GiB
    ephemeral, 512 MiB swap; and ``1``, the same without ephemeral and swap."""
    with clouds.Cloud(tmp_path_factory.mktemp("clients")) as cloud:
        for flavor_id, more in (
            ("1", {}),
            ("7", {"OS-FLV-EXT-DATA:ephemeral": 20, "swap": 512}),
        ):
            flavor = {"id": flavor_id, "name": f"test{flavor_id}", "ram": 512, "disk": 1}
            cloud.ok("POST", "/flavors", {"flavor": flavor | {"vcpus": 1} | more})
        yield cloud


@pytest.fixture
def cloud(running: clouds.Cloud) -> collections.abc.Iterator[clouds.Cloud]:
    """The service without servers; what a test boots is deleted after it."""
    yield running
    running.clear()


@dataclasses.dataclass(frozen=True)
class Sources:
    """What to boot from."""

    image: str
    volume: str
    """Bootable, made from ``image``, 1 GiB."""
    snapshot: str
    """Of ``volume``."""
    data: str
    """An empty volume of 2 GiB."""


@pytest.fixture(scope="package")
def sources(running: clouds.Cloud) -> Sources:
    """An image ``cirros`` with ``os_distro=debian``, and volumes; all unused between tests."""
    image = running.image("cirros", os_distro="debian")
    volume = running.volume(1, imageRef=image, name="bootable")
    return Sources(
        image=image,
        volume=volume,
        snapshot=running.snapshot(volume),
        data=running.volume(2, name="data"),
    )
