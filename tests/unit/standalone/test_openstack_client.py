"""The unmodified ``openstack`` client with one clouds.yaml."""

import json
import os
import pathlib
import subprocess
import sys
import typing

import pytest

from nova_lite import concurrency
from nova_lite.standalone import identity_service
from tests.fixtures import embedded

OPENSTACK = pathlib.Path(sys.executable).with_name("openstack")

CLOUDS = """
clouds:
  nova-lite:
    auth:
      auth_url: {identity_url}/v3
      username: demo
      password: any
      project_name: demo
      user_domain_name: Default
      project_domain_name: Default
    region_name: RegionOne
"""

Run = typing.Callable[..., typing.Any]


@pytest.fixture(name="openstack")
def fixture_openstack(tmp_path: pathlib.Path) -> typing.Iterator[Run]:
    if not OPENSTACK.exists():
        pytest.skip("python-openstackclient is not installed")
    with embedded.services(str(tmp_path / "data")) as service:
        app = identity_service.make_app(
            service.conf,
            compute_url="http://127.0.0.1:9/v2.1",
            image_url=service.image_url,
            volume_url=f"{service.volume_url}/v3",
        )
        with embedded.serving(app) as identity_url:
            clouds = tmp_path / "clouds.yaml"
            clouds.write_text(CLOUDS.format(identity_url=identity_url))

            def run(*arguments: str) -> typing.Any:
                environment = {
                    key: value for key, value in os.environ.items() if not key.startswith("OS_")
                }
                environment |= {"OS_CLIENT_CONFIG_FILE": str(clouds), "OS_CLOUD": "nova-lite"}
                done = subprocess.run(
                    [str(OPENSTACK), *arguments],
                    env=environment,
                    capture_output=True,
                    text=True,
                    timeout=60,
                    check=False,
                )
                assert done.returncode == 0, done.stderr
                return json.loads(done.stdout) if "json" in arguments else done.stdout

            yield run


def test_images_volumes_and_snapshots(openstack: Run, tmp_path: pathlib.Path) -> None:
    data = tmp_path / "disk"
    data.write_bytes(b"x" * 100_000)
    image = openstack(
        "image", "create", "--disk-format", "raw", "--container-format", "bare",
        "--file", str(data), "--property", "hw_disk_bus=virtio", "-f", "json", "i1",
    )  # fmt: skip
    assert image["status"] == "active"
    assert [i["Name"] for i in openstack("image", "list", "-f", "json")] == ["i1"]
    openstack("image", "set", "--property", "os_distro=debian", "i1")
    volume = openstack("volume", "create", "--size", "1", "--image", "i1", "-f", "json", "v1")
    assert volume["size"] == 1

    def shown() -> typing.Any:
        return openstack("volume", "show", "v1", "-f", "json")

    assert concurrency.wait_until(lambda: shown()["status"] == "available", 30)
    metadata = shown()["volume_image_metadata"]
    assert (metadata["hw_disk_bus"], metadata["os_distro"]) == ("virtio", "debian")
    openstack("volume", "snapshot", "create", "--volume", "v1", "s1")
    assert concurrency.wait_until(
        lambda: (
            openstack("volume", "snapshot", "show", "s1", "-f", "json")["status"] == "available"
        ),
        30,
    )
    openstack("volume", "delete", "--cascade", "v1")
    assert openstack("volume", "list", "-f", "json") == []
    openstack("image", "delete", "i1")
    assert openstack("image", "list", "-f", "json") == []
