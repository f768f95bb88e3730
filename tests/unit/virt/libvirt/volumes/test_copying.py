"""A copy by QEMU goes on while libvirtd restarts; only the handle on the guest dies."""

from unittest import mock

import pytest

from nova_lite import exceptions
from nova_lite.virt.libvirt import guest
from nova_lite.virt.libvirt import xml
from nova_lite.virt.libvirt.volumes import copying

OLD = xml.Disk("/old", "vdb", "raw", serial="the-volume")
NEW = xml.Disk("/new", "vdb", "raw", serial="the-volume")
GONE = exceptions.HypervisorUnavailable(host="h", reason="client socket is closed")
HALF = guest.CopyProgress(1, 2)
WHOLE = guest.CopyProgress(2, 2)


def domain(disk):
    made = mock.create_autospec(xml.Domain, instance=True)
    made.disk_with_serial.return_value = disk
    return made


def handle(progress=None, disk=OLD):
    """A guest that runs with ``disk``, by one connection."""
    made = mock.create_autospec(guest.Guest, instance=True)
    made.uuid = "u"
    made.copy_progress.side_effect = progress
    made.live.return_value = made.persistent.return_value = domain(disk)
    return made


def dead():
    """What is left of a guest when its connection is."""
    made = handle()
    for method in ("start_copy", "copy_progress", "end_copy", "live", "persistent"):
        getattr(made, method).side_effect = GONE
    return made


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(copying, "LOOK_INTERVAL_S", 0)


@pytest.fixture
def no_patience(monkeypatch):
    monkeypatch.setattr(copying, "RECONNECT_GRACE_S", 0)


def move(*handles, is_wanted=lambda: True):
    """Each look-up gives the next one; the last one stays."""
    left = list(handles)
    copying.move(lambda: left.pop(0) if len(left) > 1 else left[0], OLD, NEW, is_wanted)


def test_a_copy_outlives_its_connection():
    fresh = handle([HALF, WHOLE])
    fresh.end_copy.return_value = True
    move(handle(), dead(), dead(), fresh)
    fresh.end_copy.assert_called_once_with("vdb", pivot=True)


def test_a_copy_that_is_not_wanted_is_ended_over_a_new_connection():
    first, last = handle([HALF]), handle([HALF])
    with pytest.raises(exceptions.VolumeCopyStopped):
        move(handle(), first, dead(), last, is_wanted=lambda: False)
    last.end_copy.assert_called_once_with("vdb", pivot=False)


def test_nobody_waits_for_libvirtd_for_what_is_not_wanted():
    """The sweep ends the copy, when libvirtd is there again."""
    asked = []

    def is_wanted():
        asked.append(True)
        return len(asked) < 3

    with pytest.raises(exceptions.HypervisorUnavailable):
        move(handle(), dead(), is_wanted=is_wanted)
    assert len(asked) == 3


def test_the_answer_to_the_start_may_be_lost():
    begun, fresh = handle(), handle([WHOLE])
    begun.start_copy.side_effect = GONE
    move(begun, fresh)
    fresh.end_copy.assert_called_once_with("vdb", pivot=True)


def test_the_answer_to_the_pivot_may_be_lost():
    """Then there is no copy any more, and the guest is on the new volume."""
    pivoted = handle([WHOLE])
    pivoted.end_copy.side_effect = GONE
    move(handle(), pivoted, handle([None], disk=NEW))


def test_a_copy_that_ended_by_itself_is_an_error():
    with pytest.raises(exceptions.HypervisorError, match="vdb of u"):
        move(handle(), handle([HALF]), handle([None, None]))


@pytest.mark.usefixtures("no_patience")
def test_a_hypervisor_that_stays_away_is_an_error():
    with pytest.raises(exceptions.HypervisorUnavailable):
        move(handle(), dead())


@pytest.mark.usefixtures("no_patience")
def test_why_it_is_given_up_is_told_even_if_the_copy_cannot_be_ended():
    with pytest.raises(exceptions.VolumeCopyStopped):
        move(handle(), handle([HALF]), dead(), is_wanted=lambda: False)
