"""The most that one core can deliver: one room with many events for many clients, all of them in order and in time."""

import msgspec

from touchline_loadtest.audience import audience_of
from touchline_loadtest.fed import touchline_fed
from touchline_loadtest.measuring import (
    Bench,
    Load,
    gaps,
    how_checked,
    latencies,
    measure,
    percentile_ms,
    trust_notes,
)
from touchline_loadtest.publishing import TICK_S
from touchline_loadtest.results import Bound, Result, Row
from touchline_protocol.messages import RoomRequest

NAME = "throughput"
ROOM = "match:1"
WARM_UP_S = 1.0
CROWD_REST_S = 0.005
"""The counting clients read only so often: else every write of the server's would wake their process, which shares its
core with the one that measures."""


class Sizes(msgspec.Struct, frozen=True):
    """A million deliveries a second."""

    clients: int = 1000
    rate_hz: float = 1000.0
    event_bytes: int = 200
    seconds: float = 10.0


async def run(bench: Bench, sizes: Sizes) -> Result:
    """Run it."""
    bench.say(NAME)
    load = Load([ROOM], sizes.rate_hz, sizes.seconds, sizes.event_bytes)
    async with touchline_fed(bench) as fed, audience_of(fed.port, bench.cores) as audience:
        room = await audience.connect(sizes.clients, RoomRequest(room=ROOM))
        warm_up = load._replace(seconds=WARM_UP_S)
        await measure(fed.server, audience, fed.publish, warm_up, crowd_rest_s=CROWD_REST_S)
        measured = await measure(fed.server, audience, fed.publish, load, crowd_rest_s=CROWD_REST_S)
        lacking = await audience.lacking()
    late = latencies(room)
    return Result(
        scenario=NAME,
        rows=[
            Row("deliveries/s", measured.deliveries / measured.wall_s, "/s"),
            Row("clients that lack events", lacking, "", Bound("=", 0)),
            Row("p50", percentile_ms(late, 50), "ms"),
            Row("p99", percentile_ms(late, 99), "ms", Bound("<=", 50)),
            Row("gaps and repeats", gaps(audience), "", Bound("=", 0)),
            Row("CPU per delivery", measured.cpu_us, "us"),
            Row("server's core in use", measured.cpu_s / measured.wall_s * 100, "%"),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            f"{fed.how}, those of {TICK_S * 1000:g} ms together; lateness counts from when they were due, and the "
            f"publisher itself was up to {measured.publisher_late_s * 1000:.1f} ms late",
            f"the counting clients read every {CROWD_REST_S * 1000:g} ms, what there is then",
            how_checked(audience),
            *trust_notes(measured),
        ],
    )
