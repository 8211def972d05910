"""Samples the processes of a run, once a second, into the run folder."""

import asyncio
import os
from collections.abc import Callable, Mapping

from touchline_loadtest.clock import now_ms
from touchline_loadtest.runs.writer import RunWriter
from touchline_loadtest.samplers.processes import ProcessSampler

INTERVAL_S = 1.0

Pids = Callable[[], Mapping[str, int]]
"""The processes to sample now: an edge that was restarted has another id, and one that is down has none."""


async def sample_processes(run: RunWriter, pids: Pids) -> None:
    """Sample until cancelled. This process is among them: it publishes, and runs the relay."""
    sampler = ProcessSampler()
    watched: dict[str, int] = {}
    while True:
        for name, pid in {"load test": os.getpid(), **pids()}.items():
            if watched.get(name) != pid:
                _watch(sampler, name, pid)
                watched[name] = pid
        run.samples(sampler.sample(now_ms()))
        await asyncio.sleep(INTERVAL_S)


def _watch(sampler: ProcessSampler, name: str, pid: int) -> None:
    try:
        sampler.watch(name, pid)
    except ProcessLookupError:
        sampler.forget(name)
