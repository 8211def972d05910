"""A storm of joins, as after an edge was restarted: all clients at once, each with a cursor a few events back."""

import msgspec

from touchline_loadtest.clients import Crowd, short_clients
from touchline_loadtest.measuring import Bench, Start, check_every, gaps, how_checked, trust_notes
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
    ):
        await publish_quickly(publish, [ROOM], count=EVENTS, size_bytes=sizes.event_bytes)
        request = await _cursor(port)
        crowd = Crowd(port)
        start = Start(server, crowd)
        await crowd.connect(sizes.clients, request, check_every=check_every(sizes.clients), at_once=sizes.clients)
        await crowd.until_events(sizes.clients * MISSED_EVENTS, ARRIVE_TIMEOUT_S)
        measured = start.measured()
        await crowd.close()
    return Result(
        scenario=NAME,
        rows=[
            Row("joins/s", sizes.clients / measured.wall_s, "/s", Bound(">=", 3000)),
            Row("server's CPU per join", measured.cpu_s / sizes.clients * 1e6, "us"),
            Row("server's core in use", measured.cpu_s / measured.wall_s * 100, "%"),
            Row("clients that lack events", short_clients(crowd.clients, MISSED_EVENTS), "", Bound("=", 0)),
            Row("gaps and repeats", gaps(crowd), "", Bound("=", 0)),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            f"from the first connect to the last client's events: each comes back with a cursor {MISSED_EVENTS} events "
            "old, waits for the handshake's answer, and sends hello and subscribe in one write",
            how_checked(crowd),
            *trust_notes(measured),
        ],
    )


async def _cursor(port: int) -> RoomRequest:
    """A request with the cursor of a client that has missed `MISSED_EVENTS`."""
    crowd = Crowd(port)
    await crowd.connect(1, RoomRequest(room=ROOM), check_every=1)
    (check,) = crowd.checked
    await crowd.close()
    return RoomRequest(room=ROOM, epoch=check.epoch, after=check.last - MISSED_EVENTS)
