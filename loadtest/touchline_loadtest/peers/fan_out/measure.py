"""Measures the fan-out of one peer: its connections, then the task, then the highest rate that it keeps up with.

The peer has one core, and the clients, their counters and the publisher share another. CPU time and memory are those of
the peer's processes alone.
"""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from touchline_loadtest.clients.errors import ClientsFailed
from touchline_loadtest.counters import commands
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.findings import percentile_ms
from touchline_loadtest.measure.measurement import Measurement, Start
from touchline_loadtest.measure.trust import Doubt, doubts
from touchline_loadtest.peers.peer import Peer, PeerFailed, PeerServer
from touchline_loadtest.publish.pace import publish_steadily

from .audience import READERS, PeerAudience, open_audience
from .capacity import Search
from .memory import kernel_kib, process_kib
from .observer import Observer
from .results import Numbers, Sizes

ROOM = "match:1"
FIRST_SHARE = 0.1
"""The share of the clients that connect before the first look at the memory, so that one-time costs are left out."""
COUNTER_REST_S = 0.005
"""While the highest rate is searched, the counters read at this interval, because they share their core."""
P99_MAX_MS = 100.0
LATE_MAX_S = 0.1
"""A publisher that is later than this could not get rid of its events."""
TRIES = 2
"""A load has to fail twice: what else runs on a machine disturbs a step now and then."""
HOPELESS_FACTOR = 1.5
"""A step that took so many times as long as planned is not tried again."""
ARRIVE_TIMEOUT_S = 30.0
"""Until all events of a measurement must have arrived, after the last one was published."""
PUBLISH_FACTOR = 5
"""A publisher that takes so many times as long as planned is stopped, and with it the search."""


class _Connected(NamedTuple):
    process_kib: float
    kernel_kib: float
    per_s: float


class _Run(NamedTuple):
    """One measurement. ``stopped_by`` is empty if it passed."""

    measured: Measurement
    latencies_ns: list[int]

    @property
    def p99_ms(self) -> float:
        return percentile_ms(self.latencies_ns, 99)

    @property
    def stopped_by(self) -> str:
        """Why this load was too much; empty if it was not."""
        busy = Doubt.GENERATOR_BUSY in doubts(self.measured)
        where = " while the clients' core was busy" if busy else ""
        if self.measured.publisher_late_s > LATE_MAX_S:
            return f"the publisher was {self.measured.publisher_late_s * 1000:.0f} ms late{where}"
        return f"p99 {self.p99_ms:.0f} ms{where}" if self.p99_ms > P99_MAX_MS else ""


async def measure_peer(
    name: str, peer: Peer, bench: Bench, sizes: Sizes, observer: Observer
) -> tuple[Numbers, list[Doubt]]:
    """Start a peer and measure it under ``name``; returns its numbers, and the reasons to doubt them.

    Raises:
        PeerMissing, PeerFailed, ProcessFailed, ClientsFailed: it cannot be measured.
    """
    with tempfile.TemporaryDirectory(prefix="touchline-peer-") as folder:
        async with (
            peer.serve(bench, Path(folder)) as server,
            open_audience(server.dialect, server.port, bench.cores, ROOM) as audience,
            observer.watch(name, server.process.pid),
        ):
            connected = await _connect(server, audience, sizes)
            load = sizes.rate_hz
            await _run(server, audience, load, sizes.warm_up_s, sizes.event_bytes)
            runs = []
            for _ in range(sizes.runs):
                runs.append(await _run(server, audience, load, sizes.seconds, sizes.event_bytes))
                observer.measured(name, runs[-1].measured, runs[-1].latencies_ns)
            wrong = await audience.wrong()
            most, stopped_by = await _most(server, audience, sizes, name, observer)
    latencies_ns = [latency for run in runs for latency in run.latencies_ns]
    numbers = Numbers(
        cpu_us=statistics.median(run.measured.cpu_us for run in runs),
        cpu_us_runs=[run.measured.cpu_us for run in runs],
        p50_ms=percentile_ms(latencies_ns, 50),
        p99_ms=percentile_ms(latencies_ns, 99),
        process_kib=connected.process_kib,
        kernel_kib=connected.kernel_kib,
        connects_per_s=connected.per_s,
        deliveries_per_s=most,
        stopped_by=stopped_by,
        wrong=wrong,
    )
    return numbers, doubts(*(run.measured for run in runs))


async def _connect(server: PeerServer, audience: PeerAudience, sizes: Sizes) -> _Connected:
    clients = sizes.clients
    readers = min(READERS, clients // 2)
    await audience.connect(max(readers, int(clients * FIRST_SHARE)), readers=readers)
    await asyncio.sleep(sizes.settle_s)
    in_process_kib, in_kernel_kib, count = process_kib(server.process.pid), kernel_kib(), clients - len(audience)
    began_s = time.monotonic()
    await audience.connect(count)
    took_s = time.monotonic() - began_s
    await asyncio.sleep(sizes.settle_s)
    return _Connected(
        process_kib=(process_kib(server.process.pid) - in_process_kib) / count,
        kernel_kib=(kernel_kib() - in_kernel_kib) / count,
        per_s=count / took_s,
    )


async def _run(
    server: PeerServer, audience: PeerAudience, rate_hz: float, seconds: float, event_bytes: int, rest_s: float = 0.0
) -> _Run:
    count = max(1, round(rate_hz * seconds))
    await audience.counters.do(commands.SetPace(rest_s))
    audience.begin()
    start = await Start.now(server.process, audience)
    try:
        async with asyncio.timeout(seconds * PUBLISH_FACTOR + ARRIVE_TIMEOUT_S):
            late_s = await publish_steadily(
                server.publish, [ROOM], rate_hz=rate_hz, count=count, size_bytes=event_bytes
            )
    except TimeoutError:
        raise PeerFailed(f"it did not take {rate_hz:.0f} events a second") from None
    await audience.until_arrived(count, ARRIVE_TIMEOUT_S)
    measured = await start.finish(count * len(audience), late_s)
    return _Run(measured, [latency for check in audience.checks for latency in check.latencies_ns])


async def _most(
    server: PeerServer, audience: PeerAudience, sizes: Sizes, name: str, observer: Observer
) -> tuple[float | None, str]:
    """The most deliveries per second that it kept up with, and what stopped the next step."""
    search = Search(sizes.first_deliveries_per_s, sizes.most_deliveries_per_s)
    stopped_by = "nothing: this is the most that was tried"
    for load in search.loads():
        for _ in range(TRIES):
            try:
                run = await _step(server, audience, load, sizes)
            except (ClientsFailed, PeerFailed) as error:
                return search.best, str(error)
            observer.step(name, load, run.measured, run.stopped_by)
            if not run.stopped_by or run.measured.wall_s > HOPELESS_FACTOR * sizes.step_seconds:
                break
        stopped_by = run.stopped_by or stopped_by
        search.report(load, passed=not run.stopped_by)
    return search.best, stopped_by


async def _step(server: PeerServer, audience: PeerAudience, load: float, sizes: Sizes) -> _Run:
    rate_hz = load / len(audience)
    return await _run(server, audience, rate_hz, sizes.step_seconds, sizes.event_bytes, COUNTER_REST_S)
