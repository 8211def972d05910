"""The memory of a server's processes, and the kernel's memory for connections.

Linux has no number of the latter for one process, so it is that of all object caches (``Slab`` in proc_meminfo(5):
sockets, their inodes, open files, epoll's entries), and of the pages in TCP's buffers (``mem`` in /proc/net/sockstat).
If both ends of a connection are on this machine, it counts both, and whatever other programs do meanwhile.
"""

from pathlib import Path

from touchline_loadtest.measure.machine import family, own_memory_kib
from touchline_loadtest.measure.observation import sockets_kib


def process_kib(pid: int) -> int:
    """The memory of a process and those that it started which no file backs, in KiB.

    Shared memory, in which nginx's modules keep what their workers have in common, counts once.
    """
    pids = family(pid)
    return sum(map(own_memory_kib, pids)) + max(shared_kib(_status(each)) for each in pids)


def shared_kib(status: str) -> int:
    """``RssShmem`` of ``/proc/PID/status``, in KiB; 0 if the system does not report it."""
    return _kib(status, "RssShmem:")


def kernel_kib() -> int:
    """The kernel's object caches and TCP buffers now, in KiB."""
    return slab_kib(Path("/proc/meminfo").read_text(encoding="ascii")) + sockets_kib()


def slab_kib(meminfo: str) -> int:
    """``Slab`` of ``/proc/meminfo``, in KiB; 0 if the system does not report it."""
    return _kib(meminfo, "Slab:")


def _status(pid: int) -> str:
    return Path(f"/proc/{pid}/status").read_text(encoding="ascii")


def _kib(lines: str, name: str) -> int:
    return next((int(line.split()[1]) for line in lines.splitlines() if line.startswith(name)), 0)
