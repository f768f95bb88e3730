"""``[compute]``: the process beside the hypervisor."""

from oslo_config import cfg

GROUP = "compute"

OPTS = [
    cfg.StrOpt(
        "driver",
        default="libvirt",
        choices=["libvirt", "fake"],
        help="Hypervisor driver. ``fake`` runs no guests; it is for tests and benchmarks.",
    ),
    cfg.StrOpt(
        "instances_path",
        default="$state_path/instances",
        help="Directory of the servers' local disks, one folder a server.",
    ),
    cfg.BoolOpt(
        "force_config_drive",
        default=False,
        help="Give every server built on this host a config drive, also when its user did "
        "not ask for one.",
    ),
    cfg.StrOpt(
        "availability_zone",
        default="nova",
        help="Availability zone of this host.",
    ),
    cfg.IntOpt(
        "max_concurrent_builds",
        default=10,
        min=1,
        help="Servers this host builds at the same time; more wait their turn.",
    ),
    cfg.IntOpt(
        "resource_report_interval_s",
        default=60,
        min=1,
        help="Seconds between two inventories of the host.",
    ),
    cfg.FloatOpt("vcpus_ratio", default=4.0, min=0.1, help="Virtual CPUs sold a real one."),
    cfg.FloatOpt("memory_mib_ratio", default=1.0, min=0.1, help="Memory sold a real MiB."),
    cfg.FloatOpt("disk_gib_ratio", default=1.0, min=0.1, help="Disk sold a real GiB."),
    cfg.IntOpt("vcpus_reserved", default=0, min=0, help="CPUs kept for the host."),
    cfg.IntOpt("memory_mib_reserved", default=512, min=0, help="MiB kept for the host."),
    cfg.IntOpt("disk_gib_reserved", default=0, min=0, help="GiB of disk kept for the host."),
    cfg.IntOpt(
        "progress_interval_s",
        default=2,
        min=1,
        help="Seconds between two reports of a running operation's steps. Operations "
        "that are shorter report only their end.",
    ),
    cfg.IntOpt(
        "volume_snapshot_timeout_s",
        default=1800,
        min=1,
        help="Seconds that making an image of a server that boots from a volume waits for "
        "each snapshot of its volumes.",
    ),
    cfg.FloatOpt(
        "shutdown_timeout_s",
        default=60.0,
        min=0,
        help="Seconds a server that is stopped has to shut down by itself, before the plug is "
        "pulled; 0 pulls it at once. An image's property ``os_shutdown_timeout`` overrides it.",
    ),
    cfg.FloatOpt(
        "shutdown_timeout_max_s",
        default=3600.0,
        min=0,
        help="The most that an image's ``os_shutdown_timeout`` can ask for.",
    ),
    cfg.IntOpt(
        "block_device_allocate_timeout_s",
        default=300,
        min=1,
        help="Seconds a build waits for a new volume whose size is 1 GiB; the limit "
        "grows by ``block_device_allocate_timeout_per_gib_s`` a GiB.",
    ),
    cfg.IntOpt(
        "block_device_allocate_timeout_per_gib_s",
        default=20,
        min=0,
        help="Seconds added to the wait for a new volume for each GiB of it.",
    ),
]
