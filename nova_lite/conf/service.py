"""``[DEFAULT]``: what every daemon has."""

import socket

from oslo_config import cfg

GROUP = None

OPTS = [
    cfg.HostAddressOpt(
        "my_ip",
        default="127.0.0.1",
        help="Address of this host, as Cinder's storage back ends see it.",
    ),
    cfg.StrOpt(
        "host",
        default=socket.gethostname(),
        sample_default="<current hostname>",
        help="Name of this host: its RPC address. Must be unique a daemon kind.",
    ),
    cfg.StrOpt(
        "state_path",
        default="/var/lib/nova-lite",
        help="Directory for what this host must remember.",
    ),
    cfg.IntOpt(
        "report_interval_s",
        default=10,
        min=1,
        help="Seconds between two heartbeats of a daemon.",
    ),
    cfg.IntOpt(
        "service_down_time_s",
        default=60,
        min=1,
        help="Seconds without a heartbeat after which a daemon counts as down.",
    ),
]
