"""Reports progress, and keeps what happened in a run folder if there is one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

from touchline_loadtest.clock import now_ms
from touchline_loadtest.measure.measurement import Measurement
from touchline_loadtest.runs.records import Mark, Sample
from touchline_loadtest.runs.series import DELIVERIES, EVENT_LATENCY, quantile_samples, sample
from touchline_loadtest.runs.writer import RunWriter
from touchline_loadtest.samplers.processes import ProcessSampler

SAMPLE_S = 1.0
PEER = "peer"
"""The label with the name of the peer."""
NS_PER_MS = 1e6


class Observer:
    """``writer`` is None if no run folder was asked for."""

    def __init__(self, say: Callable[[str], None], writer: RunWriter | None = None) -> None:
        self.say = say
        self._writer = writer

    @contextlib.asynccontextmanager
    async def watch(self, name: str, pid: int) -> AsyncIterator[None]:
        """Mark the time that a peer is measured, and sample its process meanwhile."""
        if self._writer is None:
            yield
            return
        began_ms, sampler = now_ms(), ProcessSampler()
        sampler.watch(name, pid)
        task = asyncio.create_task(self._keep_sampling(self._writer, sampler))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            self._writer.mark(Mark(began_ms, name, "phase", now_ms()))

    def measured(self, name: str, measured: Measurement, latencies_ns: Sequence[int]) -> None:
        """A measurement at the task's rate has ended."""
        latencies_ms = [latency / NS_PER_MS for latency in latencies_ns]
        self._write(quantile_samples(now_ms(), EVENT_LATENCY, latencies_ms, **{PEER: name}))
        self._write_deliveries(name, measured)
        self.say(f"{name}: {measured.cpu_us:.2f} us per delivery")

    def step(self, name: str, load: float, measured: Measurement, stopped_by: str) -> None:
        """A step of the search for the highest rate has ended."""
        self._write_deliveries(name, measured)
        self.say(f"{name}: {load:,.0f} deliveries/s: {stopped_by or 'passed'}")

    def _write_deliveries(self, name: str, measured: Measurement) -> None:
        self._write([sample(now_ms(), DELIVERIES, measured.deliveries / measured.wall_s, **{PEER: name})])

    def _write(self, samples: Sequence[Sample]) -> None:
        if self._writer is not None:
            self._writer.samples(samples)

    async def _keep_sampling(self, writer: RunWriter, sampler: ProcessSampler) -> None:
        while True:
            await asyncio.sleep(SAMPLE_S)
            writer.samples(sampler.sample(now_ms()))
