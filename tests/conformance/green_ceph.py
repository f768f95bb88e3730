"""Drives Ceph's client in a green process, as compute does; run by a test.

Prints one JSON object: how long the hub stood still while the cluster worked, and
whether the process outlived green threads that were killed in the middle of calls.
"""

# The library must be made cooperative before anything else is imported.
# ruff: noqa: E402

from nova_lite import concurrency

concurrency.monkey_patch()

import json
import pathlib
import sys

from nova_lite.virt import ceph
from tests.conformance import standstill

SIZE_BYTES = 128 * 2**20


def kill_in_the_middle(cluster, name, delays_s):
    """Work whose waiter is killed after each of ``delays_s``."""

    def work():
        with cluster.pool("vms") as vms, vms.writer(name) as writer:
            while True:
                writer.set_metadata("a", "b")
                vms.snapshots(name)
                for _ in vms.content(name):
                    pass

    for delay_s in delays_s:
        thread = concurrency.spawn(work)
        concurrency.sleep(delay_s)
        thread.kill()


def main():
    cluster = ceph.Cluster(ceph.Access(sys.argv[1], "admin"))
    path = pathlib.Path(sys.argv[2])
    path.write_bytes(b"\1" * SIZE_BYTES)
    watch = standstill.Watch()
    name = sys.argv[3]
    with cluster.pool("vms") as vms:
        imported = vms.import_file(path, name)
        vms.export_file(name, path.with_suffix(".out"))
    longest_gap_s = watch.stop()
    kill_in_the_middle(cluster, name, [0.001 * step for step in range(0, 120, 7)])
    with cluster.pool("vms") as vms:
        # Those that were killed still close what they had open.
        is_let_go = concurrency.wait_until(lambda: not vms.use(name).watchers, 60, 0.1)
        vms.remove(name)
    told = {"imported": imported, "longest_gap_s": longest_gap_s, "is_let_go": is_let_go}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
