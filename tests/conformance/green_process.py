"""Drives a driver in a green process, as compute does; run by a test.

Prints one JSON object: what happened, and the longest time for which the hub
stood still while libvirt worked.
"""

# The library must be made cooperative before anything else is imported.
# ruff: noqa: E402

from nova_lite import concurrency

concurrency.monkey_patch()

import json
import pathlib
import sys

from nova_lite import exceptions
from tests.conformance import conftest
from tests.conformance import standstill


def main():
    lab = conftest.Lab(sys.argv[1], pathlib.Path(sys.argv[2]))
    stops = []
    watch = standstill.Watch()
    lab.driver.guests.on_lifecycle_event(stops.append)
    volume = lab.volume("vdb")
    instance_uuid = lab.spawn(lab.volume("vda"))
    lab.plug(instance_uuid, volume)
    plugged = len(lab.serials(instance_uuid))
    refused = False
    try:
        lab.driver.volumes.unplug(instance_uuid, volume["connection_info"]["serial"])
    except exceptions.DeviceDetachRefused:
        refused = True
    lab.driver.power.power_off(instance_uuid, 0)
    heard = concurrency.wait_until(
        lambda: any(info.power_state == 4 for info in stops), timeout_s=10
    )
    lab.clear()
    longest_gap_s = watch.stop()
    left = len(lab.driver.guests.list_guests())
    print(
        json.dumps(
            {
                "plugged": plugged,
                "refused": refused,
                "heard": heard,
                "left": left,
                "longest_gap_s": longest_gap_s,
            }
        )
    )


if __name__ == "__main__":
    main()
