"""Asks a hypervisor in a green process, as compute does, while a hundred other calls
into C do not return. Run by a test.

Prints one JSON object: what the hypervisor answered and told nevertheless.
"""

# The library must be made cooperative before anything else is imported.
# ruff: noqa: E402

from nova_lite import concurrency

concurrency.monkey_patch()

import json
import os
from unittest import mock

import libvirt

from nova_lite.virt.libvirt import connection

CALLS = 100
LONGEST_S = 5


def within_limit(do):
    """What ``do`` returns, or None if that takes too long."""
    try:
        with concurrency.deadline(LONGEST_S):
            return do()
    except concurrency.DeadlineExceeded:
        return None


def main():
    hypervisor = connection.Connection("test:///default", "h")
    # A driver inside the process has nobody to keep alive.
    with mock.patch.object(libvirt.virConnect, "setKeepAlive", autospec=True):
        (guest,) = hypervisor.list_all()
    changed = []

    def broker_is_away(instance_uuid):
        changed.append(instance_uuid)
        concurrency.sleep(3600)

    hypervisor.events.on_power_changed(broker_is_away)
    ended = concurrency.native_lock()

    def wait_for_the_end():
        with ended:
            pass

    def take_long():
        with concurrency.long_call():
            concurrency.in_native_thread(wait_for_the_end)

    with ended:
        for _ in range(CALLS):
            concurrency.spawn(take_long)
        concurrency.sleep(0)
        told = {"short": within_limit(lambda: concurrency.in_native_thread(lambda: True))}
        for _ in range(CALLS):
            concurrency.spawn(concurrency.in_native_thread, wait_for_the_end)
        concurrency.sleep(0)
        told["answered"] = within_limit(hypervisor.version) is not None
        told["stopped"] = within_limit(lambda: guest.stop() or True)
        told["changed"] = concurrency.wait_until(lambda: guest.uuid in changed, LONGEST_S)
        with hypervisor.events.watch_removal(guest.uuid, "ua-1") as watch:
            hypervisor._on_device_removed(None, guest._domain, "ua-1", None)
            told["removal"] = watch.wait(LONGEST_S).value
    print(json.dumps(told), flush=True)
    # As daemons end: nobody waits for threads.
    os._exit(0)


if __name__ == "__main__":
    main()
