"""Many small rooms: CPU time of a delivery if only four clients share the work that is done once per event.

It needs Kafka: 10,000 events a second over HTTP would measure the HTTP server. For comparison, a single room is
measured in the same run, with the same broker and the same number of deliveries.
"""

import statistics

import msgspec

from touchline_loadtest.measure.audience import CHECKERS, open_audience
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.findings import breaches
from touchline_loadtest.measure.measurement import Load, Measurement, measure
from touchline_loadtest.measure.results import Bound, Result, Row
from touchline_loadtest.measure.server_under_test import server_under_test
from touchline_loadtest.measure.trust import trust_notes
from touchline_loadtest.publish.publisher import FEED
from touchline_protocol.messages import RoomRequest

NAME = "many-rooms"
PARTITIONS = 8
WARM_UP_S = 1.0


class Sizes(msgspec.Struct, frozen=True):
    """500 rooms of 4 clients with 20 events/s each: 40,000 deliveries/s."""

    rooms: int = 500
    per_room: int = 4
    rate_hz: float = 20.0
    event_bytes: int = 200
    seconds: float = 5.0
    runs: int = 5


class _Found(msgspec.Struct, frozen=True):
    measured: Measurement
    lacking: int
    breaches: int


async def run(bench: Bench, sizes: Sizes) -> Result:
    """Run it."""
    pairs = []
    for number in range(sizes.runs):
        bench.say(f"{NAME}: run {number + 1} of {sizes.runs}")
        many = await _run_once(bench, sizes, sizes.rooms, sizes.per_room)
        pairs.append((many, await _run_once(bench, sizes, 1, sizes.rooms * sizes.per_room)))
    found = [one for pair in pairs for one in pair]
    ratios = [many.measured.cpu_us / one.measured.cpu_us for many, one in pairs]
    return Result(
        scenario=NAME,
        rows=[
            Row("CPU per delivery, many rooms", statistics.median(many.measured.cpu_us for many, _ in pairs), "us"),
            Row("CPU per delivery, one room", statistics.median(one.measured.cpu_us for _, one in pairs), "us"),
            Row("many rooms / one room", statistics.median(ratios), "", Bound("<=", 1.6)),
            Row("clients that lack events", sum(one.lacking for one in found), "", Bound("=", 0)),
            Row("breaches", sum(one.breaches for one in found), "", Bound("=", 0)),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            f"from Kafka ({PARTITIONS} partitions); the broker shares the clients' core where it is pinned there",
            "the ratios of the runs, whose median counts: " + ", ".join(f"{ratio:.2f}" for ratio in sorted(ratios)),
            "order and prev of every frame were checked on one client of each room; the others received the same bytes",
            *trust_notes(*(one.measured for one in found)),
        ],
    )


async def _run_once(bench: Bench, sizes: Sizes, rooms: int, per_room: int) -> _Found:
    names = [f"{FEED}:{number}" for number in range(rooms)]
    load = Load(names, sizes.rate_hz, sizes.seconds, sizes.event_bytes)
    async with server_under_test(bench, PARTITIONS) as server, open_audience(server.port, bench.cores) as audience:
        for room in load.rooms:
            checkers = CHECKERS if len(load.rooms) == 1 else 1
            await audience.connect(per_room, RoomRequest(room=room), checkers=checkers)
        await measure(server.process, audience, server.publish, load._replace(seconds=WARM_UP_S))
        measured = await measure(server.process, audience, server.publish, load)
        return _Found(measured, await audience.lacking(), breaches(audience))
