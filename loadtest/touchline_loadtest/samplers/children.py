"""Samples this process and all that it starts, whichever those are, into a run folder."""

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from touchline_loadtest.clock import now_ms
from touchline_loadtest.runs.writer import RunWriter

from .processes import ProcessSampler

INTERVAL_S = 1.0
LOOK_S = 0.1
"""Time between looks for new processes: each is sampled at once, since it may end before the next interval does."""
THIS = "clients"
"""The name of this process, which holds clients and publishes."""
NAMES = {"touchline_server": "server", "touchline_loadtest.counters": "counters"}
"""What modules are called, if not by their last name."""


@contextlib.asynccontextmanager
async def recorded(run: RunWriter, interval_s: float = INTERVAL_S) -> AsyncIterator[None]:
    """Sample until the end of the block. It takes about 1 ms for each process, on this process's core."""
    task = asyncio.create_task(_record(run, interval_s))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def children(pid: int) -> list[int]:
    """The processes that a process has started, and that still run."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for each in tasks for child in _read(each).split()]


async def _record(run: RunWriter, interval_s: float) -> None:
    sampler = ProcessSampler()
    sampler.watch(THIS, os.getpid())
    watched: dict[int, str] = {}
    due_s = 0.0
    while True:
        running = children(os.getpid())
        watched = {pid: name for pid, name in watched.items() if pid in running}
        for pid in running:
            if pid not in watched and (module := _module(pid)):
                watched[pid] = _free_name(module, watched.values())
                due_s = 0.0
                with contextlib.suppress(ProcessLookupError):
                    sampler.watch(watched[pid], pid)
        if time.monotonic() >= due_s:
            run.samples(sampler.sample(now_ms()))
            due_s = time.monotonic() + interval_s
        await asyncio.sleep(min(LOOK_S, interval_s))


def _module(pid: int) -> str:
    """The module that a process runs by ``python -m``; empty if it runs none, yet or any more."""
    arguments = _read(Path(f"/proc/{pid}/cmdline")).split("\0")
    if "-m" not in arguments[:-1] or not arguments[0].rpartition("/")[2].startswith("python"):
        return ""
    module = arguments[arguments.index("-m") + 1]
    return NAMES.get(module) or module.removeprefix("touchline_loadtest.baselines.")


def _free_name(module: str, taken: Iterable[str]) -> str:
    names = itertools.chain([module], (f"{module} {number}" for number in itertools.count(2)))
    return next(name for name in names if name not in set(taken))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
