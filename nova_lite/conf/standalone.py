"""``[standalone]``."""

from oslo_config import cfg

GROUP = "standalone"

OPTS: list[cfg.Opt] = []
