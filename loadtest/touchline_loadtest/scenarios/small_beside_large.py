"""A small room beside a large one: whether those in it wait for the large one's flushes."""

import msgspec

from touchline_loadtest.audience import audience_of
from touchline_loadtest.fed import touchline_fed
from touchline_loadtest.measuring import Bench, Load, gaps, how_checked, latencies, measure, percentile_ms, trust_notes
from touchline_loadtest.results import Bound, Result, Row
from touchline_protocol.messages import RoomRequest

NAME = "small-beside-large"
SMALL, LARGE = "match:small", "match:large"
WARM_UP_S = 1.0
CHECKED_LARGE = 5
"""Of the large room: few, as what is measured is the small one, in the same process."""
CROWD_REST_S = 0.1
"""The large room's clients read only so often, else they would take the whole core."""


class Sizes(msgspec.Struct, frozen=True):
    """5 clients beside 5,000, both rooms with 100 events/s."""

    clients_small: int = 5
    clients_large: int = 5000
    rate_hz: float = 100.0
    event_bytes: int = 200
    seconds: float = 10.0


async def run(bench: Bench, sizes: Sizes) -> Result:
    """Run it."""
    bench.say(NAME)
    load = Load([LARGE, SMALL], sizes.rate_hz, sizes.seconds, sizes.event_bytes)
    async with touchline_fed(bench) as fed, audience_of(fed.port, bench.cores) as audience:
        await audience.connect(sizes.clients_large, RoomRequest(room=LARGE), checked=CHECKED_LARGE)
        small = await audience.connect(sizes.clients_small, RoomRequest(room=SMALL), checked=sizes.clients_small)
        warm_up = load._replace(seconds=WARM_UP_S)
        await measure(fed.server, audience, fed.publish, warm_up, crowd_rest_s=CROWD_REST_S)
        measured = await measure(fed.server, audience, fed.publish, load, crowd_rest_s=CROWD_REST_S)
        lacking = await audience.lacking()
    late = latencies(small)
    return Result(
        scenario=NAME,
        rows=[
            Row("small room's p50", percentile_ms(late, 50), "ms"),
            Row("small room's p99", percentile_ms(late, 99), "ms", Bound("<=", 10)),
            Row("deliveries/s", measured.deliveries / measured.wall_s, "/s"),
            Row("clients that lack events", lacking, "", Bound("=", 0)),
            Row("gaps and repeats", gaps(audience), "", Bound("=", 0)),
            Row("server's core in use", measured.cpu_s / measured.wall_s * 100, "%"),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            f"{fed.how}; lateness counts from when an event was due to when a client of the small room had it, and the "
            f"publisher itself was up to {measured.publisher_late_s * 1000:.1f} ms late",
            f"the large room's counting clients read every {CROWD_REST_S * 1000:g} ms, what there is then",
            how_checked(audience),
            *trust_notes(measured),
        ],
    )
