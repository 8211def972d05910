"""How much memory this process may use: that of the machine, or of its container if that is less."""

import os
from pathlib import Path

CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Where a container's limit is, in version 2 and 1 of cgroups."""


def memory_bytes(cgroup_limits: tuple[Path, ...] = CGROUP_LIMITS) -> int:
    """The memory that this process may use, in bytes."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in cgroup_limits:
        try:
            limits.append(int(path.read_text("ascii")))
        except (OSError, ValueError):
            continue  # another version of cgroups, or "max": no limit
    return min(limits)
