"""``[fake]``: the hypervisor driver that runs no guests."""

from oslo_config import cfg

GROUP = "fake"

OPTS = [
    cfg.IntOpt("vcpus", default=1000, min=1, help="CPUs the fake host says it has."),
    cfg.IntOpt(
        "memory_mib", default=1024 * 1024, min=1, help="MiB of memory the fake host says it has."
    ),
    cfg.IntOpt("disk_gib", default=100 * 1024, min=0, help="GiB of disk it says it has."),
    cfg.BoolOpt(
        "persist",
        default=False,
        help="Keep guests, disks and volumes in ``$state_path/fake_driver.json``, so that "
        "they outlive the process as those of a real hypervisor do.",
    ),
    cfg.BoolOpt(
        "supports_boot_order",
        default=True,
        help="Whether the fake firmware tries several devices in order. If not, a guest "
        "boots from the device with boot_index 0 or not at all.",
    ),
    cfg.ListOpt(
        "faults",
        default=[],
        help="Faults to inject, each ``part.call:effect[:argument]``. Effects: ``fail[:times]`` "
        "(always without times), ``slow:seconds``, ``hang[:times]``, ``die`` (the process ends "
        "at once, as by kill -9). ``part.call@after`` does the call first. Example: "
        "``guests.spawn:fail:2, volumes.plug:slow:0.5, volumes.unplug@after:die``.",
    ),
]
