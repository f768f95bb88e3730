"""How long the hub of a green process stood still while the process could run."""

import time

from eventlet import patcher

from nova_lite import concurrency

TICK_S = 0.01
LONGEST_TICK_S = 0.1
"""In a longer one the whole process did not run, which says nothing of the hub."""


class Watch:
    """Ticks in a green thread, and in a native one that no green thread can stop.
    The latter measures, so that a busy machine is not taken for a hub that stands still."""

    def __init__(self):
        self.longest_gap_s = 0.0
        self._ran_s = 0.0
        self._is_over = False
        native = patcher.original("threading").Thread(target=self._measure, daemon=True)
        native.start()
        self._ticker = concurrency.spawn(self._tick)

    def stop(self):
        """End both threads; returns how long the hub stood still at most."""
        self._ticker.kill()
        self._is_over = True
        return self.longest_gap_s

    def _measure(self):
        sleep = patcher.original("time").sleep
        while not self._is_over:
            before = time.monotonic()
            sleep(TICK_S)
            self._ran_s += min(time.monotonic() - before, LONGEST_TICK_S)

    def _tick(self):
        while True:
            before = self._ran_s
            concurrency.sleep(TICK_S)
            self.longest_gap_s = max(self.longest_gap_s, self._ran_s - before)
