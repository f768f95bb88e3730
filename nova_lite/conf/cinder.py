"""``[cinder]``."""

from oslo_config import cfg

GROUP = "cinder"

OPTS: list[cfg.Opt] = []
