"""Clients who have seen nothing of what happened: they join every room of an edge without a cursor, and note it.

The checker compares the states that they get with the log. Servers may say that a state is incomplete; after all faults
are over, none may be.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from touchline_loadtest.checks.closes import Cause, Close
from touchline_loadtest.checks.room_follower import RoomFollower
from touchline_loadtest.checks.trace import Left
from touchline_loadtest.clients.connection import ClientConnection
from touchline_loadtest.clock import now_ms
from touchline_loadtest.locust.behaviour.tokens import TokenSigner
from touchline_loadtest.rig.edges import Edge
from touchline_loadtest.runs.history.trace_writer import TraceWriter
from touchline_loadtest.wire.frames import masked
from touchline_loadtest.wire.greeting import hello
from touchline_protocol.codecs import JSON
from touchline_protocol.codes import NORMAL
from touchline_protocol.messages import Event, Skipped, Subscribe, Subscribed

ROOMS_MAX = 50
"""Rooms of one connection: half of what a server allows by default."""
CLIENTS_PER_WORKER = 3
"""The kernel chooses a worker for each connection; of so many clients, some are with each."""
ANSWER_S_MAX = 10.0
STAY_S = 2.0
"""They stay for a few events."""


class Newcomers(NamedTuple):
    """How many joins there were, and how many had no answer.

    ``late`` joins had an incomplete state at first, and ``incomplete`` ones had no other until the client left.
    """

    joins: int
    late: int
    incomplete: int
    unanswered: int


async def let_newcomers_join(
    edges: Sequence[Edge], rooms: Sequence[str], secret: str, traces: TraceWriter
) -> Newcomers:
    """Let clients join all rooms at each edge; what they see is in ``traces``.

    Raises:
        OSError: an edge does not listen.
    """
    shares = [rooms[begin : begin + ROOMS_MAX] for begin in range(0, len(rooms), ROOMS_MAX)]
    visits = [
        _visit(edge.port, f"newcomer-{edge.name}-{number}-{part}", share, secret, traces)
        for edge in edges
        for number in range(CLIENTS_PER_WORKER * edge.workers)
        for part, share in enumerate(shares)
    ]
    found = await asyncio.gather(*visits)
    traces.flush()
    return Newcomers(*(sum(counts) for counts in zip(*found, strict=True)))


async def _visit(port: int, client: str, rooms: Sequence[str], secret: str, traces: TraceWriter) -> Newcomers:
    """One client. All that it sees is in its traces."""
    token = TokenSigner(secret).sign(client, rooms=["*"], act=[], now_s=int(time.time()))
    visitor = _Visitor(port, token, {room: RoomFollower(traces.trace(client, room), now_ms=now_ms) for room in rooms})
    await visitor.open()
    try:
        async with asyncio.timeout(ANSWER_S_MAX):
            await visitor.ready.wait()
    except TimeoutError:
        pass  # the counts say so
    else:
        await asyncio.sleep(STAY_S)
    visitor.note_departure()
    at_ms = now_ms()
    await visitor.leave()
    traces.cause(Cause("client_left", at_ms, None, client))
    traces.closed(Close(client, NORMAL.code, at_ms))
    unanswered = len(visitor.waiting)
    return Newcomers(len(rooms) - unanswered, visitor.late, len(visitor.incomplete), unanswered)


class _Visitor(ClientConnection):
    """``waiting`` are the rooms without an answer, ``incomplete`` those whose state lacks something; ``late`` counts
    those that ever were."""

    def __init__(self, port: int, token: str, rooms: Mapping[str, RoomFollower]) -> None:
        self.waiting = set(rooms)
        self.incomplete: set[str] = set()
        self.late = 0
        self._has_left = False
        self._rooms = rooms
        requests = [follower.request() for follower in rooms.values()]
        super().__init__(port, hello(token) + masked(JSON.encode(Subscribe(rooms=requests))))

    def message_received(self, payload: bytes, now_ns: int) -> None:
        """Pass on what belongs to a room."""
        if self._has_left:
            return
        match message := JSON.decode_server(payload):
            case Event(room=room) | Skipped(room=room):
                self._rooms[room].receive(message)
            case Subscribed(room=room, state_complete=complete):
                self._rooms[room].receive(message)
                self.waiting.discard(room)
                self.incomplete.discard(room)
                if not complete:
                    self.late += 1
                    self.incomplete.add(room)

    def read_finished(self) -> None:
        """Whether all rooms have answered."""
        if not self.waiting:
            self.ready.set()

    def note_departure(self) -> None:
        """It leaves by its own will, and has read all that had arrived. Later messages do not count."""
        self._has_left = True
        for follower in self._rooms.values():
            follower.trace.add(Left(now_ms()))
