"""Makes the status that an operator's page shows: of metrics, which it samples, and of what each worker tells besides.

It samples for as long as the server runs: an operator who looks afterwards wants to see how something began.
"""

import asyncio
import time
from collections.abc import Mapping

from touchline_server.core.counters.histogram import LATENCY_MS
from touchline_server.metrics.history import History, Interval, Moment, value_of
from touchline_server.metrics.merge import summed
from touchline_server.metrics.server_table import SERVER_METRICS
from touchline_server.metrics.snapshot import Snapshot

from .backend import CONTROL, ControlBackend
from .joined_details import join_details
from .status import StatusBody, StatusPoint, WorkerStatus

SAMPLE_S = 5.0
"""How often metrics are sampled: it costs each worker a millisecond."""

_METRICS = {metric.name: metric for metric in SERVER_METRICS}
_LATENCY, _LAST = "touchline_event_latency_seconds", ("last_write",)
_KEPT = (
    "touchline_connections",
    "touchline_clients",
    "touchline_deliveries_total",
    "touchline_records_read_total",
    _LATENCY,
)
"""What a point of the history is made of."""


class Sampler:
    """Samples a backend's metrics."""

    def __init__(self, backend: ControlBackend) -> None:
        self._backend = backend
        self._history = History()
        self._latest: tuple[float, Mapping[str, Snapshot]] = (0.0, {})
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to sample."""
        self._task = asyncio.create_task(self._run(), name="status")

    async def stop(self) -> None:
        """Sample no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def status(self) -> StatusBody:
        """The status now."""
        before_s, before = self._latest
        metrics, details = await asyncio.gather(self._backend.metrics(), self._backend.details())
        now_s, at_ms = time.monotonic(), time.time_ns() // 1_000_000
        total = summed(_METRICS, metrics.values())
        control = metrics.get(CONTROL, {})
        draining = {name for name, each in details.items() if each.draining}
        readiness, joined = self._backend.readiness(), join_details(details)
        workers = [
            _worker(
                name,
                snapshot,
                before.get(name, {}),
                control,
                now_s - before_s,
                draining=name in draining,
            )
            for name, snapshot in metrics.items()
            if name != CONTROL
        ]
        return StatusBody(
            at_ms=at_ms,
            ready=not readiness.problems,
            problems=dict(readiness.problems),
            degraded=dict(readiness.degraded),
            connections=int(value_of(total, "touchline_connections")),
            connections_max=int(value_of(total, "touchline_connections_max")),
            lagging=int(value_of(total, "touchline_clients", "lagging")),
            deliveries_per_s=round(sum(worker.deliveries_per_s for worker in workers), 1),
            history=[_point(interval) for interval in self._history.intervals],
            workers=workers,
            closes_by_code={
                "/".join(sample.labels): int(sample.value)
                for sample in total.get("touchline_connections_closed_total", ())
                if sample.value
            },
            rooms=joined.rooms,
            slow_clients=joined.slow_clients,
            partitions=joined.partitions,
            closes=joined.closes,
        )

    async def _run(self) -> None:
        while True:
            metrics = await self._backend.metrics()
            self._latest = time.monotonic(), metrics
            total = summed(_METRICS, metrics.values())
            kept = {name: total[name] for name in _KEPT if name in total}
            self._history.add(Moment(time.time_ns() // 1_000_000, time.monotonic(), kept))
            await asyncio.sleep(SAMPLE_S)


def _worker(
    name: str, now: Snapshot, before: Snapshot, control: Snapshot, passed_s: float, *, draining: bool
) -> WorkerStatus:
    interval = Interval(Moment(0, 0.0, before), Moment(0, passed_s, now))
    up = {sample.labels[0]: sample.value for sample in control.get("touchline_worker_up", ())}
    return WorkerStatus(
        worker=name,
        up=bool(up.get(name, 1)),
        starts=int(value_of(control, "touchline_worker_starts_total", name)) or 1,
        connections=int(value_of(now, "touchline_connections")),
        lagging=int(value_of(now, "touchline_clients", "lagging")),
        deliveries_per_s=round(interval.rate("touchline_deliveries_total"), 1) if before else 0.0,
        cpu=round(interval.rate("process_cpu_seconds_total"), 3) if before else 0.0,
        memory_bytes=int(value_of(now, "process_resident_memory_bytes")),
        draining=draining,
    )


def _point(interval: Interval) -> StatusPoint:
    now = interval.after.snapshot
    p50, p90, p99 = interval.quantiles(_LATENCY, _LAST, LATENCY_MS, (0.5, 0.9, 0.99))
    return StatusPoint(
        at_ms=interval.at_ms,
        connections=int(value_of(now, "touchline_connections")),
        lagging=int(value_of(now, "touchline_clients", "lagging")),
        deliveries_per_s=round(interval.rate("touchline_deliveries_total"), 1),
        records_per_s=round(interval.rate("touchline_records_read_total"), 1),
        latency_ms_p50=p50,
        latency_ms_p90=p90,
        latency_ms_p99=p99,
    )
