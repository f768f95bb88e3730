from nova_lite.virt.libvirt import events

UUID = "0e5b0d9e-95a5-4d3a-9c61-6a56d6c9a1f6"


def test_nothing_runs_before_dispatch():
    """Events are put aside in libvirt's native thread, where ours may not run."""
    seen = []
    arrived = events.Events()
    arrived.on_power_changed(seen.append)
    arrived.put_aside(events.PowerChanged(UUID))
    assert seen == []
    arrived.dispatch()
    assert seen == [UUID]
    arrived.dispatch()
    assert seen == [UUID]


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
