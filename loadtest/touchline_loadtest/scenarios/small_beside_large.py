"""A small room beside a large one: whether its clients have to wait for the large room's flushes."""

import msgspec

from touchline_loadtest.measure.audience import open_audience
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.findings import breaches, check_note, latencies_ns, percentile_ms
from touchline_loadtest.measure.measurement import Load, measure
from touchline_loadtest.measure.results import Bound, Result, Row
from touchline_loadtest.measure.server_under_test import server_under_test
from touchline_loadtest.measure.trust import trust_notes
from touchline_protocol.messages import RoomRequest

NAME = "small-beside-large"
SMALL, LARGE = "match:small", "match:large"
WARM_UP_S = 1.0
CHECKERS_LARGE = 5
"""Few, because the small room is what is measured, in the same process."""
COUNTER_REST_S = 0.1
"""The interval at which the large room's counters read: otherwise they would take the whole core."""


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
    async with server_under_test(bench) as server, open_audience(server.port, bench.cores) as audience:
        await audience.connect(sizes.clients_large, RoomRequest(room=LARGE), checkers=CHECKERS_LARGE)
        small = await audience.connect(sizes.clients_small, RoomRequest(room=SMALL), checkers=sizes.clients_small)
        warm_up = load._replace(seconds=WARM_UP_S)
        await measure(server.process, audience, server.publish, warm_up, counter_rest_s=COUNTER_REST_S)
        measured = await measure(server.process, audience, server.publish, load, counter_rest_s=COUNTER_REST_S)
        lacking = await audience.lacking()
    late_ns = latencies_ns(small)
    return Result(
        scenario=NAME,
        rows=[
            Row("small room's p50", percentile_ms(late_ns, 50), "ms"),
            Row("small room's p99", percentile_ms(late_ns, 99), "ms", Bound("<=", 10)),
            Row("deliveries/s", measured.deliveries / measured.wall_s, "/s"),
            Row("clients that lack events", lacking, "", Bound("=", 0)),
            Row("breaches", breaches(audience), "", Bound("=", 0)),
            Row("server's core in use", measured.core_percent, "%"),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            f"{server.note}; lateness counts from when an event was due until a client of the small room had it, and "
            f"the publisher itself was up to {measured.publisher_late_s * 1000:.1f} ms late",
            f"the large room's counters read every {COUNTER_REST_S * 1000:g} ms whatever has arrived",
            check_note(audience),
            *trust_notes(measured),
        ],
    )
