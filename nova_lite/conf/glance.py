"""``[glance]``."""

from oslo_config import cfg

GROUP = "glance"

OPTS: list[cfg.Opt] = []
