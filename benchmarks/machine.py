"""What the machine is and how busy it is."""

import os
import pathlib
import platform
import time
import typing


def describe() -> dict[str, typing.Any]:
    """Processor, memory, kernel, interpreter."""
    models = [
        line.partition(":")[2].strip()
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory_kib = int(pathlib.Path("/proc/meminfo").read_text().split()[1])
    return {
        "processor": models[0] if models else platform.machine(),
        "processors": os.cpu_count(),
        "memory_gib": round(memory_kib / 1024**2),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def load() -> float:
    """The load average of the last minute."""
    return os.getloadavg()[0]


def busy_share(interval_s: float = 0.5) -> float:
    """The share of all processors that was not idle in an interval."""
    idle_before, total_before = _ticks()
    time.sleep(interval_s)
    idle, total = _ticks()
    return 1 - (idle - idle_before) / max(1, total - total_before)


def wait_quiet(share: float, timeout_s: float) -> bool:
    """Wait until the processors were nearly idle for a second; False if never.

    This looks at the last second, unlike the load average, which remembers our
    own last section for a minute.
    """
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if busy_share() <= share and busy_share() <= share:
            return True
    return False


def pss_mb(pid: int) -> float:
    """Proportional set size in 10^6 bytes: shared pages count in parts."""
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise LookupError(f"no Pss of process {pid}")


def processor_ms(pid: int) -> float:
    """Processor time a process has used, all its threads together."""
    return sum(
        int((task / "schedstat").read_text().split()[0]) / 1e6
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
    )


def _ticks() -> tuple[int, int]:
    fields = [
        int(word) for word in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:]
    ]
    return fields[3] + fields[4], sum(fields[:8])
