"""``[quota]``: what a project may use when nothing else is set for it."""

from oslo_config import cfg

GROUP = "quota"

OPTS = [
    cfg.IntOpt("instances", default=10, min=-1, help="Servers a project; -1 is no limit."),
    cfg.IntOpt("cores", default=20, min=-1, help="Virtual CPUs a project; -1 is no limit."),
    cfg.IntOpt(
        "ram_mib",
        default=51200,
        min=-1,
        help="MiB of memory a project; -1 is no limit.",
    ),
    cfg.IntOpt(
        "metadata_items",
        default=128,
        min=-1,
        help="Metadata items a server; -1 is no limit.",
    ),
    cfg.IntOpt("key_pairs", default=100, min=-1, help="Keypairs a user; -1 is no limit."),
]
