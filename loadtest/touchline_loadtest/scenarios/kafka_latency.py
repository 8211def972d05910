"""From a producer's send() through a real Kafka to a client that has parsed the event: how long that takes."""

import time
from collections.abc import Sequence

import msgspec

from touchline_loadtest.audience import audience_of
from touchline_loadtest.fed import touchline_fed
from touchline_loadtest.kafka import FEED
from touchline_loadtest.measuring import Bench, Load, gaps, how_checked, latencies, measure, percentile_ms, trust_notes
from touchline_loadtest.publishing import NS, Publish
from touchline_loadtest.results import Bound, Result, Row
from touchline_loadtest.wire import event_value
from touchline_protocol.messages import RoomRequest

NAME = "kafka-latency"
ROOM = f"{FEED}:1"
WARM_UP_S = 2.0
"""The broker's and the producer's first records take many times as long as those that follow."""


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
    async with touchline_fed(bench) as fed, audience_of(fed.port, bench.cores) as audience:
        group = await audience.connect(sizes.clients, RoomRequest(room=ROOM))
        publish = _stamped(fed.publish)
        await measure(fed.server, audience, publish, load._replace(seconds=WARM_UP_S))
        measured = await measure(fed.server, audience, publish, load)
        lacking = await audience.lacking()
    late = latencies(group)
    return Result(
        scenario=NAME,
        rows=[
            Row("p50", percentile_ms(late, 50), "ms", Bound("<=", 4)),
            Row("p99", percentile_ms(late, 99), "ms", Bound("<=", 12)),
            Row("slowest", max(late) / NS * 1000, "ms"),
            Row("clients that lack events", lacking, "", Bound("=", 0)),
            Row("gaps and repeats", gaps(audience), "", Bound("=", 0)),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            "counted from just before the producer's send() until a client had parsed the event; the producer "
            "(acks=all, no linger) and all clients are one process, and the broker shares its core where it is pinned "
            "there",
            how_checked(audience),
            *trust_notes(measured),
        ],
    )


def _stamped(publish: Publish) -> Publish:
    """Let events say when they were sent, not when they were due: this is about the way, not about the publisher."""

    async def publish_now(room: str, values: Sequence[bytes]) -> None:
        now_ns = time.monotonic_ns()
        await publish(room, [event_value(now_ns, len(value)) for value in values])

    return publish_now
