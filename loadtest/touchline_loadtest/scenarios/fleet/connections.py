"""Fifty thousand connections at once, over several workers: whether all are held, and what each takes of memory."""

import asyncio
import contextlib

import msgspec

from touchline_loadtest.measure import machine
from touchline_loadtest.measure.audience import Audience, open_audience
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.machine import Cores
from touchline_loadtest.measure.measurement import ARRIVE_TIMEOUT_S
from touchline_loadtest.measure.results import Bound, Result, Row
from touchline_loadtest.measure.server_under_test import server_under_test
from touchline_loadtest.publish.pace import publish_quickly
from touchline_protocol.messages import RoomRequest

NAME = "connections"
ROOM = "match:1"
FIRST_CLIENTS = 100
"""Connected by each process before the first look at the memory, so that one-time allocations are left out."""
SETTLE_S = 2.0
CLIENTS_PER_PROCESS = 12_500
"""A process has at most as many files open as the system allows, often 20,000, and a client's address has 28,000 ports
for connections to one server."""
FILES_BESIDES = 500
EVENTS = 5


class Sizes(msgspec.Struct, frozen=True):
    """50,000 clients in one room, over 4 workers. They stay for longer than a heartbeat."""

    clients: int = 50_000
    workers: int = 4
    event_bytes: int = 200
    stay_s: float = 30.0


async def run(bench: Bench, sizes: Sizes) -> Result:
    """Run it."""
    bench.say(NAME)
    machine.need_files(min(sizes.clients, CLIENTS_PER_PROCESS) + FILES_BESIDES)
    parts = -(-sizes.clients // CLIENTS_PER_PROCESS)
    variables = {
        "TOUCHLINE_WORKERS": str(sizes.workers),
        "TOUCHLINE_CONNECTIONS_MAX": str(sizes.clients + parts * FIRST_CLIENTS),
    }
    anywhere = bench._replace(cores=Cores(None, None))
    async with server_under_test(anywhere, variables=variables) as server, contextlib.AsyncExitStack() as stack:
        audiences = [await stack.enter_async_context(open_audience(server.port, anywhere.cores)) for _ in range(parts)]
        await _join(audiences, FIRST_CLIENTS * parts)
        await asyncio.sleep(SETTLE_S)
        before_kib = server.process.own_memory_kib()
        began_s = asyncio.get_running_loop().time()
        await _join(audiences, sizes.clients)
        took_s = asyncio.get_running_loop().time() - began_s
        await asyncio.sleep(sizes.stay_s)
        after_kib = server.process.own_memory_kib()
        await publish_quickly(server.publish, [ROOM], count=EVENTS, size_bytes=sizes.event_bytes)
        for audience in audiences:
            audience.expect(EVENTS, [ROOM])
        await asyncio.gather(*(audience.until_arrived(ARRIVE_TIMEOUT_S) for audience in audiences))
        lacking = [await audience.lacking() for audience in audiences]
        held = sum(len(audience) for audience in audiences)
    return Result(
        scenario=NAME,
        rows=[
            Row("connections held", held, "", Bound(">=", sizes.clients)),
            Row("memory per connection", (after_kib - before_kib) / sizes.clients, "KiB", Bound("<=", 6)),
            Row("memory of all workers", after_kib / 1024, "MiB"),
            Row("joins", sizes.clients / took_s, "/s"),
            Row("clients that lack events", sum(lacking), "", Bound("=", 0)),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            "the processes' anonymous memory (RssAnon), without what the kernel holds for a socket",
            f"the clients live in {parts} processes, each with a loopback address of its own, on the same cores",
        ],
    )


async def _join(audiences: list[Audience], clients: int) -> None:
    """Let clients join, divided among the audiences, each from an address of its own."""
    share = clients // len(audiences)
    await asyncio.gather(
        *(
            audience.connect(share, RoomRequest(room=ROOM), checkers=1, source=f"127.0.0.{number}")
            for number, audience in enumerate(audiences, start=1)
        )
    )
