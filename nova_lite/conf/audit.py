"""``[audit]``: looking for places where two sources disagree."""

from oslo_config import cfg

GROUP = "audit"

OPTS = [
    cfg.FloatOpt(
        "pause_s",
        default=5.0,
        min=0.0,
        help="Seconds between the two looks of an audit. Only what both see is reported.",
    ),
    cfg.IntOpt(
        "interval_s",
        default=0,
        min=0,
        help="Seconds between two audits that the conductor makes by itself; it repairs "
        "nothing and logs how many findings of which kind there are. 0 makes none.",
    ),
    cfg.IntOpt(
        "operation_silence_s",
        default=600,
        min=10,
        help="Seconds without a sign of life after which an audit reports an operation. More "
        "than ``[conductor] operation_silence_s``, after which it is taken up.",
    ),
]
