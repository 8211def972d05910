"""What one delivery costs the server, beside what a bare send loop and python-websockets' ``broadcast()`` pay for it.

Each run takes the three one after the other, each in a fresh process, so that what the machine does meanwhile is shared
fairly; the ratios are made within a run, and their median is taken.
"""

import statistics

import msgspec

from touchline_loadtest.audience import audience_of
from touchline_loadtest.fed import touchline_fed
from touchline_loadtest.machine import Cores
from touchline_loadtest.measuring import (
    Bench,
    Load,
    Measured,
    gaps,
    how_checked,
    measure,
    measure_baseline,
    trust_notes,
)
from touchline_loadtest.processes import baseline
from touchline_loadtest.results import Bound, Result, Row
from touchline_protocol.messages import RoomRequest

NAME = "cpu-per-delivery"
ROOM = "match:1"
UNWATCHED_ROOM = "match:2"
WARM_UP_S = 1.0


class Sizes(msgspec.Struct, frozen=True):
    """2,000 clients at 20 events/s of 200 bytes is what the bounds are for."""

    clients: int = 2000
    rate_hz: float = 20.0
    event_bytes: int = 200
    seconds: float = 5.0
    runs: int = 5


class _Run(msgspec.Struct, frozen=True):
    """The three of one run; ``publishing_us`` is what of ours goes into taking the events in, not sending them."""

    ours: Measured
    publishing_us: float
    bare: Measured
    broadcast: Measured
    lacking: int
    gaps: int
    checked: str
    how: str


async def run(bench: Bench, sizes: Sizes) -> Result:
    """Run it."""
    runs = []
    for number in range(sizes.runs):
        bench.say(f"{NAME}: run {number + 1} of {sizes.runs}")
        runs.append(await _run_once(bench, sizes))
    all_measured = [measured for one in runs for measured in (one.ours, one.bare, one.broadcast)]
    frame_bytes = runs[0].ours.bytes / runs[0].ours.deliveries
    return Result(
        scenario=NAME,
        rows=[
            Row("CPU per delivery", statistics.median(one.ours.cpu_us for one in runs), "us"),
            Row("of which taking events in", statistics.median(one.publishing_us for one in runs), "us"),
            Row("bare send loop", statistics.median(one.bare.cpu_us for one in runs), "us"),
            Row("websockets broadcast()", statistics.median(one.broadcast.cpu_us for one in runs), "us"),
            Row("ours / bare send loop", _ratio([(one.ours, one.bare) for one in runs]), "", Bound("<=", 1.2)),
            Row("ours / broadcast()", _ratio([(one.ours, one.broadcast) for one in runs]), "", Bound("<=", 0.65)),
            Row("clients that lack events", sum(one.lacking for one in runs), "", Bound("=", 0)),
            Row("gaps and repeats", sum(one.gaps for one in runs), "", Bound("=", 0)),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            f"an event's frame has {frame_bytes:.0f} bytes, for all three; broadcast() runs on uvloop, as ours does",
            runs[0].how,
            runs[0].checked,
            "events that a client's read brought, on average: "
            + ", ".join(
                f"{name} {statistics.median(_events_per_read(getattr(one, name)) for one in runs):.2f}"
                for name in ("ours", "bare", "broadcast")
            )
            + "; more than 1 for ours means joined events, each of which then costs less",
            *trust_notes(*all_measured),
        ],
    )


def _events_per_read(measured: Measured) -> float:
    return measured.deliveries / measured.reads


def _ratio(pairs: list[tuple[Measured, Measured]]) -> float:
    return statistics.median(one.cpu_us / other.cpu_us for one, other in pairs)


async def _run_once(bench: Bench, sizes: Sizes) -> _Run:
    load = Load([ROOM], sizes.rate_hz, sizes.seconds, sizes.event_bytes)
    async with touchline_fed(bench) as fed, audience_of(fed.port, bench.cores) as audience:
        await audience.connect(sizes.clients, RoomRequest(room=ROOM))
        await measure(fed.server, audience, fed.publish, load._replace(seconds=WARM_UP_S))
        ours = await measure(fed.server, audience, fed.publish, load)
        lacking = await audience.lacking()
        unwatched = await measure(fed.server, audience, fed.publish, load._replace(rooms=[UNWATCHED_ROOM]))
        found, checked, how = gaps(audience), how_checked(audience), fed.how
    frame_bytes = round(ours.bytes / ours.deliveries)
    bare = await _run_baseline("bare_send", bench.cores, sizes, frame_bytes)
    broadcast = await _run_baseline("broadcast", bench.cores, sizes, frame_bytes)
    return _Run(ours, unwatched.cpu_s / ours.deliveries * 1e6, bare, broadcast, lacking, found, checked, how)


async def _run_baseline(module: str, cores: Cores, sizes: Sizes, frame_bytes: int) -> Measured:
    async with (
        baseline(module, cores.server, sizes.clients, frame_bytes) as (server, port),
        audience_of(port, cores, handshake=module == "broadcast") as audience,
    ):
        await audience.connect(sizes.clients)
        warm_up, count = (max(1, round(sizes.rate_hz * seconds)) for seconds in (WARM_UP_S, sizes.seconds))
        await measure_baseline(server, audience, rate_hz=sizes.rate_hz, count=warm_up, frame_bytes=frame_bytes)
        return await measure_baseline(server, audience, rate_hz=sizes.rate_hz, count=count, frame_bytes=frame_bytes)
