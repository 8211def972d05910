"""Watches a run: collects what the sample and the workers have seen, for the run folder and the result."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from typing import Literal

from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.clock import now_ms
from touchline_loadtest.runs.records import Mark, Sample
from touchline_loadtest.runs.series import (
    CONNECT_TIME,
    CONNECTIONS,
    DELIVERIES,
    EVENT_LATENCY,
    FIRST_STATE,
    quantile_samples,
    sample,
)
from touchline_loadtest.runs.writer import RunWriter
from touchline_loadtest.samplers.processes import ProcessSampler

from .sample import Observations, SampledClient
from .workers import Workers

POLL_S = 0.1
INTERVAL_S = 1.0
BREACHES_KEPT = 1000
"""Breaches that are kept to be shown; all are counted, and all are in the run folder."""


class Monitor:
    """Collects. ``values`` has all times of the run by series, in milliseconds. ``servers`` are sampled too."""

    def __init__(
        self,
        workers: Workers,
        seen: Observations,
        clients: list[SampledClient],
        writer: RunWriter | None,
        servers: Mapping[str, int],
    ) -> None:
        self.values: dict[str, list[float]] = {CONNECT_TIME: [], FIRST_STATE: [], EVENT_LATENCY: []}
        self.breaches: list[Breach] = []
        self.breach_count = 0
        self.connections_max = 0
        self.retries = 0
        self._workers = workers
        self._seen = seen
        self._clients = clients
        self._writer = writer
        self._new: dict[str, list[float]] = {name: [] for name in self.values}
        self._busy = False
        self._connections = 0
        self._written_s = time.monotonic()
        self._deliveries = 0.0
        self._sample_events = 0
        self._sample_bytes = 0
        self._sampler = ProcessSampler()
        counters = {f"swarm worker {number}": pid for number, pid in enumerate(workers.pids, 1)}
        for name, pid in {"swarm": os.getpid(), **counters, **servers}.items():
            self._sampler.watch(name, pid)

    async def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Watch until ``condition`` holds; returns whether it did in time."""
        deadline_s = time.monotonic() + timeout_s
        while not condition() and time.monotonic() < deadline_s:
            await asyncio.sleep(POLL_S)
            await self.collect()
        return condition()

    async def until_idle(self, timeout_s: float) -> bool:
        """Watch until no worker has anything left to do; returns whether that was in time."""
        await self.collect()
        return await self.until(lambda: not self._busy, timeout_s)

    async def during(self, seconds: float) -> None:
        """Watch for ``seconds``."""
        end_s = time.monotonic() + seconds
        await self.until(lambda: time.monotonic() >= end_s, seconds + 1)

    async def collect(self) -> None:
        """Take what is new."""
        seen = self._seen
        events, size, seen.events, seen.event_bytes = seen.events, seen.event_bytes, 0, 0
        report = await self._workers.report()
        self._busy = report.is_busy
        self._connections = report.connections + sum(client.is_in for client in self._clients)
        self.connections_max = max(self.connections_max, self._connections)
        self.retries += report.retries + seen.retries
        seen.retries = 0
        self._sample_events += events
        self._sample_bytes += size
        if self._sample_bytes:
            self._deliveries += events + report.size_bytes * self._sample_events / self._sample_bytes
        for series, ms in (
            (CONNECT_TIME, [*seen.connect_ms, *report.connect_ms]),
            (FIRST_STATE, [*seen.first_state_ms, *report.first_state_ms]),
            (EVENT_LATENCY, seen.event_ms),
        ):
            self.values[series] += ms
            self._new[series] += ms
        for taken in (seen.connect_ms, seen.first_state_ms, seen.event_ms):
            taken.clear()
        self.found([*seen.breaches, *report.breaches])
        seen.breaches.clear()
        if time.monotonic() - self._written_s >= INTERVAL_S:
            self._write()

    def found(self, breaches: list[Breach]) -> None:
        """Something is wrong."""
        self.breach_count += len(breaches)
        self.breaches += breaches[: BREACHES_KEPT - len(self.breaches)]
        if self._writer is not None:
            self._writer.breaches(breaches)

    def mark(self, text: str, kind: Literal["phase", "fault"] = "phase") -> None:
        """A phase of the run begins, or a fault happens."""
        if self._writer is not None:
            self._writer.mark(Mark(now_ms(), text, kind))

    def _write(self) -> None:
        now_s = time.monotonic()
        seconds, self._written_s = now_s - self._written_s, now_s
        at_ms = now_ms()
        samples: list[Sample] = self._sampler.sample(at_ms)
        for series, ms in self._new.items():
            samples += quantile_samples(at_ms, series, ms)
            ms.clear()
        samples += [
            sample(at_ms, DELIVERIES, self._deliveries / seconds),
            sample(at_ms, CONNECTIONS, self._connections),
        ]
        self._deliveries = 0.0
        if self._writer is not None:
            self._writer.samples(samples)
