"""The machine that the suite runs on: its cores, and the CPU time and memory of its processes.

Knows the operating system, and nothing about servers or clients. On a system without CPU affinity (macOS) nothing is
pinned, and `Cores.pinned` is false. Reading another process's CPU time and memory requires Linux.
"""

import contextlib
import os
import platform
import resource
import time
from pathlib import Path
from typing import NamedTuple

from touchline_protocol.errors import OperatorError

NS = 1_000_000_000
"""Nanoseconds of a second."""


class Cores(NamedTuple):
    """The server's core and the clients' core; None where they cannot be separated."""

    server: int | None
    clients: int | None

    @property
    def pinned(self) -> bool:
        """Whether server and clients have a core each."""
        return self.server is not None


def choose_cores() -> Cores:
    """Choose one core for the server and one for the clients, of those that this process may use."""
    if not hasattr(os, "sched_getaffinity"):
        return Cores(None, None)
    cores = sorted(os.sched_getaffinity(0))
    return Cores(cores[0], cores[1]) if len(cores) > 1 else Cores(None, None)


def pin(pid: int, core: int | None) -> None:
    """Bind a process (0: this one), and all threads that it starts later, to a core; None leaves it free."""
    if core is not None:
        os.sched_setaffinity(pid, {core})


def cpu_s(pid: int) -> float:
    """The CPU seconds, user and system, of all threads of a process.

    The clock id is computed as glibc's clock_getcpuclockid(3) does it; Python offers that for threads alone. It counts
    nanoseconds, where ``/proc/PID/stat`` counts in steps of 10 ms.
    """
    return time.clock_gettime((~pid << 3) | 2)


def family(pid: int) -> list[int]:
    """A process and all processes that descend from it, as far as the system says (``CONFIG_PROC_CHILDREN``)."""
    found = [pid]
    for member in found:
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{member}/task/{member}/children").read_text(encoding="ascii")
            found += map(int, children.split())
    return found


def waited_s(pid: int) -> float:
    """The seconds that a process's main thread was ready to run, but waited for a core that was in use.

    That is the second number of ``/proc/PID/schedstat``; 0 if the system does not report it.
    """
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / NS
    except (OSError, IndexError):
        return 0.0


def stolen_s() -> float:
    """The seconds that a virtual machine's host did not run its cores although they had work, all cores together.

    That is ``steal`` in proc_stat(5); 0 if the system does not report it.
    """
    try:
        line = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0]
        return int(line.split()[8]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):
        return 0.0


def busy_s(core: int | None) -> float:
    """The seconds that a core has not been idle since the system started; None stands for all cores together.

    That counts in steps of 10 ms: proc_stat(5). 0 if the system does not report it.
    """
    name = "cpu" if core is None else f"cpu{core}"
    try:
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    user, nice, system, _, _, irq, softirq = next(
        ([int(number) for number in line.split()[1:8]] for line in lines if line.split()[0] == name), [0] * 7
    )
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def own_memory_kib(pid: int) -> int:
    """The memory of a process that no file backs, which is its heap and stacks, in KiB (``RssAnon``).

    Raises:
        OperatorError: the system does not report it.
    """
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise OperatorError("this system does not report a process's own memory; the suite needs Linux 4.5 or newer")


def need_files(count: int, cure: str = "use --scale") -> None:
    """Allow this process, and those that it starts, to have ``count`` files open.

    ``cure`` is what the error suggests besides a higher limit.

    Raises:
        OperatorError: the system's limit is lower.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count:
        return
    if hard != resource.RLIM_INFINITY and hard < count:
        raise OperatorError(f"this needs {count} open files, but the limit is {hard}: raise it (ulimit -Hn), or {cure}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def describe() -> dict[str, str | int]:
    """The facts about the machine that a reader of the results needs."""
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
