"""What the kernel knows of this process. Standard library only: both sides of the comparison read it."""

import os
import time
from pathlib import Path


def seconds_since_start() -> float:
    """Age of this process, the interpreter's own start included. Resolution 10 ms."""
    stat = Path("/proc/self/stat").read_text(encoding="ascii")
    start_ticks = int(stat.rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - start_ticks / os.sysconf("SC_CLK_TCK")


def resident_mb() -> float:
    """Resident memory now."""
    return _status_kb("VmRSS") / 1024


def peak_resident_mb() -> float:
    """The most there ever was."""
    return _status_kb("VmHWM") / 1024


def _status_kb(field: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0])
    raise RuntimeError(f"/proc/self/status has no {field}")
