"""From a producer's send() through a real Kafka to a client that has parsed the event: how long that takes."""

import asyncio
import time

import msgspec

from touchline_loadtest.audience import Audience, audience_of
from touchline_loadtest.fed import touchline_fed
from touchline_loadtest.kafka import FEED
from touchline_loadtest.measuring import (
    ARRIVE_TIMEOUT_S,
    Bench,
    Measured,
    Start,
    gaps,
    how_checked,
    latencies,
    percentile_ms,
    trust_notes,
)
from touchline_loadtest.processes import Server
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
    warm_up, events = (max(1, round(sizes.rate_hz * seconds)) for seconds in (WARM_UP_S, sizes.seconds))
    async with touchline_fed(bench) as fed, audience_of(fed.port, bench.cores) as audience:
        group = await audience.connect(sizes.clients, RoomRequest(room=ROOM))
        await _measure(fed.server, audience, fed.publish, sizes, warm_up)
        measured = await _measure(fed.server, audience, fed.publish, sizes, events)
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


async def _measure(server: Server, audience: Audience, publish: Publish, sizes: Sizes, events: int) -> Measured:
    for check in audience.checks:
        check.latencies_ns.clear()
    start = await Start.now(server, audience)
    await _publish_one_by_one(publish, sizes, events)
    deliveries = audience.expect(events, [ROOM])
    await audience.until_arrived(ARRIVE_TIMEOUT_S)
    return await start.measured(deliveries)


async def _publish_one_by_one(publish: Publish, sizes: Sizes, events: int) -> None:
    """Publish at a steady rate. An event says when it was sent: this is about the way, not about the producer."""
    began_ns = time.monotonic_ns()
    for number in range(events):
        due_ns = began_ns + round(number * NS / sizes.rate_hz)
        await asyncio.sleep(max(0, due_ns - time.monotonic_ns()) / NS)
        await publish(ROOM, [event_value(time.monotonic_ns(), sizes.event_bytes)])
