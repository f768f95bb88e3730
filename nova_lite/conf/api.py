"""``[api]``."""

from oslo_config import cfg

GROUP = "api"

OPTS: list[cfg.Opt] = []
