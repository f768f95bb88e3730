import threading

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite.virt.libvirt import events

UUID = "0e5b0d9e-95a5-4d3a-9c61-6a56d6c9a1f6"
OTHER = "77f3a1c4-6c0e-4a53-8c5b-5b3f3b1de0a2"


class Told:
    """Who wants to know of power changes, and takes its time."""

    def __init__(self, arrived):
        self.seen = []
        self.fails = False
        self.may_go_on = threading.Event()
        arrived.on_power_changed(self.hear)

    def hear(self, instance_uuid):
        self.seen.append(instance_uuid)
        assert self.may_go_on.wait(10)
        if self.fails:
            raise exceptions.HypervisorUnavailable(host="h", reason="gone")

    def has_seen(self, *expected):
        return concurrency.wait_until(lambda: self.seen == list(expected), 10, 0.001)


def dispatch(arrived, *put_aside):
    for event in put_aside:
        arrived.put_aside(event)
    arrived.dispatch()


def test_nothing_runs_before_dispatch():
    """Events are put aside in libvirt's native thread, where ours may not run."""
    seen = []
    arrived = events.Events()
    arrived.on_power_changed(seen.append)
    arrived.put_aside(events.PowerChanged(UUID))
    assert seen == []
    arrived.dispatch()
    assert concurrency.wait_until(lambda: seen == [UUID], 10, 0.001)
    arrived.dispatch()
    assert seen == [UUID]


def test_who_takes_long_to_report_keeps_nobody_waiting():
    """The message broker is away; a guest's answer is waited for by its detach."""
    arrived = events.Events()
    told = Told(arrived)
    with arrived.watch_removal(UUID, "ua-1") as watch:
        dispatch(arrived, events.PowerChanged(UUID), events.DeviceReleased(UUID, "ua-1"))
        assert watch.wait(0) is events.Removal.GONE
    assert told.has_seen(UUID)
    told.may_go_on.set()


def test_changes_are_told_in_order_and_once_for_those_that_wait():
    """Two reports of one guest at once could arrive in the wrong order."""
    arrived = events.Events()
    told = Told(arrived)
    dispatch(arrived, events.PowerChanged(UUID))
    assert told.has_seen(UUID)
    for _ in range(3):
        dispatch(arrived, events.PowerChanged(OTHER), events.PowerChanged(UUID))
    assert told.seen == [UUID]
    told.may_go_on.set()
    assert told.has_seen(UUID, OTHER, UUID)


def test_a_change_that_cannot_be_told_does_not_end_the_telling():
    arrived = events.Events()
    told = Told(arrived)
    told.fails = True
    told.may_go_on.set()
    dispatch(arrived, events.PowerChanged(UUID), events.PowerChanged(OTHER))
    assert told.has_seen(UUID, OTHER)
    dispatch(arrived, events.PowerChanged(UUID))
    assert told.has_seen(UUID, OTHER, UUID)


def test_a_removal_is_answered():
    arrived = events.Events()
    with arrived.watch_removal(UUID, "ua-1") as watch:
        arrived.put_aside(events.DeviceReleased(UUID, "ua-1"))
        arrived.dispatch()
        assert watch.wait(0) is events.Removal.GONE


def test_a_refusal_is_an_answer():
    arrived = events.Events()
    with arrived.watch_removal(UUID, "ua-1") as watch:
        arrived.put_aside(events.DeviceReleased(UUID, "ua-1", refused=True))
        arrived.dispatch()
        assert watch.wait(0) is events.Removal.REFUSED


def test_another_devices_answer_is_none():
    """D7: a late event never ends another wait."""
    arrived = events.Events()
    with arrived.watch_removal(UUID, "ua-1") as watch:
        arrived.put_aside(events.DeviceReleased(UUID, "ua-2"))
        arrived.dispatch()
        assert watch.wait(0) is events.Removal.UNANSWERED


def test_an_answer_nobody_waits_for_is_dropped():
    arrived = events.Events()
    with arrived.watch_removal(UUID, "ua-1"):
        pass
    arrived.put_aside(events.DeviceReleased(UUID, "ua-1"))
    arrived.dispatch()
    with arrived.watch_removal(UUID, "ua-1") as watch:
        assert watch.wait(0) is events.Removal.UNANSWERED
