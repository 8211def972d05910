"""What two workers deliver on two cores, by their CPU time, beside one worker, and beside bare senders.

Clients need a core too, so with two cores nobody can see two workers use both up. CPU time tells what each would
deliver with a core to itself: one worker and its clients, then two workers with twice the clients at the same rate. If
two cost more per delivery (every worker reads the whole log, and they share caches and the kernel), that is lost. Bare
senders show how much of the loss is the machine's.
"""

import asyncio
import contextlib
import statistics
from collections.abc import Sequence

import msgspec

from touchline_loadtest.counters import commands
from touchline_loadtest.measure.audience import open_audience
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.findings import breaches
from touchline_loadtest.measure.machine import Cores
from touchline_loadtest.measure.measurement import Load, Measurement, measure, measure_baseline
from touchline_loadtest.measure.processes import baseline_process
from touchline_loadtest.measure.results import Bound, Result, Row
from touchline_loadtest.measure.server_under_test import server_under_test
from touchline_loadtest.measure.trust import trust_notes
from touchline_protocol.messages import RoomRequest

NAME = "workers"
ROOM = "match:1"
WORKERS = 2
WARM_UP_S = 1.0
COUNTER_REST_S = 0.005
"""The interval at which the counters read: otherwise the clients would take a core from the workers."""
ANYWHERE = Cores(None, None)


class Sizes(msgspec.Struct, frozen=True):
    """2,000 clients for each worker, at 40 events/s of 200 bytes: half a core for each worker."""

    clients: int = 2000
    rate_hz: float = 40.0
    event_bytes: int = 200
    seconds: float = 5.0
    runs: int = 5


class _Run(msgspec.Struct, frozen=True):
    """The CPU time of a delivery, in us: by one worker and by several, by one bare sender and by several."""

    one: Measurement
    several: Measurement
    bare_one_us: float
    bare_several_us: float
    wrong: int

    @property
    def gain(self) -> float:
        return WORKERS * self.one.cpu_us / self.several.cpu_us

    @property
    def limit(self) -> float:
        return WORKERS * self.bare_one_us / self.bare_several_us


async def run(bench: Bench, sizes: Sizes) -> Result:
    """Run it."""
    runs = []
    for number in range(sizes.runs):
        bench.say(f"{NAME}: run {number + 1} of {sizes.runs}")
        runs.append(await _run_once(bench, sizes))
    return Result(
        scenario=NAME,
        rows=[
            Row("CPU per delivery, one worker", statistics.median(one.one.cpu_us for one in runs), "us"),
            Row("CPU per delivery, two workers", statistics.median(one.several.cpu_us for one in runs), "us"),
            Row("two workers / one", statistics.median(one.gain for one in runs), "", Bound(">=", 1.8)),
            Row("two bare senders / one", statistics.median(one.limit for one in runs), ""),
            Row("clients with wrong events", sum(one.wrong for one in runs), "", Bound("=", 0)),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            "deliveries per second of CPU time, times the number of workers; two have twice the clients of one",
            "the CPU time of two workers is that of their supervisor, too",
            "one worker has a core to itself; two share both cores with the clients and the broker",
            *trust_notes(*(one.one for one in runs)),
        ],
    )


async def _run_once(bench: Bench, sizes: Sizes) -> _Run:
    one, wrong_of_one = await _ours(bench, sizes, 1)
    several, wrong_of_several = await _ours(bench, sizes, WORKERS)
    frame_bytes = round(one.bytes / one.deliveries)
    bare_one_us = await _bare(bench.cores, sizes, 1, frame_bytes)
    bare_several_us = await _bare(ANYWHERE, sizes, WORKERS, frame_bytes)
    return _Run(one, several, bare_one_us, bare_several_us, wrong_of_one + wrong_of_several)


async def _ours(bench: Bench, sizes: Sizes, workers: int) -> tuple[Measurement, int]:
    """The measurement, and the number of clients and checks that found something wrong."""
    load = Load([ROOM], sizes.rate_hz, sizes.seconds, sizes.event_bytes)
    placed = bench if workers == 1 else bench._replace(cores=ANYWHERE)
    async with (
        server_under_test(placed, variables={"TOUCHLINE_WORKERS": str(workers)}) as server,
        open_audience(server.port, placed.cores) as audience,
    ):
        await audience.connect(sizes.clients * workers, RoomRequest(room=ROOM))
        warm_up = load._replace(seconds=WARM_UP_S)
        await measure(server.process, audience, server.publish, warm_up, counter_rest_s=COUNTER_REST_S)
        measured = await measure(server.process, audience, server.publish, load, counter_rest_s=COUNTER_REST_S)
        return measured, await audience.lacking() + breaches(audience)


async def _bare(cores: Cores, sizes: Sizes, senders: int, frame_bytes: int) -> float:
    """The CPU time of a delivery by bare senders that send at the same time, each to clients of its own."""
    async with contextlib.AsyncExitStack() as stack:
        pairs = []
        for _ in range(senders):
            sender = baseline_process("bare_send", cores.server, sizes.clients, frame_bytes)
            process, port = await stack.enter_async_context(sender)
            audience = await stack.enter_async_context(open_audience(port, cores, handshake=False))
            await audience.connect(sizes.clients)
            await audience.counters.do(commands.SetPace(COUNTER_REST_S))
            pairs.append((process, audience))
        measured: Sequence[Measurement] = ()
        for seconds in (WARM_UP_S, sizes.seconds):
            count = max(1, round(sizes.rate_hz * seconds))
            measured = await asyncio.gather(
                *(
                    measure_baseline(process, audience, rate_hz=sizes.rate_hz, count=count, frame_bytes=frame_bytes)
                    for process, audience in pairs
                )
            )
        return sum(one.cpu_s for one in measured) / sum(one.deliveries for one in measured) * 1e6
