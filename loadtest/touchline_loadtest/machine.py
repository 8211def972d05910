"""The machine that the suite runs on: its cores, and what a process of it has used.

Knows the operating system, and nothing of servers or clients. Where a system has no affinity (macOS), nothing is pinned
and `Cores.pinned` says so; reading another process's CPU time and memory needs Linux.
"""

import os
import platform
import resource
import time
from pathlib import Path
from typing import NamedTuple

from touchline_protocol.errors import OperatorError

NS = 1_000_000_000


class Cores(NamedTuple):
    """Which core the server has, and which the clients; None where they cannot be kept apart."""

    server: int | None
    clients: int | None

    @property
    def pinned(self) -> bool:
        """Whether server and clients have a core each."""
        return self.server is not None


def choose_cores() -> Cores:
    """A core for the server and another one for the clients, of those that this process may use."""
    if not hasattr(os, "sched_getaffinity"):
        return Cores(None, None)
    cores = sorted(os.sched_getaffinity(0))
    return Cores(cores[0], cores[1]) if len(cores) > 1 else Cores(None, None)


def pin(pid: int, core: int | None) -> None:
    """Keep a process, 0 for this one, and the threads that it starts later, on a core; None leaves it free."""
    if core is not None:
        os.sched_setaffinity(pid, {core})


def cpu_s(pid: int) -> float:
    """The CPU seconds, user and system, that all threads of a process have used.

    The clock's number is made as clock_getcpuclockid(3) of glibc makes it, which Python has for threads alone. Unlike
    ``/proc/PID/stat``, whose unit is 10 ms, it counts nanoseconds.
    """
    return time.clock_gettime((~pid << 3) | 2)


def waited_s(pid: int) -> float:
    """The seconds that a process's main thread could have run, and waited for a core that somebody else used.

    That is the second number of ``/proc/PID/schedstat``; 0 where the system does not tell.
    """
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / NS
    except (OSError, IndexError):
        return 0.0


def stolen_s() -> float:
    """The seconds that a virtual machine's host kept its cores from running, all of them together.

    That is ``steal`` in proc_stat(5); 0 where the system does not tell.
    """
    try:
        line = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0]
        return int(line.split()[8]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):
        return 0.0


def own_memory_kib(pid: int) -> int:
    """The memory of a process that is backed by no file: its heap and stacks, in KiB (``RssAnon``)."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise OperatorError("this system does not tell a process's own memory; the suite needs Linux 4.5 or newer")


def need_files(count: int) -> None:
    """Let this process have ``count`` files open, and those that it starts.

    Raises:
        OperatorError: the system's limit is lower.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count:
        return
    if hard != resource.RLIM_INFINITY and hard < count:
        raise OperatorError(
            f"this needs {count} open files, and the limit is {hard}: raise it (ulimit -Hn), or use --scale"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def describe() -> dict[str, str | int]:
    """What a reader of the results should know of the machine."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 0,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
