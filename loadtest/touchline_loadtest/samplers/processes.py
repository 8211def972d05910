"""Samples CPU, memory and open files of processes, by what Linux tells anybody about them.

It needs no event loop: call `ProcessSampler.sample` about once a second, from any thread. A sample of one process costs
about 1 ms, most of it for its memory.
"""

import contextlib
import os
import time
from pathlib import Path
from typing import NamedTuple

from touchline_loadtest.measure.machine import cpu_s
from touchline_loadtest.runs.records import Sample
from touchline_loadtest.runs.series import CPU, MEMORY, OPEN_FILES, PROCESS, sample

KIB_PER_MIB = 1024
PERCENT = 100
SHORTEST_S = 0.1
"""The shortest time of which a share of CPU means something: a sample that comes earlier has none."""


class _Seen(NamedTuple):
    """A process when it was last sampled. Its start tells it from a later process with the same id."""

    pid: int
    started: bytes
    cpu_s: float
    at_s: float


class ProcessSampler:
    """CPU (since the sample before), memory and open files of each process that it watches, by name."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def watch(self, name: str, pid: int) -> None:
        """Begin to watch a process; a name that is watched already passes to this one.

        Raises:
            ProcessLookupError: there is no such process.
        """
        self._seen[name] = _look(pid)

    def forget(self, name: str) -> None:
        """Stop watching a process; unknown names are ignored."""
        self._seen.pop(name, None)

    def sample(self, at_ms: float) -> list[Sample]:
        """The samples of all processes that still run. Those that have ended are forgotten."""
        samples: list[Sample] = []
        for name, before in list(self._seen.items()):
            try:
                samples += self._sample_one(name, before, at_ms)
            except (OSError, ValueError):
                self.forget(name)
        return samples

    def _sample_one(self, name: str, before: _Seen, at_ms: float) -> list[Sample]:
        now = _look(before.pid)
        if now.started != before.started:
            raise ProcessLookupError(before.pid)
        labels = {PROCESS: name}
        samples = [sample(at_ms, MEMORY, memory_kib(now.pid) / KIB_PER_MIB, **labels)]
        if (elapsed_s := now.at_s - before.at_s) >= SHORTEST_S:
            samples.append(sample(at_ms, CPU, (now.cpu_s - before.cpu_s) / elapsed_s * PERCENT, **labels))
            self._seen[name] = now
        with contextlib.suppress(PermissionError):
            samples.append(sample(at_ms, OPEN_FILES, open_files(now.pid), **labels))
        return samples


def memory_kib(pid: int) -> int:
    """A process's memory in KiB, in which pages shared with others count in part (PSS), as forks share most of theirs.

    For processes of other users, which show only their whole resident memory, that.

    Raises:
        OSError: it has ended.
        ValueError: it is ending.
    """
    try:
        return _kib(Path(f"/proc/{pid}/smaps_rollup"), "Pss:")
    except PermissionError:
        return _kib(Path(f"/proc/{pid}/status"), "VmRSS:")


def open_files(pid: int) -> int:
    """The number of open files and sockets of a process.

    Raises:
        OSError: it has ended, or belongs to another user.
    """
    folder = f"/proc/{pid}/fd"
    # Linux 6.2 and later give the count as the size; a list of 10,000 takes 2 ms.
    return os.stat(folder).st_size or len(os.listdir(folder))  # noqa: PTH116, PTH208 - pathlib would be slower


def _look(pid: int) -> _Seen:
    try:
        # Field 22 is the start. The name before it may have spaces and brackets.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return _Seen(pid, fields[19], cpu_s(pid), time.monotonic())
    except OSError as error:
        raise ProcessLookupError(f"there is no process {pid}") from error


def _kib(path: Path, name: str) -> int:
    for line in path.read_text(encoding="ascii").splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise ValueError(f"{path} has no {name}")
