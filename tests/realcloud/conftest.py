"""Fixtures for tests on a real cloud."""

import collections.abc
import dataclasses
import pathlib
import typing

import openstack
import pytest

from tests.realcloud import canaries
from tests.realcloud import cloud as clouds
from tests.realcloud import lab as labs
from tests.realcloud import leftovers

_PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> collections.abc.Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fixtures want to know how the test went."""
    report = yield
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    return report


@pytest.fixture(scope="session")
def cloud() -> collections.abc.Iterator[clouds.Cloud]:
    """The cloud that is up."""
    found = clouds.Cloud.from_environ()
    if found is None:
        pytest.skip("no cloud is up (tools/test --real brings one up)")
    yield found
    found.close()


@pytest.fixture(scope="session", autouse=True)
def no_secret_told(cloud: clouds.Cloud) -> collections.abc.Iterator[None]:
    """After all tests: no secret of this cloud, and no token, is in nova_lite's logs or
    databases, or was among the arguments of a process."""
    with canaries.CommandLines() as command_lines:
        yield
    watched = canaries.Canaries(cloud)
    found = watched.in_logs() | watched.in_databases()
    found |= watched.found_in("a command line", command_lines.text())
    assert not found


@pytest.fixture(scope="session", autouse=True)
def nothing_left_of_it_all(cloud: clouds.Cloud) -> collections.abc.Iterator[None]:
    """After all tests: the cloud is as it was before the first."""
    traces = leftovers.Traces(cloud)
    yield
    traces.assert_nothing_left()


@pytest.fixture(scope="session", autouse=True)
def no_drift(cloud: clouds.Cloud) -> collections.abc.Iterator[None]:
    """After all tests: nova_lite's own audit finds nothing."""
    yield
    cloud.manage("audit")


@dataclasses.dataclass(frozen=True)
class GuestImages:
    """The test guest (tools/guest-image) in Glance, for everybody."""

    raw: str
    """Id of the raw one, which Ceph can clone."""
    qcow2: str
    path: pathlib.Path
    """The raw one as a file."""


@pytest.fixture(scope="session")
def guest_images(
    cloud: clouds.Cloud, tmp_path_factory: pytest.TempPathFactory
) -> collections.abc.Iterator[GuestImages]:
    """The guest as a raw and as a qcow2 image; removed at the end of the session."""
    tool = clouds.CHECKOUT / "tools" / "guest-image"
    raw = pathlib.Path(clouds.output_of(tool, timeout_s=300.0).splitlines()[-1])
    qcow2 = tmp_path_factory.mktemp("images") / "guest.qcow2"
    clouds.output_of("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, qcow2)
    image = cloud.connection(clouds.ADMIN).image
    made = [
        image.create_image(
            name=f"guest-{disk_format}",
            filename=str(path),
            disk_format=disk_format,
            container_format="bare",
            visibility="public",
            wait=True,
        ).id
        for disk_format, path in (("raw", raw), ("qcow2", qcow2))
    ]
    yield GuestImages(*made, path=raw)
    for image_id in made:
        image.delete_image(image_id)


@pytest.fixture(scope="session")
def flavor(cloud: clouds.Cloud) -> str:
    """Id of a flavor that the guest is content with: 1 CPU, 256 MiB, 1 GiB."""
    return str(cloud.connection().compute.find_flavor(clouds.FLAVOR, ignore_missing=False).id)


@pytest.fixture(scope="session")
def lab(cloud: clouds.Cloud, flavor: str) -> labs.Lab:
    """Verbs of the stories."""
    return labs.Lab(cloud, flavor)


@pytest.fixture(autouse=True)
def nothing_left(
    request: pytest.FixtureRequest,
    cloud: clouds.Cloud,
    guest_images: GuestImages,
    flavor: str,
) -> collections.abc.Iterator[leftovers.Traces]:
    """Each test removes what it makes: what it forgot, or nova_lite did, is an error.

    The user's project is emptied afterwards in any case, for the next test.
    """
    _empty(cloud)
    traces = leftovers.Traces(cloud)
    yield traces
    try:
        if request.node.stash.get(_PASSED, False):
            traces.assert_nothing_left()
    finally:
        _empty(cloud)


def _empty(cloud: clouds.Cloud) -> None:
    """Delete everything of the user, servers first."""
    connection = cloud.connection()
    for server in connection.compute.servers():
        connection.compute.delete_server(server)
    clouds.wait_for(lambda: not list(connection.compute.servers()), "servers to be gone", 240.0)
    try:
        clouds.wait_for(lambda: _emptied(connection), "the project to be empty", 120.0)
    except AssertionError:
        _force(cloud.connection(clouds.ADMIN), list(connection.block_storage.volumes()))
        clouds.wait_for(lambda: _emptied(connection), "the project to be empty", 120.0)
        raise


def _force(admin: openstack.connection.Connection, volumes: list[typing.Any]) -> None:
    """Whoever left volumes in use is told; the next test must not suffer from it."""
    for volume in volumes:
        path = f"/attachments?all_tenants=1&volume_id={volume.id}"
        listed = admin.block_storage.get(path, microversion="3.44").json()["attachments"]
        admin.block_storage.reset_volume_status(
            volume, "error", attach_status="detached", migration_status="none"
        )
        for attachment in listed:
            admin.block_storage.delete(f"/attachments/{attachment['id']}", microversion="3.44")


def _emptied(connection: openstack.connection.Connection) -> bool:
    """Order every deletion that is possible now; True when nothing is left."""
    owner = connection.current_project_id
    kinds: tuple[tuple[list[typing.Any], collections.abc.Callable[..., object]], ...] = (
        (list(connection.block_storage.volumes()), connection.block_storage.delete_volume),
        (list(connection.block_storage.snapshots()), connection.block_storage.delete_snapshot),
        (list(connection.image.images(owner=owner)), connection.image.delete_image),
    )
    for items, delete in kinds:
        for item in items:
            try:
                delete(item.id)
            except openstack.exceptions.HttpException:
                continue  # something else needs it still; the next round may find it free
    return not any(items for items, _ in kinds)
