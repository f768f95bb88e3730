"""Fixtures for tests with real daemons.

``tools/test`` starts the broker and the database beforehand; run alone, the first
test that needs them starts them, and they are stopped at the end.
"""

import collections.abc
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from tests.integration import cluster as clusters

_TOOLS = clusters.CHECKOUT / "tools"
_DEFAULT_WORK = clusters.CHECKOUT / ".work" / "test"


def _start_services(work: pathlib.Path) -> dict[str, str]:
    subprocess.run(
        [str(_TOOLS / "services"), "start", "rabbitmq", "mariadb", "--work-dir", str(work)],
        check=True,
        timeout=180,
    )
    lines = (work / "services.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


@pytest.fixture(scope="session")
def services() -> collections.abc.Iterator[clusters.Services]:
    """A broker and a database server."""
    if "RABBITMQ_PORT" in os.environ and "MARIADB_PORT" in os.environ:
        yield clusters.Services.from_environ(os.environ)
        return
    work = pathlib.Path(tempfile.mkdtemp(prefix="nova-lite-services-", dir="/var/tmp"))
    try:
        yield clusters.Services.from_environ(_start_services(work))
    finally:
        subprocess.run(
            [str(_TOOLS / "services"), "clean", "rabbitmq", "mariadb", "--work-dir", str(work)],
            timeout=120,
        )
        shutil.rmtree(work, ignore_errors=True)


@pytest.fixture
def home(request: pytest.FixtureRequest) -> collections.abc.Iterator[pathlib.Path]:
    """A directory that QEMU's user may enter (pytest's own are closed to others).

    It goes with the test; its logs stay in ``.work/test/logs``.
    """
    path = pathlib.Path(tempfile.mkdtemp(prefix="nova-lite-test-", dir="/var/tmp"))
    path.chmod(0o755)
    yield path
    work = pathlib.Path(os.environ.get("NOVA_LITE_TEST_WORK_DIR", _DEFAULT_WORK))
    kept = work / "logs" / request.node.name
    shutil.rmtree(kept, ignore_errors=True)
    if (path / "logs").is_dir():
        shutil.copytree(path / "logs", kept)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def fake_cluster(
    home: pathlib.Path, services: clusters.Services
) -> collections.abc.Iterator[clusters.Cluster]:
    """Four daemons with the fake driver."""
    with clusters.Cluster(home, services, driver="fake") as cluster:
        yield cluster


@pytest.fixture
def libvirt_cluster(
    home: pathlib.Path, services: clusters.Services
) -> collections.abc.Iterator[clusters.Cluster]:
    """Four daemons with libvirt and QEMU."""
    listed = subprocess.run(
        [str(_TOOLS / "services"), "status", "libvirt", "--work-dir", str(home / "libvirt")],
        capture_output=True,
        timeout=30,
    )
    if listed.returncode:
        pytest.skip("libvirt does not run (tools/services start libvirt)")
    with clusters.Cluster(home, services, driver="libvirt") as cluster:
        yield cluster
