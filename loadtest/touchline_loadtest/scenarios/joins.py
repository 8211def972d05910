"""A storm of joins, as after an edge restarts: all clients at once, each with a cursor a few events old."""

import msgspec

from touchline_loadtest.clients.checkers import CheckerPool
from touchline_loadtest.measure.audience import CONNECT_TIMEOUT_S, open_audience
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.findings import breaches, check_note
from touchline_loadtest.measure.measurement import Start
from touchline_loadtest.measure.results import Bound, Result, Row
from touchline_loadtest.measure.touchline import serve
from touchline_loadtest.measure.trust import trust_notes
from touchline_loadtest.publish.pace import publish_quickly
from touchline_loadtest.publish.publisher import http_publisher
from touchline_protocol.messages import RoomRequest

NAME = "joins"
ROOM = "match:1"
EVENTS = 20
MISSED_EVENTS = 5
ARRIVE_TIMEOUT_S = 60.0


class Sizes(msgspec.Struct, frozen=True):
    """5,000 clients."""

    clients: int = 5000
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
        request = await _request_with_cursor(port)
        start = await Start.now(process, audience)
        await audience.connect(sizes.clients, request, at_once=sizes.clients)
        deliveries = audience.expect(MISSED_EVENTS, [ROOM])
        await audience.until_arrived(ARRIVE_TIMEOUT_S)
        measured = await start.finish(deliveries)
        lacking = await audience.lacking()
    return Result(
        scenario=NAME,
        rows=[
            Row("joins/s", sizes.clients / measured.wall_s, "/s", Bound(">=", 3000)),
            Row("server's CPU per join", measured.cpu_s / sizes.clients * 1e6, "us"),
            Row("server's core in use", measured.core_percent, "%"),
            Row("clients that lack events", lacking, "", Bound("=", 0)),
            Row("breaches", breaches(audience), "", Bound("=", 0)),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            f"from the first connect to the last client's events: each comes back with a cursor {MISSED_EVENTS} events "
            "old, waits for the response to its handshake, and sends hello and subscribe in one write",
            check_note(audience),
            *trust_notes(measured),
        ],
    )


async def _request_with_cursor(port: int) -> RoomRequest:
    """The request of a client that has missed `MISSED_EVENTS`."""
    pool = CheckerPool(port)
    (checker,) = await pool.connect(1, RoomRequest(room=ROOM), CONNECT_TIMEOUT_S)
    await pool.close()
    check = checker.check
    return RoomRequest(room=ROOM, epoch=check.live.epoch, after=check.live.offset - MISSED_EVENTS)
