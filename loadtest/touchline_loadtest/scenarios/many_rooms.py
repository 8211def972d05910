"""Many small rooms: what a delivery costs where the work that is done once per event is shared by four clients alone.

It needs Kafka: 10,000 events a second over HTTP would measure the HTTP server. The figure of one room, to compare with,
is taken in the same run from the same broker, at the same number of deliveries.
"""

import statistics

import msgspec

from touchline_loadtest.audience import CHECKED_CLIENTS, audience_of
from touchline_loadtest.fed import touchline_fed
from touchline_loadtest.kafka import FEED
from touchline_loadtest.measuring import Bench, Load, Measured, gaps, measure, trust_notes
from touchline_loadtest.results import Bound, Result, Row
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
    measured: Measured
    lacking: int
    gaps: int


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
            Row("gaps and repeats", sum(one.gaps for one in found), "", Bound("=", 0)),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            f"from Kafka ({PARTITIONS} partitions); the broker shares the clients' core where it is pinned there",
            "the runs' ratios: " + ", ".join(f"{ratio:.2f}" for ratio in sorted(ratios)) + "; their median counts",
            "order and prev of every frame were checked on one client of each room; the others had the same bytes",
            *trust_notes(*(one.measured for one in found)),
        ],
    )


async def _run_once(bench: Bench, sizes: Sizes, rooms: int, per_room: int) -> _Found:
    names = [f"{FEED}:{number}" for number in range(rooms)]
    load = Load(names, sizes.rate_hz, sizes.seconds, sizes.event_bytes)
    async with touchline_fed(bench, PARTITIONS) as fed, audience_of(fed.port, bench.cores) as audience:
        for room in load.rooms:
            checked = CHECKED_CLIENTS if len(load.rooms) == 1 else 1
            await audience.connect(per_room, RoomRequest(room=room), checked=checked)
        await measure(fed.server, audience, fed.publish, load._replace(seconds=WARM_UP_S))
        measured = await measure(fed.server, audience, fed.publish, load)
        return _Found(measured, await audience.lacking(), gaps(audience))
