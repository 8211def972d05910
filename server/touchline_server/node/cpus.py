"""How many CPUs this process may use: those of the machine, or of its container if that is less."""

import os
from math import ceil
from pathlib import Path

CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""A container's share in version 2 of cgroups: microseconds of CPU time per period, then the period."""
CGROUP_V1_QUOTA = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
CGROUP_V1_PERIOD = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
"""The same in version 1."""


def cpu_count(quota: Path = CGROUP_QUOTA, v1_quota: Path = CGROUP_V1_QUOTA, v1_period: Path = CGROUP_V1_PERIOD) -> int:
    """The number of CPUs that this process may use, at least 1. A share of a CPU counts as a whole one."""
    cpus = len(os.sched_getaffinity(0))
    for files in ((quota,), (v1_quota, v1_period)):
        try:
            quota_us, period_us = (int(number) for file in files for number in file.read_text("ascii").split())
        except (OSError, ValueError):
            continue  # another version of cgroups, or "max": no limit
        if quota_us > 0 and period_us > 0:
            cpus = min(cpus, ceil(quota_us / period_us))
    return cpus
