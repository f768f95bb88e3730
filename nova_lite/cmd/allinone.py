"""``nova-lite-allinone``: the whole of nova_lite in one process, for one machine."""

from nova_lite import concurrency

concurrency.monkey_patch()

import argparse  # noqa: E402
import os  # noqa: E402
import pathlib  # noqa: E402
import sys  # noqa: E402
import typing  # noqa: E402

if typing.TYPE_CHECKING:
    from oslo_config import cfg

    from nova_lite import daemon


def _make(conf: "cfg.ConfigOpts") -> "daemon.Part":
    from nova_lite.standalone import allinone

    return allinone.AllInOne(conf)


def main() -> None:
    """Run until told to stop."""
    parser = argparse.ArgumentParser(prog="nova-lite-allinone", description=__doc__)
    parser.add_argument("--state-path", help="where everything is kept")
    parser.add_argument("--config-file", action="append", help="nova_lite configuration")
    parser.add_argument("--pid-file", help="file to write the process id to")
    arguments = parser.parse_args()
    from nova_lite import daemon

    overrides = {}
    if arguments.state_path:
        overrides["default__state_path"] = os.path.abspath(arguments.state_path)
    if arguments.pid_file:
        pathlib.Path(arguments.pid_file).write_text(f"{os.getpid()}\n")
    files = arguments.config_file or ()
    sys.exit(
        daemon.main(
            "nova-lite-allinone",
            _make,
            files=files,
            overrides=overrides,
        )
    )


if __name__ == "__main__":
    main()
