"""``[libvirt]``."""

from oslo_config import cfg

GROUP = "libvirt"

OPTS: list[cfg.Opt] = []
