"""The part that all floods share: one load on one audience, without flooders, beside one, and beside twenty."""

import re
from typing import NamedTuple

import msgspec

from touchline_loadtest.clients.players import token_for
from touchline_loadtest.measure.audience import Audience, open_audience
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.findings import check_note, gaps, latencies_ns, percentile_ms
from touchline_loadtest.measure.measurement import Load, Measurement, measure
from touchline_loadtest.measure.observation import Sample, observe, own_growth_kib
from touchline_loadtest.measure.processes import module_process
from touchline_loadtest.measure.results import Bound, Result, Row
from touchline_loadtest.measure.server_under_test import ServerUnderTest, server_under_test
from touchline_loadtest.measure.trust import trust_notes
from touchline_loadtest.publish.publisher import FEED
from touchline_loadtest.wire.floods import Flood
from touchline_protocol.messages import RoomRequest

ROOM = f"{FEED}:1"
WARM_UP_S_MAX = 1.0
SAMPLE_INTERVAL_S = 0.1
SLOWER_MAX = 1.5
GROWTH_KIB_MAX = 32 * 1024
FLOODING = re.compile(rb"^floods +(\d+)$", re.MULTILINE)
SECRET = "a secret of the benchmark suite, which guards nothing"  # noqa: S105 - as it says


class Sizes(msgspec.Struct, frozen=True):
    """500 clients in a room with 50 events/s, and up to 20 flooders."""

    clients: int = 500
    rate_hz: float = 50.0
    event_bytes: int = 200
    seconds: float = 10.0
    flooders: int = 20


class Phase(NamedTuple):
    """How a load went for the audience, and the samples of the server meanwhile."""

    flooders: int
    measured: Measurement
    p50_ms: float
    p99_ms: float
    samples: list[Sample]


async def run(bench: Bench, sizes: Sizes, *, name: str, flood: Flood) -> Result:
    """Measure one kind of flood."""
    variables = {"TOUCHLINE_AUTH__HS256_SECRET": SECRET}
    async with (
        server_under_test(bench, variables=variables) as server,
        open_audience(server.port, bench.cores) as others,
    ):
        await others.connect(sizes.clients, RoomRequest(room=ROOM))
        load = Load([ROOM], sizes.rate_hz, sizes.seconds, sizes.event_bytes)
        short = load._replace(seconds=min(sizes.seconds, WARM_UP_S_MAX))
        await _phase(bench, server, others, short, flood, 0)
        phases = []
        for flooders in (0, 1, sizes.flooders):
            bench.say(f"{name}: {flooders or 'no'} flooders")
            phases.append(await _phase(bench, server, others, load, flood, flooders))
        after = await _phase(bench, server, others, short, flood, 0)
        lacking = await others.lacking()
    quiet, *flooded = phases
    kept_kib = after.samples[-1].own_kib - quiet.samples[-1].own_kib
    return Result(
        scenario=name,
        rows=[
            Row("others' p50, quiet", quiet.p50_ms, "ms"),
            Row("others' p99, quiet", quiet.p99_ms, "ms"),
            *(row for phase in flooded for row in _rows(phase, quiet)),
            Row("memory kept after the floods", kept_kib / 1024, "MiB", Bound("<=", GROWTH_KIB_MAX / 1024)),
            Row("others that lack events", lacking, "", Bound("=", 0)),
            Row("gaps and repeats", gaps(others), "", Bound("=", 0)),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            f"{server.note}; a flooder that is closed comes back at once, so each burst begins again",
            f"lateness is that of the clients that are checked, from when an event was due; {check_note(others)}",
            "memory is the server's own (RssAnon)",
            *trust_notes(*(phase.measured for phase in phases)),
        ],
    )


def _rows(phase: Phase, quiet: Phase) -> list[Row]:
    who = f"{phase.flooders} flooder{'s' if phase.flooders > 1 else ''}"
    return [
        Row(f"others' p50, {who}", phase.p50_ms, "ms"),
        Row(f"others' p99, {who}", phase.p99_ms, "ms"),
        Row(f"p99, {who} / quiet", phase.p99_ms / quiet.p99_ms, "", Bound("<=", SLOWER_MAX)),
        Row(f"server's core in use, {who}", phase.measured.core_percent, "%"),
        Row(f"memory, {who}", own_growth_kib(phase.samples) / 1024, "MiB", Bound("<=", GROWTH_KIB_MAX / 1024)),
    ]


async def _phase(
    bench: Bench, server: ServerUnderTest, others: Audience, load: Load, flood: Flood, flooders: int
) -> Phase:
    """Publish a load beside ``flooders``, and wait until the audience has it."""
    async with observe(server.process, SAMPLE_INTERVAL_S) as samples:
        if not flooders:
            measured = await measure(server.process, others, server.publish, load)
        else:
            arguments = [
                "touchline_loadtest.flooders",
                str(server.port),
                str(flooders),
                flood,
                token_for("ada", SECRET),
            ]
            async with module_process(arguments, bench.cores.clients) as process:
                await process.until_printed(FLOODING)
                measured = await measure(server.process, others, server.publish, load)
    times_ns = latencies_ns(others)
    return Phase(flooders, measured, percentile_ms(times_ns, 50), percentile_ms(times_ns, 99), samples)
