"""``status``: one word made of ``vm_state`` and ``task_state`` (RULES B8).

The table is Nova's, also for states that nova_lite does not reach yet, so that
filters by status accept what clients send.
"""

ACTIVE, BUILD, ERROR, UNKNOWN = "ACTIVE", "BUILD", "ERROR", "UNKNOWN"

# vm_state -> what it shows as, and what a task makes of it.
_TABLE: dict[str, tuple[str, dict[str, str]]] = {
    "active": (
        ACTIVE,
        {
            "rebooting": "REBOOT",
            "reboot_pending": "REBOOT",
            "reboot_started": "REBOOT",
            "rebooting_hard": "HARD_REBOOT",
            "reboot_pending_hard": "HARD_REBOOT",
            "reboot_started_hard": "HARD_REBOOT",
            "updating_password": "PASSWORD",
            "rebuilding": "REBUILD",
            "rebuild_block_device_mapping": "REBUILD",
            "rebuild_spawning": "REBUILD",
            "migrating": "MIGRATING",
            "resize_prep": "RESIZE",
            "resize_migrating": "RESIZE",
            "resize_migrated": "RESIZE",
            "resize_finish": "RESIZE",
        },
    ),
    "building": (BUILD, {}),
    "stopped": (
        "SHUTOFF",
        {
            "resize_prep": "RESIZE",
            "resize_migrating": "RESIZE",
            "resize_migrated": "RESIZE",
            "resize_finish": "RESIZE",
            "rebuilding": "REBUILD",
            "rebuild_block_device_mapping": "REBUILD",
            "rebuild_spawning": "REBUILD",
        },
    ),
    "resized": ("VERIFY_RESIZE", {"resize_reverting": "REVERT_RESIZE"}),
    "paused": ("PAUSED", {"migrating": "MIGRATING"}),
    "suspended": ("SUSPENDED", {}),
    "rescued": ("RESCUE", {}),
    "error": (
        ERROR,
        {
            "rebuilding": "REBUILD",
            "rebuild_block_device_mapping": "REBUILD",
            "rebuild_spawning": "REBUILD",
        },
    ),
    "deleted": ("DELETED", {}),
    "soft-delete": ("SOFT_DELETED", {}),
    "shelved": ("SHELVED", {}),
    "shelved_offloaded": ("SHELVED_OFFLOADED", {}),
}

# Statuses that show how far something is, and those that show a fault.
WITH_PROGRESS = frozenset({ACTIVE, BUILD, "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"})
WITH_FAULT = frozenset({ERROR, "DELETED"})


def of(vm_state: str, task_state: str | None) -> str:
    """The status of a server in these states."""
    default, by_task = _TABLE.get(vm_state, (UNKNOWN, {}))
    return by_task.get(task_state or "", default)


def vm_states(statuses: list[str]) -> tuple[set[str], set[str] | None]:
    """The states that show as one of ``statuses`` (any case).

    :returns: vm_states, and task_states unless any task will do.
    """
    wanted = {status.upper() for status in statuses}
    vm: set[str] = set()
    tasks: set[str] = set()
    any_task = False
    for vm_state, (default, by_task) in _TABLE.items():
        matching = {task for task, status in by_task.items() if status in wanted}
        tasks |= matching
        any_task = any_task or default in wanted
        if matching or default in wanted:
            vm.add(vm_state)
    return vm, None if any_task else tasks
