"""CPU time of one delivery, compared with a bare send loop and with ``broadcast()`` of python-websockets.

Each run measures the three one after the other, each in a fresh process, so that disturbances of the machine affect
them alike. Ratios are taken within a run, and the median of all runs is reported.
"""

import statistics

import msgspec

from touchline_loadtest.measure.audience import open_audience
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.findings import breaches, check_note
from touchline_loadtest.measure.machine import Cores
from touchline_loadtest.measure.measurement import Load, Measurement, measure, measure_baseline
from touchline_loadtest.measure.processes import baseline_process
from touchline_loadtest.measure.results import Bound, Result, Row
from touchline_loadtest.measure.server_under_test import server_under_test
from touchline_loadtest.measure.trust import trust_notes
from touchline_protocol.messages import RoomRequest

NAME = "cpu-per-delivery"
ROOM = "match:1"
UNWATCHED_ROOM = "match:2"
WARM_UP_S = 1.0


class Sizes(msgspec.Struct, frozen=True):
    """2,000 clients at 20 events/s of 200 bytes; the bounds are meant for these."""

    clients: int = 2000
    rate_hz: float = 20.0
    event_bytes: int = 200
    seconds: float = 5.0
    runs: int = 5


class _Run(msgspec.Struct, frozen=True):
    """One run of all three. ``accepting_us`` is the part of ours that accepts events and does not send them."""

    ours: Measurement
    accepting_us: float
    bare: Measurement
    broadcast: Measurement
    lacking: int
    breaches: int
    check_note: str
    server_note: str


async def run(bench: Bench, sizes: Sizes) -> Result:
    """Run it."""
    runs = []
    for number in range(sizes.runs):
        bench.say(f"{NAME}: run {number + 1} of {sizes.runs}")
        runs.append(await _run_once(bench, sizes))
    all_measured = [measured for one in runs for measured in (one.ours, one.bare, one.broadcast)]
    return Result(
        scenario=NAME,
        rows=[
            Row("CPU per delivery", statistics.median(one.ours.cpu_us for one in runs), "us"),
            Row("of which accepting events", statistics.median(one.accepting_us for one in runs), "us"),
            Row("bare send loop", statistics.median(one.bare.cpu_us for one in runs), "us"),
            Row("websockets broadcast()", statistics.median(one.broadcast.cpu_us for one in runs), "us"),
            Row("ours / bare send loop", _ratio([(one.ours, one.bare) for one in runs]), "", Bound("<=", 1.2)),
            Row("ours / broadcast()", _ratio([(one.ours, one.broadcast) for one in runs]), "", Bound("<=", 0.65)),
            Row("bytes of a frame", runs[0].ours.bytes / runs[0].ours.deliveries, "bytes"),
            Row("clients that lack events", sum(one.lacking for one in runs), "", Bound("=", 0)),
            Row("breaches", sum(one.breaches for one in runs), "", Bound("=", 0)),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            "all three send frames of the same size; broadcast() runs on uvloop, as ours does",
            runs[0].server_note,
            runs[0].check_note,
            "events in one read of a client, on average: "
            + ", ".join(
                f"{name} {statistics.median(_events_per_read(getattr(one, name)) for one in runs):.2f}"
                for name in ("ours", "bare", "broadcast")
            )
            + "; more than 1 for ours means that events were joined, and each of those costs less",
            *trust_notes(*all_measured),
        ],
    )


def _events_per_read(measured: Measurement) -> float:
    return measured.deliveries / measured.reads


def _ratio(pairs: list[tuple[Measurement, Measurement]]) -> float:
    return statistics.median(one.cpu_us / other.cpu_us for one, other in pairs)


async def _run_once(bench: Bench, sizes: Sizes) -> _Run:
    load = Load([ROOM], sizes.rate_hz, sizes.seconds, sizes.event_bytes)
    async with server_under_test(bench) as server, open_audience(server.port, bench.cores) as audience:
        await audience.connect(sizes.clients, RoomRequest(room=ROOM))
        await measure(server.process, audience, server.publish, load._replace(seconds=WARM_UP_S))
        ours = await measure(server.process, audience, server.publish, load)
        lacking = await audience.lacking()
        unwatched = await measure(server.process, audience, server.publish, load._replace(rooms=[UNWATCHED_ROOM]))
        found, checked, note = breaches(audience), check_note(audience), server.note
    frame_bytes = round(ours.bytes / ours.deliveries)
    bare = await _run_baseline("bare_send", bench.cores, sizes, frame_bytes)
    broadcast = await _run_baseline("broadcast", bench.cores, sizes, frame_bytes)
    accepting_us = unwatched.cpu_s / ours.deliveries * 1e6
    return _Run(ours, accepting_us, bare, broadcast, lacking, found, checked, note)


async def _run_baseline(module: str, cores: Cores, sizes: Sizes, frame_bytes: int) -> Measurement:
    async with (
        baseline_process(module, cores.server, sizes.clients, frame_bytes) as (process, port),
        open_audience(port, cores, handshake=module == "broadcast") as audience,
    ):
        await audience.connect(sizes.clients)
        warm_up, count = (max(1, round(sizes.rate_hz * seconds)) for seconds in (WARM_UP_S, sizes.seconds))
        await measure_baseline(process, audience, rate_hz=sizes.rate_hz, count=warm_up, frame_bytes=frame_bytes)
        return await measure_baseline(process, audience, rate_hz=sizes.rate_hz, count=count, frame_bytes=frame_bytes)
