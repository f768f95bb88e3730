"""Downloads that go wrong: nothing is left, and the reason is told."""

import hashlib
import json
import pathlib
import subprocess
import sys
import typing

import pytest

from nova_lite import conf as nova_lite_conf
from nova_lite import context
from nova_lite import exceptions
from nova_lite.image import glance
from tests.fixtures import embedded

CTXT = context.RequestContext(user_id="alice", project_id="demo", overwrite=False)
DATA = b"some image data" * 1000


class LyingGlance:
    """A WSGI application whose image says what the test wants."""

    def __init__(self) -> None:
        self.image: dict[str, typing.Any] = {"id": "i1", "status": "active"}
        self.length = len(DATA)
        self.status = "200 OK"
        self.locations: list[dict[str, typing.Any]] | None = None
        self.roles: list[str] = []

    def __call__(self, environ: dict[str, typing.Any], start: typing.Any) -> list[bytes]:
        if environ["PATH_INFO"].endswith("/file"):
            start(self.status, [("Content-Length", str(self.length))])
            return [DATA]
        self.roles.append(environ["HTTP_X_ROLES"])
        body: typing.Any = self.image
        if environ["PATH_INFO"].endswith("/locations"):
            if self.locations is None:
                start("404 Not Found", [("Content-Type", "text/plain")])
                return [b"no such resource"]
            body = self.locations
        start("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(body).encode()]


@pytest.fixture(name="lying")
def fixture_lying() -> LyingGlance:
    return LyingGlance()


@pytest.fixture(name="client")
def fixture_client(lying: LyingGlance) -> typing.Iterator[glance.GlanceClient]:
    with embedded.serving(lying) as url:
        conf = nova_lite_conf.new(
            files=[],
            glance__auth_type="none",
            glance__endpoint_url=url,
            glance__timeout_s=60.0,
        )
        yield glance.GlanceClient(conf)


def test_the_strong_hash_decides(
    client: glance.GlanceClient, lying: LyingGlance, tmp_path: pathlib.Path
) -> None:
    lying.image |= {
        "checksum": "0" * 32,
        "os_hash_algo": "sha256",
        "os_hash_value": hashlib.sha256(DATA).hexdigest(),
    }
    client.download(CTXT, client.get_image(CTXT, "i1"), str(tmp_path / "image"))
    assert (tmp_path / "image").read_bytes() == DATA


def test_md5_will_do(
    client: glance.GlanceClient, lying: LyingGlance, tmp_path: pathlib.Path
) -> None:
    lying.image["checksum"] = hashlib.md5(DATA).hexdigest()
    client.download(CTXT, client.get_image(CTXT, "i1"), str(tmp_path / "image"))
    assert (tmp_path / "image").read_bytes() == DATA


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"os_hash_algo": "sha512", "os_hash_value": "00"}, "match"),
        ({"checksum": "0" * 32}, "match"),
        ({"size": len(DATA) + 1}, "bytes of"),
        ({"os_hash_algo": "rot13", "os_hash_value": "00"}, "no checksum"),
    ],
)
def test_wrong_data_are_refused(
    client: glance.GlanceClient,
    lying: LyingGlance,
    tmp_path: pathlib.Path,
    facts: dict[str, str],
    reason: str,
) -> None:
    lying.image |= facts
    with pytest.raises(exceptions.ImageUnacceptable, match=reason):
        client.download(CTXT, client.get_image(CTXT, "i1"), str(tmp_path / "image"))
    assert not list(tmp_path.iterdir())


def test_an_image_that_was_registered_by_its_location(
    client: glance.GlanceClient, lying: LyingGlance, tmp_path: pathlib.Path
) -> None:
    """Glance has never read it, so it has nothing but its size, if that."""
    for facts in ({}, {"size": len(DATA)}):
        lying.image |= facts
        client.download(CTXT, client.get_image(CTXT, "i1"), str(tmp_path / "image"))
        assert (tmp_path / "image").read_bytes() == DATA
        (tmp_path / "image").unlink()
    client._conf.set_override("allow_unverified", False, "glance")
    with pytest.raises(exceptions.ImageUnacceptable, match="no checksum"):
        client.download(CTXT, client.get_image(CTXT, "i1"), str(tmp_path / "image"))
    assert not list(tmp_path.iterdir())


def test_a_download_that_breaks_off_leaves_nothing(
    client: glance.GlanceClient, lying: LyingGlance, tmp_path: pathlib.Path
) -> None:
    lying.image["checksum"] = hashlib.md5(DATA).hexdigest()
    lying.length = len(DATA) + 10
    image = client.get_image(CTXT, "i1")
    client._conf.set_override("timeout_s", 1.0, "glance")
    with pytest.raises(exceptions.RemoteServiceError):
        client.download(CTXT, image, str(tmp_path / "image"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("403 Forbidden", exceptions.Forbidden),
        ("404 Not Found", exceptions.ImageNotFound),
        ("503 Service Unavailable", exceptions.RemoteServiceError),
    ],
)
def test_refusals(
    client: glance.GlanceClient,
    lying: LyingGlance,
    tmp_path: pathlib.Path,
    status: str,
    error: type[Exception],
) -> None:
    lying.image["checksum"] = hashlib.md5(DATA).hexdigest()
    lying.status = status
    with pytest.raises(error):
        client.download(CTXT, client.get_image(CTXT, "i1"), str(tmp_path / "image"))
    assert not list(tmp_path.iterdir())


RBD_URL = "rbd://f/images/i1/snap"
SECRET_URL = "swift+https://user:key@example.com/c/o"


def test_only_locations_in_ceph_are_kept(client: glance.GlanceClient, lying: LyingGlance) -> None:
    """S6: those of other stores may hold passwords."""
    lying.image |= {"direct_url": SECRET_URL, "locations": [{"url": RBD_URL, "metadata": {}}]}
    meta = client.get_image(CTXT, "i1")
    assert meta.rbd_urls == [RBD_URL]
    assert SECRET_URL not in meta.to_json()
    assert client.rbd_urls("i1") == [RBD_URL]


def test_locations_are_asked_for_as_the_service(
    client: glance.GlanceClient, lying: LyingGlance
) -> None:
    """D11: an older Glance shows none to users, a newer one has a call for services."""
    assert client.get_image(CTXT, "i1").rbd_urls == []
    assert client.rbd_urls("i1") == []
    lying.locations = [{"url": RBD_URL, "metadata": {}}, {"url": SECRET_URL}]
    assert client.rbd_urls("i1") == [RBD_URL]
    assert lying.roles[0] == "member,service"
    assert set(lying.roles[1:]) == {"admin,service"}


def test_other_green_threads_have_their_turn_at_each_piece(tmp_path: pathlib.Path) -> None:
    """eventlet's sockets wait for nobody while there are bytes, and a fast Glance has
    always some: heartbeats would stop for as long as the image is large."""
    command = [sys.executable, "-m", "tests.unit.image.green_transfer", str(tmp_path / "image")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["uploaded"]
    for direction in ("download", "upload"):
        assert 0 not in told[direction], direction
    assert len(told["download"]) == len(told["upload"]) > 1
