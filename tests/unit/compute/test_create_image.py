"""Telling Glance where an image is that was made in Ceph."""

import contextlib
import types
import typing
from unittest import mock

import pytest

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import revert
from nova_lite.compute.operations import create_image
from nova_lite.image import glance
from nova_lite.virt import interface

SERVER, IMAGE = "the-server", "the-image"
LOCATION = "rbd://fsid/images/the-image/snap"
CTXT = context.RequestContext(overwrite=False)
FAILED = exceptions.RemoteServiceError(service="Glance", reason="HTTP 504")
REFUSED = exceptions.RemoteConflict(service="Glance", reason="no")
KNOWN = exceptions.InvalidInput(reason=f"The location {LOCATION} already exists")
REFUSALS = [REFUSED, exceptions.Forbidden("no"), exceptions.InvalidInput(reason="no")]


class Glance:
    """One image that has no data yet, and how calls about it end."""

    def __init__(self) -> None:
        self.client = mock.create_autospec(glance.GlanceClient, instance=True)
        self.client.get_image.side_effect = self._get_image
        self.client.rbd_urls.side_effect = lambda _image_id: self.urls
        self.client.add_location.side_effect = self._add_location
        self.status = "queued"
        self.urls: list[str] = []
        self.answers: list[exceptions.NovaLiteError | None] = []
        self.done: list[bool] = []

    def ends(self, error: exceptions.NovaLiteError | None, *, done: bool = False) -> None:
        """The next call to add a location ends so, and was ``done`` all the same."""
        self.answers.append(error)
        self.done.append(done or error is None)

    def _add_location(self, _ctxt: object, _image_id: str, url: str) -> None:
        error = self.answers.pop(0)
        if self.done.pop(0):
            self.status, self.urls = "active", [url]
        if error is not None:
            raise error

    def _get_image(self, _ctxt: object, image_id: str) -> objects.ImageMeta:
        return objects.ImageMeta(id=image_id, status=self.status)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(create_image, "LOOK_PAUSE_S", 0)


@pytest.fixture(name="images")
def fixture_images() -> Glance:
    return Glance()


@pytest.fixture(name="snapshots")
def fixture_snapshots() -> typing.Any:
    made = mock.create_autospec(interface.SnapshotOps, instance=True)
    made.publish.return_value = LOCATION
    return made


@pytest.fixture(name="host")
def fixture_host(images: Glance, snapshots: typing.Any) -> typing.Any:
    able = types.SimpleNamespace(supports_snapshot=True, supports_live_snapshot=True)
    driver = types.SimpleNamespace(snapshots=snapshots, capabilities=able)
    return types.SimpleNamespace(glance=images.client, driver=driver)


@pytest.fixture(name="task")
def fixture_task() -> typing.Any:
    return types.SimpleNamespace(
        ctxt=CTXT,
        instance=types.SimpleNamespace(uuid=SERVER, vm_state="active"),
        operation=types.SimpleNamespace(arguments={"image_id": IMAGE}),
        undo=revert.Reverter("create_image"),
        step=lambda *_args: contextlib.nullcontext(),
        require_ours=lambda: None,
    )


def run(host: typing.Any, task: typing.Any) -> None:
    """As a task does."""
    with task.undo:
        create_image.run(host, task)


def test_a_glance_that_cannot_open_a_clone_gets_a_whole_image(
    host: typing.Any, task: typing.Any, images: Glance, snapshots: typing.Any
) -> None:
    """Its user in Ceph may only read its own pool, so it fails with a 500."""
    images.ends(FAILED)
    images.ends(None)
    run(host, task)
    snapshots.make_independent.assert_called_once_with(SERVER, IMAGE)
    assert host.glance.add_location.mock_calls == 2 * [mock.call(CTXT, IMAGE, LOCATION)]
    snapshots.unpublish.assert_not_called()


def test_where_it_can_nothing_is_copied(
    host: typing.Any, task: typing.Any, images: Glance, snapshots: typing.Any
) -> None:
    images.ends(None)
    run(host, task)
    snapshots.make_independent.assert_not_called()
    host.glance.upload.assert_not_called()


@pytest.mark.parametrize("error", REFUSALS)
def test_a_glance_that_takes_no_locations_gets_the_data(
    host: typing.Any,
    task: typing.Any,
    images: Glance,
    snapshots: typing.Any,
    error: exceptions.NovaLiteError,
) -> None:
    images.ends(error)
    run(host, task)
    snapshots.unpublish.assert_called_once_with(SERVER, IMAGE)
    snapshots.make_independent.assert_not_called()
    assert host.glance.upload.called
    host.glance.delete_image.assert_not_called()


@pytest.mark.parametrize("hides_locations", [False, True])
@pytest.mark.parametrize("error", [FAILED, KNOWN])
def test_an_answer_that_is_lost(
    host: typing.Any,
    task: typing.Any,
    images: Glance,
    snapshots: typing.Any,
    error: exceptions.NovaLiteError,
    hides_locations: bool,
) -> None:
    """Glance did it: the image is asked for, and what it names stays."""
    images.ends(error, done=True)
    if hides_locations:
        host.glance.rbd_urls.side_effect = lambda _image_id: []
    run(host, task)
    snapshots.unpublish.assert_not_called()
    snapshots.make_independent.assert_not_called()
    host.glance.upload.assert_not_called()
    host.glance.delete_image.assert_not_called()


@pytest.mark.parametrize(
    "error", [exceptions.Forbidden("no"), exceptions.ImageNotFound(image_id=IMAGE), FAILED]
)
def test_a_glance_that_does_not_say_where_it_is(
    host: typing.Any,
    task: typing.Any,
    images: Glance,
    snapshots: typing.Any,
    error: exceptions.NovaLiteError,
) -> None:
    """Regression: that was taken for its answer to the location."""
    images.ends(FAILED, done=True)
    host.glance.rbd_urls.side_effect = error
    run(host, task)
    snapshots.unpublish.assert_not_called()
    host.glance.delete_image.assert_not_called()


def test_a_look_that_fails_once(
    host: typing.Any, task: typing.Any, images: Glance, snapshots: typing.Any
) -> None:
    """Regression: the whole disk was copied, and then there was no image all the same."""
    images.ends(REFUSED)
    looks = [FAILED, objects.ImageMeta(id=IMAGE, status="queued")]
    host.glance.get_image.side_effect = looks
    run(host, task)
    snapshots.make_independent.assert_not_called()
    assert host.glance.upload.called


def test_one_that_is_done_late(
    host: typing.Any, task: typing.Any, images: Glance, snapshots: typing.Any
) -> None:
    """When it is repeated, Glance knows the location already."""
    images.ends(FAILED)
    images.ends(KNOWN, done=True)
    run(host, task)
    snapshots.unpublish.assert_not_called()
    host.glance.delete_image.assert_not_called()


@pytest.mark.parametrize("error", [*REFUSALS, FAILED])
def test_after_a_failure_no_refusal_is_believed(
    host: typing.Any,
    task: typing.Any,
    images: Glance,
    snapshots: typing.Any,
    error: exceptions.NovaLiteError,
) -> None:
    """Glance may still do what it was asked first: the image goes before its data."""
    images.ends(FAILED)
    images.ends(error)
    order = mock.Mock(spec=["delete_image", "unpublish"])
    order.attach_mock(host.glance.delete_image, "delete_image")
    order.attach_mock(snapshots.unpublish, "unpublish")
    with pytest.raises(type(error)):
        run(host, task)
    host.glance.upload.assert_not_called()
    assert order.mock_calls == [
        mock.call.delete_image(CTXT, IMAGE),
        mock.call.unpublish(SERVER, IMAGE),
    ]


@pytest.mark.parametrize("error", [FAILED, REFUSED])
def test_a_glance_that_is_away_keeps_the_data(
    host: typing.Any,
    task: typing.Any,
    images: Glance,
    snapshots: typing.Any,
    error: exceptions.NovaLiteError,
) -> None:
    """It may name them: what cannot be deleted there is left whole here."""
    images.ends(error, done=True)
    images.ends(error)
    host.glance.get_image.side_effect = FAILED
    host.glance.delete_image.side_effect = FAILED
    with pytest.raises(exceptions.RemoteServiceError):
        run(host, task)
    snapshots.unpublish.assert_not_called()
    host.glance.upload.assert_not_called()


def test_an_image_that_somebody_else_filled(
    host: typing.Any, task: typing.Any, images: Glance, snapshots: typing.Any
) -> None:
    """With other data: ours are not named, and go; so does the image."""
    images.ends(REFUSED)
    images.status, images.urls = "active", ["rbd://fsid/images/another/snap"]
    host.glance.upload.side_effect = REFUSED
    with pytest.raises(exceptions.RemoteConflict):
        run(host, task)
    assert snapshots.unpublish.called
    assert host.glance.delete_image.called
