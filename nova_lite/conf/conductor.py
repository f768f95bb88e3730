"""``[conductor]``: orchestration and the watch over silent owners."""

from oslo_config import cfg

GROUP = "conductor"

OPTS = [
    cfg.IntOpt(
        "reaper_interval_s",
        default=15,
        min=1,
        help="Seconds between two searches for work whose owner is silent.",
    ),
    cfg.IntOpt(
        "operation_silence_s",
        default=60,
        min=2,
        help="Seconds without a sign of life after which an operation is taken over. "
        "Must be more than ``[compute] progress_interval_s``.",
    ),
    cfg.IntOpt(
        "max_attempts",
        default=3,
        min=1,
        help="Hosts on which a build is tried before it fails.",
    ),
]
