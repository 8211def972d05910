"""The sample: clients that read everything. They check each room by the protocol's rules as it arrives, measure how
late events are, and keep the ledgers that the counters are compared with.
"""

import asyncio
import random
import time
from collections.abc import Sequence

from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.closes import Cause, CauseKind, Close
from touchline_loadtest.checks.room_follower import RoomFollower, digest
from touchline_loadtest.checks.trace import Item, Left, Shown, TraceSink
from touchline_loadtest.clients.connection import ClientConnection
from touchline_loadtest.runs.history.trace_writer import TraceWriter
from touchline_loadtest.wire.frames import masked
from touchline_loadtest.wire.greeting import hello
from touchline_protocol.codecs import JSON
from touchline_protocol.codes import ABNORMAL, HELLO_TIMEOUT
from touchline_protocol.frames import OP_TEXT, frame
from touchline_protocol.messages import (
    Beat,
    Deliver,
    Error,
    Event,
    Members,
    MembersChanged,
    Occupancy,
    ServerMessage,
    Skipped,
    Subscribe,
    Subscribed,
    Welcome,
)

from .commands import Client
from .ledger import Ledger

NS_PER_MS = 1_000_000
DECODED_MAX = 4096
"""Messages whose decoded form is kept: all members of a room receive the same, shortly after one another."""
RECONNECT_S = (0.1, 0.5)
"""The range of the pause before a client that has found a gap, or was cut off, connects again."""


class _NoTrace:
    """Where the traces of a run without a folder go: nobody would read them."""

    def __init__(self, client: str, room: str) -> None:
        self.client = client
        self.room = room
        self.deliver: Deliver = "all"

    def add(self, item: Item) -> None:
        """Drop it."""


class Observations:
    """What the sample has seen. Times are milliseconds, and those of `take_new` since it was last called."""

    def __init__(self) -> None:
        self.ledgers: dict[str, Ledger] = {}
        self.breaches: list[Breach] = []
        self.event_ms: list[float] = []
        self.connect_ms: list[float] = []
        self.first_state_ms: list[float] = []
        self.events = 0
        self.retries = 0
        self.event_bytes = 0
        self.measuring = True
        self.wall_ns = time.time_ns() - time.monotonic_ns()
        self._decoded: dict[bytes, tuple[ServerMessage, int, int]] = {}

    def decode(self, payload: bytes) -> tuple[ServerMessage, int, int]:
        """A message, its digest if it is an event, and the bytes of its frame."""
        known = self._decoded.get(payload)
        if known is None:
            if len(self._decoded) >= DECODED_MAX:
                self._decoded.clear()
            message = JSON.decode_server(payload)
            value = digest(message) if isinstance(message, Event) else 0
            known = self._decoded[payload] = (message, value, len(frame(OP_TEXT, payload)))
        return known

    def now_ms(self) -> float:
        """Unix time."""
        return (time.monotonic_ns() + self.wall_ns) / NS_PER_MS


class SampledClient:
    """One client over all of its connections."""

    def __init__(
        self, described: Client, observations: Observations, token: str | None, traces: TraceWriter | None = None
    ) -> None:
        self.described = described
        self.observations = observations
        self.token = token
        self._digest = 0
        self._message: ServerMessage | None = None
        self.followers = {
            room: RoomFollower(self._trace(traces, room), self._value, now_ms=observations.now_ms)
            for room in described.rooms
        }
        self._traces = traces
        self.closing = False
        self._connection: _SampleConnection | None = None

    @property
    def is_in(self) -> bool:
        """Whether it is in all of its rooms."""
        connection = self._connection
        return connection is not None and all(follower.live.joined for follower in self.followers.values())

    async def connect(self) -> None:
        """Connect, with the cursors that it has; tries until it succeeds."""
        while not self.closing and self._connection is None:
            started_ns = time.monotonic_ns()
            requests = [follower.request() for follower in self.followers.values()]
            greeting = hello(self.token) + masked(JSON.encode(Subscribe(rooms=requests)))
            connection = _SampleConnection(self, greeting, started_ns)
            try:
                await connection.open()
            except OSError as error:
                self.found("unexplained_close", f"it could not connect: {error}")
                await asyncio.sleep(random.uniform(*RECONNECT_S))  # noqa: S311 - nothing here is a secret

    def opened(self, connection: "_SampleConnection") -> None:
        """The client has a connection."""
        self._connection = connection

    def cut(self) -> None:
        """Drop the connection, as a lost link would."""
        if self._connection is not None:
            self._connection.vanish()
            self.note_close(ABNORMAL.code, "connection_cut")

    def lose(self, reason: str, code: int) -> None:
        """The run has not caused the end of the connection. The client connects again, a moment later."""
        if code == HELLO_TIMEOUT.code:
            self.observations.retries += 1
            self.note_close(code, "edge_stalled")
        else:
            self.found("unexplained_close", reason)
            self.note_close(code)
        self.come_back()

    def leave(self) -> None:
        """Leave for good. The trace then has what the client holds."""
        self.closing = True
        # Without a connection, the client makes no claim about what should have arrived.
        left = Left(0.0 if self._connection is None else self.observations.now_ms())
        for follower in self.followers.values():
            live = follower.live
            if live.epoch is not None:
                follower.trace.add(Shown(live.epoch, live.offset, dict(live.state)))
            follower.trace.add(left)
        if self._connection is not None:
            self._connection.vanish()
            self.note_close(ABNORMAL.code, "client_left")

    def note_close(self, code: int, cause: CauseKind | None = None) -> None:
        """The connection has ended; ``cause`` is what the run did to it."""
        self._connection = None
        if self._traces is not None:
            now_ms = self.observations.now_ms()
            if cause is not None:
                self._traces.cause(Cause(cause, now_ms, client=self.described.name))
            self._traces.closed(Close(self.described.name, code, now_ms))

    def found(self, kind: str, text: str, room: str = "") -> None:
        """Something is wrong."""
        breach = Breach(kind, self.described.name, text, room, at_ms=self.observations.now_ms())
        self.observations.breaches.append(breach)

    def receive(self, payload: bytes, now_ns: int, connection: "_SampleConnection") -> None:
        """Check and measure one message. A connection that was cut may still deliver some: they are dropped."""
        if connection is not self._connection:
            return
        seen = self.observations
        message, self._digest, size_bytes = seen.decode(payload)
        self._message = message
        match message:
            case Event():
                self._event(message, size_bytes, now_ns, connection)
            case Subscribed() | Skipped():
                if isinstance(message, Subscribed):
                    seen.first_state_ms.append((now_ns - connection.greeted_ns) / NS_PER_MS)
                self._check(message.room, message)
            case Welcome():
                seen.connect_ms.append((now_ns - connection.started_ns) / NS_PER_MS)
            case Error():
                self.found("refused", f"{message.code}: {message.message}", message.room or "")
            case Beat() | Occupancy() | Members() | MembersChanged():
                pass
            case _:
                self.found("unexplained_close", f"it received {message}")

    def _event(self, event: Event, size_bytes: int, now_ns: int, connection: "_SampleConnection") -> None:
        seen = self.observations
        if not self._check(event.room, event):
            return  # the event comes again, behind those that were missing
        ledger = seen.ledgers.get(event.room)
        if ledger is None:
            ledger = seen.ledgers[event.room] = Ledger([], [], [])
        ledger.add(event.offset, size_bytes, now_ns)
        seen.events += 1
        seen.event_bytes += size_bytes
        if seen.measuring and event.ts * NS_PER_MS >= connection.greeted_ns + seen.wall_ns:
            seen.event_ms.append((now_ns + seen.wall_ns) / NS_PER_MS - event.ts)

    def _check(self, room: str, message: ServerMessage) -> bool:
        """Check a message of a room. Returns whether the client goes on; after a gap it connects again."""
        breach = self.followers[room].receive(message)
        if breach is None:
            return True
        self.observations.breaches.append(breach)
        if breach.kind != "gap":
            return True
        self.cut()
        self.come_back()
        return False

    def come_back(self) -> None:
        """Connect again, a moment later."""
        task = asyncio.get_running_loop().create_task(self._come_back())
        _TASKS.add(task)
        task.add_done_callback(_TASKS.discard)

    async def _come_back(self) -> None:
        await asyncio.sleep(random.uniform(*RECONNECT_S))  # noqa: S311 - as above
        await self.connect()

    def _trace(self, traces: TraceWriter | None, room: str) -> TraceSink:
        name = self.described.name
        return _NoTrace(name, room) if traces is None else traces.trace(name, room)

    def _value(self, event: Event) -> int:
        """The digest of an event: known already for the message itself, but not for the events of a state."""
        return self._digest if event is self._message else digest(event)


_TASKS: set[asyncio.Task[None]] = set()
"""The loop keeps no reference to its tasks."""


class _SampleConnection(ClientConnection):
    """One connection of a client of the sample."""

    def __init__(self, owner: SampledClient, greeting: bytes, started_ns: int) -> None:
        super().__init__(owner.described.port, greeting, owner.described.host)
        self.started_ns = started_ns
        self._owner = owner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        super().connection_made(transport)
        self._owner.opened(self)

    def message_received(self, payload: bytes, now_ns: int) -> None:
        """Pass it on."""
        self._owner.receive(payload, now_ns, self)

    def read_finished(self) -> None:
        """Nothing is left to do."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Report an end that the run has not caused, and connect again."""
        super().connection_lost(exc)
        if self.lost is not None and not self._owner.closing:
            self._owner.lose(self.lost, ABNORMAL.code if self.closed is None else self.closed.code)


def states_differ(
    first: Sequence[SampledClient], room: str, other: SampledClient, *, quiet: bool = False
) -> Breach | None:
    """Compare the state of a room at a fresh client with that of a member of the sample at the same offset.

    In a ``quiet`` room, see `is_quiet`, the sample's newest event may be before the fresh client's head.
    """
    fresh = other.followers[room].live
    for client in first:
        live = client.followers[room].live if room in client.followers else None
        if live is None or live.state == fresh.state:
            continue
        if live.cursor == fresh.cursor or (quiet and _is_before(live.cursor, fresh.cursor)):
            return Breach("states_differ", client.described.name, f"{live.state}, not {fresh.state}", room, live.offset)
    return None


def is_quiet(first: Sequence[SampledClient], room: str, other: SampledClient) -> bool:
    """Whether all of the sample have waited for an event at or before the fresh client's head, and none came.

    A server may state a later position in the log than a room's newest event as its head.
    """
    fresh = other.followers[room].live
    members = [client.followers[room].live for client in first if room in client.followers]
    return bool(members) and all(_is_before(live.cursor, fresh.cursor) for live in members)


def _is_before(first: tuple[str, int] | None, other: tuple[str, int] | None) -> bool:
    """Whether both cursors are in the same log, and the first one is not behind the other."""
    return first is not None and other is not None and first[0] == other[0] and first[1] <= other[1]
