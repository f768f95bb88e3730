"""``nova-lite-standalone``: the embedded identity, image and volume services alone,
for trials and tests of the four daemons."""

from nova_lite import concurrency

concurrency.monkey_patch()

import sys  # noqa: E402
import typing  # noqa: E402

if typing.TYPE_CHECKING:
    from oslo_config import cfg

    from nova_lite import daemon


def _make(conf: "cfg.ConfigOpts") -> "daemon.Part":
    from nova_lite.standalone import embedded

    return embedded.EmbeddedServices(conf)


def main() -> None:
    """Run the services until told to stop."""
    from nova_lite import daemon

    sys.exit(daemon.main("nova-lite-standalone", _make))


if __name__ == "__main__":
    main()
