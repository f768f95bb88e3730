"""Telling Glance where an image is that was made in Ceph."""

import types
import typing
from unittest import mock

import pytest

from nova_lite import context
from nova_lite import exceptions
from nova_lite.compute.operations import create_image
from nova_lite.image import glance
from nova_lite.virt import interface

SERVER, IMAGE = "the-server", "the-image"
LOCATION = "rbd://fsid/images/the-image/snap"
CTXT = context.RequestContext(overwrite=False)
FAILED = exceptions.RemoteServiceError(service="Glance", reason="HTTP 500")
REFUSED = exceptions.RemoteConflict(service="Glance", reason="no")


@pytest.fixture(name="host")
def fixture_host() -> typing.Any:
    return types.SimpleNamespace(
        glance=mock.create_autospec(glance.GlanceClient, instance=True),
        driver=types.SimpleNamespace(
            snapshots=mock.create_autospec(interface.SnapshotOps, instance=True)
        ),
    )


@pytest.fixture(name="task")
def fixture_task() -> typing.Any:
    return types.SimpleNamespace(ctxt=CTXT, instance=types.SimpleNamespace(uuid=SERVER))


def test_a_glance_that_cannot_open_a_clone_gets_a_whole_image(
    host: typing.Any, task: typing.Any
) -> None:
    """Its user in Ceph may only read its own pool, so it fails with a 500."""
    host.glance.add_location.side_effect = [FAILED, None]
    create_image._add_location(host, task, IMAGE, LOCATION)
    host.driver.snapshots.make_independent.assert_called_once_with(SERVER, IMAGE)
    assert host.glance.add_location.mock_calls == 2 * [mock.call(CTXT, IMAGE, LOCATION)]


def test_where_it_can_nothing_is_copied(host: typing.Any, task: typing.Any) -> None:
    create_image._add_location(host, task, IMAGE, LOCATION)
    host.driver.snapshots.make_independent.assert_not_called()


@pytest.mark.parametrize("error", [REFUSED, exceptions.Forbidden("no"), FAILED])
def test_other_failures_are_told(
    host: typing.Any, task: typing.Any, error: exceptions.NovaLiteError
) -> None:
    host.glance.add_location.side_effect = error
    with pytest.raises(type(error)):
        create_image._add_location(host, task, IMAGE, LOCATION)
    assert host.driver.snapshots.make_independent.called == (error is FAILED)
