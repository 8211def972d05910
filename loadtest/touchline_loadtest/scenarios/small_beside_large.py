"""A small room beside a large one: whether those in it wait for the large one's flushes."""

import msgspec

from touchline_loadtest.clients import Crowd, short_clients
from touchline_loadtest.measuring import Bench, Load, gaps, latencies, latency_ms, measure, trust_notes
from touchline_loadtest.processes import touchline_serve
from touchline_loadtest.publishing import over_http
from touchline_loadtest.results import Bound, Result, Row
from touchline_protocol.messages import RoomRequest

NAME = "small-beside-large"
SMALL, LARGE = "match:small", "match:large"
WARM_UP_S = 1.0
LOW_WATER_BYTES = 16 * 1024
"""The large room's clients read when there is so much: else one core could not read for them all and be quick."""


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
    warm_up = load._replace(seconds=WARM_UP_S)
    clients = sizes.clients_small + sizes.clients_large
    async with (
        touchline_serve(bench.cores.server) as (server, port, control_port),
        over_http(control_port) as publish,
    ):
        crowd = Crowd(port)
        await crowd.connect(sizes.clients_large, RoomRequest(room=LARGE))
        await crowd.connect(sizes.clients_small, RoomRequest(room=SMALL), check_every=1)
        await measure(server, crowd, publish, warm_up, deliveries=clients * warm_up.events)
        measured = await measure(
            server, crowd, publish, load, deliveries=clients * load.events, low_water_bytes=LOW_WATER_BYTES
        )
        await crowd.close()
    late = latencies(crowd)
    return Result(
        scenario=NAME,
        rows=[
            Row("small room's p50", latency_ms(late, 50), "ms"),
            Row("small room's p99", latency_ms(late, 99), "ms", Bound("<=", 10)),
            Row("deliveries/s", measured.deliveries / measured.wall_s, "/s"),
            Row(
                "clients that lack events",
                short_clients(crowd.clients, warm_up.events + load.events),
                "",
                Bound("=", 0),
            ),
            Row("gaps and repeats", gaps(crowd), "", Bound("=", 0)),
            Row("server's core in use", measured.cpu_s / measured.wall_s * 100, "%"),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            "lateness counts from when an event was due to when a client of the small room had it, so publishing over "
            "HTTP is included, and so are the large room's reads in the clients' one process (which read only when "
            f"{LOW_WATER_BYTES // 1024} KiB are there); the publisher itself was up to "
            f"{measured.publisher_late_s * 1000:.1f} ms late",
            "order and prev of every frame were checked on the small room's clients; the large one's were counted",
            *trust_notes(measured),
        ],
    )
