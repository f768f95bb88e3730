"""``[image_cache]``: base files that many local disks share."""

from oslo_config import cfg

GROUP = "image_cache"

OPTS = [
    cfg.StrOpt(
        "subdirectory_name",
        default="_base",
        deprecated_opts=[
            cfg.DeprecatedOpt("image_cache_subdirectory_name", group="DEFAULT"),
            cfg.DeprecatedOpt("image_cache_subdirectory_name", group="libvirt"),
        ],
        help="Folder of ``[compute] instances_path`` with the base files of local disks: "
        "images, empty file systems and swap spaces. Its older name, "
        "``image_cache_subdirectory_name``, is still read.",
    ),
    cfg.IntOpt(
        "interval_s",
        default=2400,
        min=0,
        help="Seconds between two looks for base files that nothing uses; 0 never looks.",
    ),
    cfg.IntOpt(
        "minimum_age_s",
        default=86400,
        min=60,
        help="Seconds a base file stays after its last use, for the next server that "
        "may want it. One that a disk is based on is never removed.",
    ),
]
