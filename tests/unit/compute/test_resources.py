import pathlib

import pytest

import nova_lite.conf
from nova_lite import exceptions
from nova_lite.compute import resources
from nova_lite.virt import fake
from tests.conformance import factories
from tests.fixtures import hosts


@pytest.fixture
def tracker(tmp_path: pathlib.Path) -> resources.ResourceTracker:
    conf = nova_lite.conf.new(
        files=[],
        default__state_path=str(tmp_path),
        compute__driver="fake",
        compute__memory_mib_reserved=0,
        fake__memory_mib=2048,
    )
    return resources.ResourceTracker(conf, fake.FakeDriver(conf).host)


def test_room_for_two(tracker: resources.ResourceTracker) -> None:
    """S168."""
    first, second, third = factories.instance(), factories.instance(), factories.instance()
    tracker.claim(first, hosts.spec())
    tracker.claim(second, hosts.spec())
    with pytest.raises(exceptions.ClaimFailed, match="memory_mib: 1024 wanted, 0 free"):
        tracker.claim(third, hosts.spec())
    tracker.release(first.uuid)
    tracker.claim(third, hosts.spec())


def test_a_claim_is_counted_once(tracker: resources.ResourceTracker) -> None:
    server = factories.instance()
    for _ in range(3):
        tracker.claim(server, hosts.spec())


def test_an_answer_that_is_older_than_a_claim_or_a_release(
    tracker: resources.ResourceTracker,
) -> None:
    gone, new, staying = factories.instance(), factories.instance(), factories.instance()
    tracker.load([gone])
    tracker.begin_load()
    tracker.release(gone.uuid)
    tracker.claim(new, hosts.spec())
    tracker.load([gone, staying])
    assert set(tracker._usage) == {new.uuid, staying.uuid}


def test_who_left_is_not_counted(tracker: resources.ResourceTracker) -> None:
    moved = factories.instance()
    tracker.load([moved])
    tracker.begin_load()
    tracker.load([])
    assert not tracker._usage


def test_a_server_on_a_volume_takes_no_disk_for_it(tracker: resources.ResourceTracker) -> None:
    """S156."""
    server = factories.instance(root_gib=20, ephemeral_gib=2, swap_mib=1)
    tracker.load([server])
    assert tracker._usage[server.uuid].disk_gib == 3
    server.image_ref = "an image"
    tracker.load([server])
    assert tracker._usage[server.uuid].disk_gib == 23
