"""``[rpc]``: how the daemons talk to each other.

The transport itself (``transport_url``, ``[oslo_messaging_rabbit]``) is
configured by oslo.messaging's own options.
"""

from oslo_config import cfg

GROUP = "rpc"

OPTS = [
    cfg.IntOpt(
        "response_timeout_s",
        default=30,
        min=1,
        help="Seconds an RPC call waits for its reply before it is given up.",
    ),
    cfg.IntOpt(
        "executor_threads",
        default=64,
        min=1,
        help="RPC messages a daemon works on at the same time.",
    ),
]
