"""``[fake]``."""

from oslo_config import cfg

GROUP = "fake"

OPTS: list[cfg.Opt] = []
