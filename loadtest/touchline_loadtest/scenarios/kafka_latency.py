"""Time from a producer's send() through a real Kafka until a client has parsed the event."""

import time
from collections.abc import Sequence

import msgspec

from touchline_loadtest.measure.audience import open_audience
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.findings import MS, breaches, check_note, latencies_ns, percentile_ms
from touchline_loadtest.measure.measurement import Load, measure
from touchline_loadtest.measure.results import Bound, Result, Row
from touchline_loadtest.measure.server_under_test import server_under_test
from touchline_loadtest.measure.trust import trust_notes
from touchline_loadtest.publish.publisher import FEED, Publish
from touchline_loadtest.wire.event_values import event_value
from touchline_protocol.messages import RoomRequest

NAME = "kafka-latency"
ROOM = f"{FEED}:1"
WARM_UP_S = 2.0
"""The first records of the broker and the producer take many times as long as those that follow."""


class Sizes(msgspec.Struct, frozen=True):
    """100 clients in a room with 50 events/s."""

    clients: int = 100
    rate_hz: float = 50.0
    event_bytes: int = 200
    seconds: float = 10.0


async def run(bench: Bench, sizes: Sizes) -> Result:
    """Run it."""
    bench.say(NAME)
    load = Load([ROOM], sizes.rate_hz, sizes.seconds, sizes.event_bytes)
    async with server_under_test(bench) as server, open_audience(server.port, bench.cores) as audience:
        group = await audience.connect(sizes.clients, RoomRequest(room=ROOM))
        publish = _stamped(server.publish)
        await measure(server.process, audience, publish, load._replace(seconds=WARM_UP_S))
        measured = await measure(server.process, audience, publish, load)
        lacking = await audience.lacking()
    late_ns = latencies_ns(group)
    return Result(
        scenario=NAME,
        rows=[
            Row("p50", percentile_ms(late_ns, 50), "ms", Bound("<=", 4)),
            Row("p99", percentile_ms(late_ns, 99), "ms", Bound("<=", 12)),
            Row("slowest", max(late_ns) * MS, "ms"),
            Row("clients that lack events", lacking, "", Bound("=", 0)),
            Row("breaches", breaches(audience), "", Bound("=", 0)),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            "counted from just before the producer's send() until a client has parsed the event; the producer "
            "(acks=all, no linger) and the clients that parse are one process, and the broker shares its core where it "
            "is pinned there",
            check_note(audience),
            *trust_notes(measured),
        ],
    )


def _stamped(publish: Publish) -> Publish:
    """Let events carry the time of sending instead of the time at which they were due: the publisher does not count."""

    async def publish_now(room: str, values: Sequence[bytes]) -> None:
        now_ns = time.monotonic_ns()
        await publish(room, [event_value(now_ns, len(value)) for value in values])

    return publish_now
