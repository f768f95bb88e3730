"""``nova-lite-compute`` that a test can hold in the middle of a step.

Its fake driver waits at a call as long as there is a file of the step's name in the
folder ``held`` below the state path; see :meth:`tests.integration.test_recovery.Lab.held`.
"""

from nova_lite import concurrency

concurrency.monkey_patch()

import collections.abc  # noqa: E402
import pathlib  # noqa: E402

from oslo_config import cfg  # noqa: E402

from nova_lite.cmd import compute  # noqa: E402
from nova_lite.virt import fake  # noqa: E402
from nova_lite.virt import load  # noqa: E402

CALLS = {
    "connect_volume": "volumes.connect",
    "create_disks": "disks.create",
    "spawn": "guests.spawn",
    "plug": "volumes.plug",
    "unplug": "volumes.unplug",
}
"""The driver's call that a step is about."""
LONGEST_S = 120.0


class HeldDriver(fake.FakeDriver):
    """See the module."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__(conf)
        folder = pathlib.Path(conf.state_path) / "held"
        for step, call in CALLS.items():
            self.faults.on_call(call, _waiting_for_the_end_of(folder / step))


def _waiting_for_the_end_of(file: pathlib.Path) -> collections.abc.Callable[..., None]:
    def wait(*_args: object, **_kwargs: object) -> None:
        concurrency.wait_until(lambda: not file.exists(), LONGEST_S)

    return wait


if __name__ == "__main__":
    load.DRIVERS["fake"] = (__name__, HeldDriver.__name__)
    compute.main()
