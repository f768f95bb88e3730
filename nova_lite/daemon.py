"""What every daemon does: configuration, logs, readiness, heartbeat, signals."""

import collections.abc
import logging
import os
import pathlib
import signal
import socket
import sys
import typing

from oslo_config import cfg
from oslo_log import log as oslo_log
from oslo_utils import uuidutils

from nova_lite import concurrency
from nova_lite import conf as nova_conf
from nova_lite import objects

LOG = logging.getLogger(__name__)

STOP_LIMIT_S = 60
"""Seconds a daemon has to stop; less than systemd's patience."""

QUIET = {
    "amqp": "WARNING",
    "oslo.messaging": "INFO",
    "oslo_messaging": "INFO",
    # It warns whenever a sender waits for another to finish.
    "oslo_messaging._drivers.pool": "ERROR",
    "keystoneauth": "WARNING",
    "urllib3": "WARNING",
    "stevedore": "WARNING",
    "nova_lite.wsgi": "WARNING",
}


class Part(typing.Protocol):
    """One of the services a process runs."""

    def start(self) -> None:
        """Begin to work."""

    def stop(self) -> None:
        """End: take no new work, let what runs come to a saved point."""


def main(
    program: str,
    make: collections.abc.Callable[[cfg.ConfigOpts], Part],
    *,
    files: collections.abc.Sequence[str] | None = None,
    overrides: dict[str, str] | None = None,
) -> int:
    """Run a daemon until SIGTERM or SIGINT. It says ``READY`` on standard
    output, and to systemd, when it serves.

    :param files: configuration files; None takes the command line.
    :param overrides: see :func:`nova_lite.conf.new`.
    :returns: 1 if it could not start; it does not return otherwise.
    """
    arguments = sys.argv[1:] if files is None else []
    conf = nova_conf.new(arguments, files=files, **(overrides or {}))
    set_up_logging(conf, program)
    try:
        part = make(conf)
        part.start()
    except Exception as error:
        LOG.exception("%s could not start", program)
        print(f"{program} could not start: {error}", file=sys.stderr)
        return 1
    LOG.info("%s is ready on %s", program, conf.host)
    notify_systemd("READY=1")
    print("READY", flush=True)
    number = concurrency.wait_for_signal(signal.SIGTERM, signal.SIGINT)
    LOG.info("Stopping on %s", signal.Signals(number).name)
    notify_systemd("STOPPING=1")
    _stop(program, part)
    return 0


def _stop(program: str, part: Part) -> None:
    """Stop the part, and end the process whatever it or a library still waits
    for: what is unfinished is on record, and the next run takes it up."""
    try:
        with concurrency.deadline(STOP_LIMIT_S):
            part.stop()
    except concurrency.DeadlineExceeded:
        LOG.warning("%s did not stop in %d s; it ends now", program, STOP_LIMIT_S)
    logging.shutdown()
    sys.stdout.flush()
    # At exit the interpreter joins threads, and those of libraries are green:
    # nothing would run them any more.
    os._exit(0)


def set_up_logging(conf: cfg.ConfigOpts, program: str) -> None:
    """Logs as ``[DEFAULT]`` of oslo.log says; chatty libraries are kept quiet."""
    oslo_log.setup(conf, program)
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)


def ensure_state_path(conf: cfg.ConfigOpts) -> None:
    """Make the directory for what this host must remember."""
    pathlib.Path(conf.state_path).mkdir(mode=0o755, parents=True, exist_ok=True)


def new_service(conf: cfg.ConfigOpts, binary: str, zone: str | None = None) -> objects.Service:
    """What this run of a daemon says of itself in its heartbeats."""
    return objects.Service(
        host=conf.host,
        binary=binary,
        availability_zone=zone or "internal",
        incarnation=uuidutils.generate_uuid(),
    )


def notify_systemd(state: str) -> None:
    """Tell the service manager, if there is one (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
        connection.settimeout(1)
        connection.sendto(state.encode(), address)
