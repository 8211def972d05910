"""What a connection costs that has joined a room and hears nothing: memory of the server's own process."""

import asyncio

import msgspec

from touchline_loadtest.audience import audience_of
from touchline_loadtest.measuring import Bench
from touchline_loadtest.processes import touchline_serve
from touchline_loadtest.publishing import over_http, publish_quickly
from touchline_loadtest.results import Bound, Result, Row
from touchline_protocol.messages import RoomRequest

NAME = "memory"
ROOM = "match:1"
FIRST_CLIENTS = 100
"""Connected before memory is looked at, so that what is made once is not shared out among the others."""
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
        touchline_serve(bench.cores.server) as (server, port, control_port),
        over_http(control_port) as publish,
        audience_of(port, bench.cores) as audience,
    ):
        await publish_quickly(publish, [ROOM], count=EVENTS, size_bytes=sizes.event_bytes)
        await audience.connect(FIRST_CLIENTS, RoomRequest(room=ROOM), checked=0)
        await asyncio.sleep(SETTLE_S)
        before_kib = server.own_memory_kib()
        await audience.connect(sizes.clients, RoomRequest(room=ROOM), checked=0)
        await asyncio.sleep(SETTLE_S)
        after_kib = server.own_memory_kib()
    return Result(
        scenario=NAME,
        rows=[
            Row("memory per connection", (after_kib - before_kib) / sizes.clients, "KiB", Bound("<=", 6)),
            Row("memory before", before_kib / 1024, "MiB"),
            Row("memory with all clients", after_kib / 1024, "MiB"),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=["the process's anonymous memory (RssAnon); what the kernel holds for a socket is not in it"],
    )
