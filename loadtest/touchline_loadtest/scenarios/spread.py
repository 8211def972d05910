"""A large room at a low rate: how long after the first client the last one has an event.

A loop that does nothing but send would take as long as all its sends. That is measured in the same run, and compared.
"""

import msgspec

from touchline_loadtest.measure.audience import EventTimes, open_audience
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.findings import MS, breaches, check_note, percentile_ms
from touchline_loadtest.measure.measurement import Load, Measurement, measure, measure_baseline
from touchline_loadtest.measure.processes import baseline_process
from touchline_loadtest.measure.results import Bound, Result, Row
from touchline_loadtest.measure.server_under_test import server_under_test
from touchline_loadtest.measure.trust import trust_notes
from touchline_protocol.messages import RoomRequest

NAME = "spread"
ROOM = "match:1"
WARM_UP_S = 1.0
US_PER_MS = 1000


class Sizes(msgspec.Struct, frozen=True):
    """10,000 clients at 5 events/s; a hundred events, so that a p99 means something."""

    clients: int = 10_000
    rate_hz: float = 5.0
    event_bytes: int = 200
    seconds: float = 20.0


class _Found(msgspec.Struct, frozen=True):
    measured: Measurement
    events: list[EventTimes]
    lacking: int
    breaches: int
    check_note: str


async def run(bench: Bench, sizes: Sizes) -> Result:
    """Run it."""
    bench.say(NAME)
    ours = await _run_ours(bench, sizes)
    frame_bytes = round(ours.measured.bytes / ours.measured.deliveries)
    bare = await _run_bare(bench, sizes, frame_bytes)
    spreads_ns = [event.last_ns - event.first_ns for event in ours.events]
    p99_ms = percentile_ms(spreads_ns, 99)
    sends_ms = sizes.clients * bare.cpu_us / US_PER_MS
    lost = ours.measured.deliveries - sum(event.clients for event in ours.events)
    return Result(
        scenario=NAME,
        rows=[
            Row("first to last client, p50", percentile_ms(spreads_ns, 50), "ms"),
            Row("first to last client, p99", p99_ms, "ms"),
            Row("bare send loop, all its sends", sends_ms, "ms"),
            Row("p99 / bare send loop", p99_ms / sends_ms, "", Bound("<=", 1.3)),
            Row("CPU per delivery", ours.measured.cpu_us, "us"),
            Row("events", len(ours.events), ""),
            Row("deliveries lost", lost, "", Bound("=", 0)),
            Row("clients that lack events", ours.lacking, "", Bound("=", 0)),
            Row("breaches", ours.breaches, "", Bound("=", 0)),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            "from when the first client had read all of an event until the last one had, the clients' reads included; "
            f"the longest took {max(spreads_ns) * MS:.1f} ms",
            f"the bare send loop sends frames of the same {frame_bytes} bytes to as many clients; its sends count with "
            f"their CPU time, {bare.cpu_us:.2f} us each",
            ours.check_note,
            *trust_notes(ours.measured, bare),
        ],
    )


async def _run_ours(bench: Bench, sizes: Sizes) -> _Found:
    load = Load([ROOM], sizes.rate_hz, sizes.seconds, sizes.event_bytes)
    async with server_under_test(bench) as server, open_audience(server.port, bench.cores) as audience:
        group = await audience.connect(sizes.clients, RoomRequest(room=ROOM))
        await measure(server.process, audience, server.publish, load._replace(seconds=WARM_UP_S))
        await audience.record()
        measured = await measure(server.process, audience, server.publish, load)
        events = await audience.event_times(group)
        return _Found(measured, events, await audience.lacking(), breaches(audience), check_note(audience))


async def _run_bare(bench: Bench, sizes: Sizes, frame_bytes: int) -> Measurement:
    count = max(1, round(sizes.rate_hz * sizes.seconds))
    async with (
        baseline_process("bare_send", bench.cores.server, sizes.clients, frame_bytes) as (process, port),
        open_audience(port, bench.cores, handshake=False) as audience,
    ):
        await audience.connect(sizes.clients)
        return await measure_baseline(process, audience, rate_hz=sizes.rate_hz, count=count, frame_bytes=frame_bytes)
