"""Run by test_ledger_green: a hundred green threads want room for ten.

Prints how many got it, and the longest time the other green threads had to
wait, in seconds.
"""

from nova_lite import concurrency

concurrency.monkey_patch()

import sys  # noqa: E402
import time  # noqa: E402

from nova_lite import context  # noqa: E402
from nova_lite import exceptions  # noqa: E402
from nova_lite.scheduler import manager  # noqa: E402
from tests.fixtures import databases  # noqa: E402
from tests.fixtures import hosts  # noqa: E402


def main(url: str) -> None:
    conf = databases.conf_of(url)
    database = databases.database_at(url)
    scheduler = manager.SchedulerManager(conf, database)
    longest_s = 0.0

    def schedule() -> bool:
        try:
            scheduler.select_destinations(context.admin_context(), [hosts.spec()], 2)
        except exceptions.NoValidHost:
            return False
        return True

    def watch() -> None:
        nonlocal longest_s
        before = time.monotonic()
        while True:
            concurrency.sleep(0)
            longest_s = max(longest_s, time.monotonic() - before)
            before = time.monotonic()

    watcher = concurrency.spawn(watch)
    threads = [concurrency.spawn(schedule) for _ in range(100)]
    placed = sum(thread.wait() for thread in threads)
    watcher.kill()
    print(placed, longest_s)


if __name__ == "__main__":
    main(sys.argv[1])
