"""A storm of joins, as after an edge was restarted: all clients at once, each with a cursor a few events back."""

import msgspec

from touchline_loadtest.audience import CONNECT_TIMEOUT_S, audience_of
from touchline_loadtest.clients import CheckedClients
from touchline_loadtest.measuring import Bench, Start, gaps, how_checked, trust_notes
from touchline_loadtest.processes import touchline_serve
from touchline_loadtest.publishing import over_http, publish_quickly
from touchline_loadtest.results import Bound, Result, Row
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
        touchline_serve(bench.cores.server) as (server, port, control_port),
        over_http(control_port) as publish,
        audience_of(port, bench.cores) as audience,
    ):
        await publish_quickly(publish, [ROOM], count=EVENTS, size_bytes=sizes.event_bytes)
        request = await _cursor(port)
        start = await Start.now(server, audience)
        await audience.connect(sizes.clients, request, at_once=sizes.clients)
        deliveries = audience.expect(MISSED_EVENTS, [ROOM])
        await audience.until_arrived(ARRIVE_TIMEOUT_S)
        measured = await start.measured(deliveries)
        lacking = await audience.lacking()
    return Result(
        scenario=NAME,
        rows=[
            Row("joins/s", sizes.clients / measured.wall_s, "/s", Bound(">=", 3000)),
            Row("server's CPU per join", measured.cpu_s / sizes.clients * 1e6, "us"),
            Row("server's core in use", measured.cpu_s / measured.wall_s * 100, "%"),
            Row("clients that lack events", lacking, "", Bound("=", 0)),
            Row("gaps and repeats", gaps(audience), "", Bound("=", 0)),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            f"from the first connect to the last client's events: each comes back with a cursor {MISSED_EVENTS} events "
            "old, waits for the handshake's answer, and sends hello and subscribe in one write",
            how_checked(audience),
            *trust_notes(measured),
        ],
    )


async def _cursor(port: int) -> RoomRequest:
    """A request with the cursor of a client that has missed `MISSED_EVENTS`."""
    clients = CheckedClients(port)
    (client,) = await clients.connect(1, RoomRequest(room=ROOM), CONNECT_TIMEOUT_S)
    await clients.close()
    check = client.check
    return RoomRequest(room=ROOM, epoch=check.epoch, after=check.last - MISSED_EVENTS)
