"""``nova-lite-api``."""

from nova_lite import concurrency

concurrency.monkey_patch()

import sys  # noqa: E402
import typing  # noqa: E402

if typing.TYPE_CHECKING:
    from oslo_config import cfg

    from nova_lite import daemon


def _make(conf: "cfg.ConfigOpts") -> "daemon.Part":
    from nova_lite.api import service
    from nova_lite.db import session
    from nova_lite.rpc import transport

    return service.ApiService(conf, session.Database(conf), transport.Transport(conf))


def main() -> None:
    """Run the daemon until it is told to stop."""
    from nova_lite import daemon

    sys.exit(daemon.main("nova-lite-api", _make))


if __name__ == "__main__":
    main()
