"""The part that all floods share: an audience and players, without flooders, beside one, and beside twenty."""

import asyncio
import contextlib
import re
from typing import NamedTuple

import msgspec

from touchline_loadtest.clients.players import Players, token_for
from touchline_loadtest.measure.actions.server import action_topics
from touchline_loadtest.measure.audience import Audience, open_audience
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.findings import breaches, check_note, latencies_ns, percentile_ms
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
    """500 clients in a room with 50 events/s, 20 players that act 40 times a second together, and up to 20 flooders."""

    clients: int = 500
    rate_hz: float = 50.0
    event_bytes: int = 200
    players: int = 20
    actions_hz: float = 40.0
    action_bytes: int = 100
    seconds: float = 10.0
    flooders: int = 20


class HeldSizes(Sizes, frozen=True):
    """As for the other floods, with up to 5,000 connections from four addresses."""

    flooders: int = 5_000


class Phase(NamedTuple):
    """How a load went for the audience, and the samples of the server meanwhile."""

    flooders: int
    measured: Measurement
    p50_ms: float
    p99_ms: float
    ack_p50_ms: float
    ack_p99_ms: float
    samples: list[Sample]


async def run(bench: Bench, sizes: Sizes, *, name: str, flood: Flood) -> Result:
    """Measure one kind of flood."""
    variables = {"TOUCHLINE_AUTH__HS256_SECRET": SECRET}
    async with contextlib.AsyncExitStack() as stack:
        if bench.kafka is not None:
            variables |= (await stack.enter_async_context(action_topics(bench.kafka))).settings
        server = await stack.enter_async_context(server_under_test(bench, variables=variables))
        others = await stack.enter_async_context(open_audience(server.port, bench.cores))
        await others.connect(sizes.clients, RoomRequest(room=ROOM))
        players = Players(server.port, SECRET, ROOM, sizes.action_bytes)
        await players.connect(sizes.players)
        scene = _Scene(bench, server, others, players, sizes.actions_hz, flood)
        load = Load([ROOM], sizes.rate_hz, sizes.seconds, sizes.event_bytes)
        short = load._replace(seconds=min(sizes.seconds, WARM_UP_S_MAX))
        await scene.run(short, 0)
        phases = []
        for flooders in (0, 1, sizes.flooders):
            bench.say(f"{name}: {flooders or 'no'} flooders")
            phases.append(await scene.run(load, flooders))
        after = await scene.run(load, 0)
        lacking = await others.lacking()
        await players.close()
    quiet, *flooded = phases
    kept_kib = after.samples[-1].own_kib - quiet.samples[-1].own_kib
    return Result(
        scenario=name,
        rows=[
            Row("others' p50, quiet", quiet.p50_ms, "ms"),
            Row("others' p99, quiet", quiet.p99_ms, "ms"),
            Row("action to ack, p50, quiet", quiet.ack_p50_ms, "ms"),
            Row("action to ack, p99, quiet", quiet.ack_p99_ms, "ms"),
            *(row for phase in flooded for row in _rows(phase, quiet)),
            Row("p99, quiet again / quiet", after.p99_ms / quiet.p99_ms, ""),
            Row("memory kept after the floods", kept_kib / 1024, "MiB", Bound("<=", GROWTH_KIB_MAX / 1024)),
            Row("others that lack events", lacking, "", Bound("=", 0)),
            Row("breaches", breaches(others), "", Bound("=", 0)),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            f"{server.note}; a flooder that is closed comes back at once, so each burst begins again",
            f"lateness is that of the clients that are checked, from when an event was due; {check_note(others)}",
            "memory is the server's own (RssAnon)",
            "quiet again / quiet is what two measurements without a flood differ by: no ratio means more than that",
            *trust_notes(*(phase.measured for phase in (*phases, after))),
        ],
    )


def _rows(phase: Phase, quiet: Phase) -> list[Row]:
    who = f"{phase.flooders} flooder{'s' if phase.flooders > 1 else ''}"
    return [
        Row(f"others' p50, {who}", phase.p50_ms, "ms"),
        Row(f"others' p99, {who}", phase.p99_ms, "ms"),
        Row(f"p99, {who} / quiet", phase.p99_ms / quiet.p99_ms, "", Bound("<=", SLOWER_MAX)),
        Row(f"action to ack, p50, {who}", phase.ack_p50_ms, "ms"),
        Row(f"action to ack, p99, {who}", phase.ack_p99_ms, "ms"),
        Row(f"ack p99, {who} / quiet", phase.ack_p99_ms / quiet.ack_p99_ms, ""),
        Row(f"server's core in use, {who}", phase.measured.core_percent, "%"),
        Row(f"memory, {who}", own_growth_kib(phase.samples) / 1024, "MiB", Bound("<=", GROWTH_KIB_MAX / 1024)),
    ]


class _Scene(NamedTuple):
    """What all phases have in common."""

    bench: Bench
    server: ServerUnderTest
    others: Audience
    players: Players
    actions_hz: float
    flood: Flood

    async def run(self, load: Load, flooders: int) -> Phase:
        """Publish a load, and act, beside ``flooders``. Returns once all events and all answers are there."""
        async with observe(self.server.process, SAMPLE_INTERVAL_S) as samples:
            if not flooders:
                measured = await self._measure(load)
            else:
                arguments = [
                    "touchline_loadtest.flooders",
                    str(self.server.port),
                    str(flooders),
                    self.flood,
                    token_for("ada", SECRET),
                ]
                async with module_process(arguments, self.bench.cores.clients) as process:
                    await process.until_printed(FLOODING)
                    measured = await self._measure(load)
        events_ns, acks_ns = latencies_ns(self.others), self.players.latencies_ns
        return Phase(
            flooders,
            measured,
            p50_ms=percentile_ms(events_ns, 50),
            p99_ms=percentile_ms(events_ns, 99),
            ack_p50_ms=percentile_ms(acks_ns, 50),
            ack_p99_ms=percentile_ms(acks_ns, 99),
            samples=samples,
        )

    async def _measure(self, load: Load) -> Measurement:
        self.players.clear_latencies()
        acting = self.players.act_steadily(self.actions_hz, round(self.actions_hz * load.seconds))
        measured, _ = await asyncio.gather(measure(self.server.process, self.others, self.server.publish, load), acting)
        await self.players.until_answered()
        return measured
