"""The most that one core can deliver: one room with many events for many clients, all of them in order and in time."""

import msgspec

from touchline_loadtest.measure.audience import open_audience
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.findings import breaches, check_note, latencies_ns, percentile_ms
from touchline_loadtest.measure.measurement import Load, measure
from touchline_loadtest.measure.results import Bound, Result, Row
from touchline_loadtest.measure.server_under_test import server_under_test
from touchline_loadtest.measure.trust import trust_notes
from touchline_loadtest.publish.pace import TICK_S
from touchline_protocol.messages import RoomRequest

NAME = "throughput"
ROOM = "match:1"
WARM_UP_S = 1.0
COUNTER_REST_S = 0.005
"""The interval at which the counters read: otherwise every write of the server would wake their process, which shares
its core with the measuring process."""


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
    async with server_under_test(bench) as server, open_audience(server.port, bench.cores) as audience:
        group = await audience.connect(sizes.clients, RoomRequest(room=ROOM))
        warm_up = load._replace(seconds=WARM_UP_S)
        await measure(server.process, audience, server.publish, warm_up, counter_rest_s=COUNTER_REST_S)
        measured = await measure(server.process, audience, server.publish, load, counter_rest_s=COUNTER_REST_S)
        lacking = await audience.lacking()
    late_ns = latencies_ns(group)
    return Result(
        scenario=NAME,
        rows=[
            Row("deliveries/s", measured.deliveries / measured.wall_s, "/s"),
            Row("clients that lack events", lacking, "", Bound("=", 0)),
            Row("p50", percentile_ms(late_ns, 50), "ms"),
            Row("p99", percentile_ms(late_ns, 99), "ms", Bound("<=", 50)),
            Row("breaches", breaches(audience), "", Bound("=", 0)),
            Row("CPU per delivery", measured.cpu_us, "us"),
            Row("server's core in use", measured.core_percent, "%"),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            f"{server.note}, those of {TICK_S * 1000:g} ms together; lateness counts from when they were due, and the "
            f"publisher itself was up to {measured.publisher_late_s * 1000:.1f} ms late",
            f"the counters read every {COUNTER_REST_S * 1000:g} ms whatever has arrived",
            check_note(audience),
            *trust_notes(measured),
        ],
    )
