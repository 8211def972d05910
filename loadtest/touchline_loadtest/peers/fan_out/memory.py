"""The kernel's memory for connections.

Linux has no number for one process, so this is the growth of all its object caches (``Slab`` in proc_meminfo(5):
sockets, their inodes, open files, epoll's entries), and of the pages in TCP's buffers (``mem`` in /proc/net/sockstat).
If both ends of a connection are on this machine, it counts both, and whatever other programs do meanwhile.
"""

from pathlib import Path

from touchline_loadtest.measure.observation import sockets_kib


def kernel_kib() -> int:
    """The kernel's object caches and TCP buffers now, in KiB."""
    return slab_kib(Path("/proc/meminfo").read_text(encoding="ascii")) + sockets_kib()


def slab_kib(meminfo: str) -> int:
    """``Slab`` of ``/proc/meminfo``, in KiB; 0 if the system does not report it."""
    return next((int(line.split()[1]) for line in meminfo.splitlines() if line.startswith("Slab:")), 0)
