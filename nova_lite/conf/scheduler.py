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
        help="Rules a host must pass, in order; names of modules in scheduler/filters. "
        "Each host is refused by the first rule it fails.",
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
        help="The host is picked at random among so many of the best. More than 1 keeps "
        "several schedulers from all trying the same host first.",
    ),
    cfg.FloatOpt(
        "memory_weight_multiplier",
        default=1.0,
        help="How much free memory counts when hosts are ranked. Negative fills hosts up "
        "before it takes the next; 0 ignores memory.",
    ),
    cfg.FloatOpt(
        "vcpus_weight_multiplier",
        default=1.0,
        help="How much free virtual CPUs count when hosts are ranked; see "
        "``memory_weight_multiplier``.",
    ),
    cfg.FloatOpt(
        "disk_weight_multiplier",
        default=1.0,
        help="How much free local disk counts when hosts are ranked; see "
        "``memory_weight_multiplier``.",
    ),
]
