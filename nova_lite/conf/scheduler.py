"""``[scheduler]``: which hosts may take a server, and which is best."""

from oslo_config import cfg

GROUP = "scheduler"

OPTS = [
    cfg.ListOpt(
        "enabled_filters",
        default=[
            "service",
            "availability_zone",
            "retry",
            "forced_host",
            "resources",
            "image_properties",
        ],
        help="Rules a host must pass, in order; names of modules in scheduler/filters.",
    ),
    cfg.ListOpt(
        "enabled_weighers",
        default=["memory", "vcpus", "disk"],
        help="What ranks the hosts that pass; names of modules in scheduler/weighers.",
    ),
    cfg.IntOpt(
        "host_subset_size",
        default=1,
        min=1,
        help="The host is picked at random among so many of the best.",
    ),
]
