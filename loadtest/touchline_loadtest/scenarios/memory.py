"""Memory of an idle connection that has joined a room, in the server's own process."""

import asyncio

import msgspec

from touchline_loadtest.measure.audience import open_audience
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.results import Bound, Result, Row
from touchline_loadtest.measure.touchline import serve
from touchline_loadtest.publish.pace import publish_quickly
from touchline_loadtest.publish.publisher import http_publisher
from touchline_protocol.messages import RoomRequest

NAME = "memory"
ROOM = "match:1"
FIRST_CLIENTS = 100
"""Connected before the first look at the memory, so that one-time allocations are not attributed to the others."""
SETTLE_S = 2.0
EVENTS = 100


class Sizes(msgspec.Struct, frozen=True):
    """10,000 clients in one room."""

    clients: int = 10_000
    event_bytes: int = 200


async def run(bench: Bench, sizes: Sizes) -> Result:
    """Run it."""
    bench.say(NAME)
    async with (
        serve(bench) as (process, port, control_port),
        http_publisher(control_port) as publish,
        open_audience(port, bench.cores) as audience,
    ):
        await publish_quickly(publish, [ROOM], count=EVENTS, size_bytes=sizes.event_bytes)
        await audience.connect(FIRST_CLIENTS, RoomRequest(room=ROOM), checkers=0)
        await asyncio.sleep(SETTLE_S)
        before_kib = process.own_memory_kib()
        await audience.connect(sizes.clients, RoomRequest(room=ROOM), checkers=0)
        await asyncio.sleep(SETTLE_S)
        after_kib = process.own_memory_kib()
    return Result(
        scenario=NAME,
        rows=[
            Row("memory per connection", (after_kib - before_kib) / sizes.clients, "KiB", Bound("<=", 6)),
            Row("memory before", before_kib / 1024, "MiB"),
            Row("memory with all clients", after_kib / 1024, "MiB"),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=["the process's anonymous memory (RssAnon), without what the kernel holds for a socket"],
    )
