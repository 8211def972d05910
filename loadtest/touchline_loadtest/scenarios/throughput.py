"""The most that one core can deliver: one room with many events for many clients, all of them in order and in time."""

import msgspec

from touchline_loadtest.clients import Crowd, short_clients
from touchline_loadtest.measuring import (
    Bench,
    Load,
    check_every,
    gaps,
    how_checked,
    latencies,
    latency_ms,
    measure,
    trust_notes,
)
from touchline_loadtest.processes import touchline_serve
from touchline_loadtest.publishing import TICK_S, over_http
from touchline_loadtest.results import Bound, Result, Row
from touchline_protocol.messages import RoomRequest

NAME = "throughput"
ROOM = "match:1"
WARM_UP_S = 1.0


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
    warm_up = load._replace(seconds=WARM_UP_S)
    async with (
        touchline_serve(bench.cores.server) as (server, port, control_port),
        over_http(control_port) as publish,
    ):
        crowd = Crowd(port)
        await crowd.connect(sizes.clients, RoomRequest(room=ROOM), check_every=check_every(sizes.clients))
        await measure(server, crowd, publish, warm_up, deliveries=sizes.clients * warm_up.events)
        measured = await measure(server, crowd, publish, load, deliveries=sizes.clients * load.events)
        await crowd.close()
    late = latencies(crowd)
    return Result(
        scenario=NAME,
        rows=[
            Row("deliveries/s", measured.deliveries / measured.wall_s, "/s"),
            Row(
                "clients that lack events",
                short_clients(crowd.clients, warm_up.events + load.events),
                "",
                Bound("=", 0),
            ),
            Row("p50", latency_ms(late, 50), "ms"),
            Row("p99", latency_ms(late, 99), "ms", Bound("<=", 50)),
            Row("gaps and repeats", gaps(crowd), "", Bound("=", 0)),
            Row("CPU per delivery", measured.cpu_us, "us"),
            Row("server's core in use", measured.cpu_s / measured.wall_s * 100, "%"),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            f"events are published over HTTP, those of {TICK_S * 1000:g} ms in one request; lateness counts from when "
            f"they were due, and the publisher itself was up to {measured.publisher_late_s * 1000:.1f} ms late",
            how_checked(crowd),
            *trust_notes(measured),
        ],
    )
