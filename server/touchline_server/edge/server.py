"""The listener: accepts connections, and keeps time for all of them.

One timer for everything that has to do with time: hellos that do not come, heartbeats, clients that take nothing, and
connections that do not end. It looks at each connection twice per heartbeat, a few at a time, so no timer is kept per
connection.
"""

import asyncio
import contextlib
import random
import secrets
import socket
import time
from typing import cast

from touchline_protocol import codes
from touchline_protocol.messages import Beat, Goaway, Verdict
from touchline_protocol.server_codecs import ALL_CODECS
from touchline_server.config.settings import Settings
from touchline_server.config.values import milliseconds
from touchline_server.core.access import Door
from touchline_server.core.client import SessionLimits, SessionState
from touchline_server.core.hub import Hub

from .appender import Acting, ActionLog, answer_all
from .connection import LINGER_S, Connection
from .replayer import Replayer, ReplaySource
from .scheduler import Turns

TICK_S = 0.1
"""How often time is looked at: limits are in seconds, and a tick costs some microseconds."""

BACKLOG = 4096
"""Connections that the kernel holds until they are accepted: thousands may come at once after an edge was restarted."""

NOTSENT_LOWAT_BYTES = 64 * 1024
"""TCP_NOTSENT_LOWAT: what a client has not taken waits here as a cursor, not in the kernel as stale bytes."""

USER_TIMEOUT_BEYOND_LAG_S = 15.0
"""TCP_USER_TIMEOUT, beyond ``lag_s_max``: how long written bytes may stay unacknowledged, as when a phone is gone
from the network. With a heartbeat there is always something to acknowledge; the kernel's default is a quarter of an
hour. Not shorter than the lag: Linux counts the time of a client that acknowledges and does not read, too, and would
cut it before it is closed with its code."""

USER_TIMEOUT_MS_MAX = 2**31 - 1
"""What the kernel takes: 24 days."""

_BEATS = {codec: codec.frame(Beat()) for codec in ALL_CODECS}


class Edge:
    """All client connections of this process."""

    def __init__(self, settings: Settings, hub: Hub, door: Door, source: ReplaySource, log: ActionLog) -> None:
        self.settings = settings
        self.hub = hub
        self.door = door
        self.limits = SessionLimits(
            edge=settings.edge_name,
            heartbeat_ms=milliseconds(settings.heartbeat_s),
            message_bytes_max=settings.message_bytes_max,
            rooms_max=settings.rooms_max,
            errors_max=settings.client_errors_max,
            replay_records_max=settings.replay_records_max,
        )
        self._loop = asyncio.get_running_loop()
        self.time = self._loop.time
        self.random = random.random
        self._replayer = Replayer(hub, source)
        self.turns = Turns(
            hub,
            clients_max=settings.flush_slice_clients,
            now_ms=self.now_ms,
            fetch=self._replayer.fetch,
            failed=self._fail,
        )
        self._acting = Acting(door.actions, log, self._fail)
        self.failure: asyncio.Future[None] = self._loop.create_future()
        """Done, with what went wrong, when a part fails that should run for ever: a mistake of ours."""
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        # Insertion-ordered, since each kind has one time limit: the next to be late is always the first.
        self._connections: dict[Connection, None] = {}
        self._greeting: dict[Connection, float] = {}
        self._closing: dict[Connection, float] = {}
        self._round: list[Connection] = []
        self._round_step = 0
        self._empty = asyncio.Event()

    async def start(self, listening: socket.socket) -> None:
        """Serve on a bound socket, whose options those that it accepts inherit."""
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOTSENT_LOWAT_BYTES)
        user_timeout_s = self.settings.lag_s_max + USER_TIMEOUT_BEYOND_LAG_S
        user_timeout_ms = min(int(user_timeout_s * 1000), USER_TIMEOUT_MS_MAX)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, user_timeout_ms)
        self._replayer.start(self.turns, self.settings.replay_concurrency, self._fail)
        await self._acting.start(expected=self.door.verify is not None)  # without keys nobody can act
        self._server = await self._loop.create_server(lambda: Connection(self), sock=listening, backlog=BACKLOG)
        self._tick()

    async def stop(self) -> None:
        """Take no more connections, send the clients elsewhere spread over the drain time, and close what is left."""
        if self._server is not None:
            self._server.close()
        if self._connections and self.settings.drain_s:
            self._say_goaway()
            await self._until_empty(self.settings.drain_s)
        await self._acting.stop()
        for connection in list(self._connections):
            connection.close(codes.GOING_AWAY)
        await self._until_empty(LINGER_S)
        for connection in list(self._connections):
            connection.abort()
        if self._timer is not None:
            self._timer.cancel()
        await self._replayer.stop()

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    @property
    def is_full(self) -> bool:
        """Whether there are more connections than this edge takes, that of the asker included."""
        return len(self._connections) > self.settings.connections_max

    def now_ms(self) -> int:
        """Milliseconds of a clock that never jumps: for windows and limits."""
        return int(self.time() * 1000)

    def wall_ms(self) -> int:
        """Unix milliseconds: for people and clients."""
        return time.time_ns() // 1_000_000

    def session_name(self) -> str:
        """A name for a session that brings none."""
        return secrets.token_urlsafe(12)

    def add(self, connection: Connection) -> None:
        """A connection was accepted."""
        self._connections[connection] = None
        self._empty.clear()
        self._greeting[connection] = self.time() + self.settings.handshake_timeout_s

    def received(self) -> None:
        """A message was taken: there may be an action to append, or another connection that it ended."""
        if self.door.actions.waiting:
            self._acting.wake()
        answer_all(self.door.take_ended())

    def judge(self, player: str, verdict: Verdict) -> None:
        """A verdict about a player came: its connections are told, and closed where it bans."""
        sessions = list(self.door.players.sessions_of(player))
        for session in sessions:
            session.judge(verdict)
        answer_all(sessions)

    def heard(self, connection: Connection) -> None:
        """A connection's first message came: it is no stranger any more."""
        self._greeting.pop(connection, None)

    def closing(self, connection: Connection) -> None:
        """A connection is ending; it is cut if it does not."""
        self._closing[connection] = self.time() + LINGER_S

    def remove(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.pop(connection, None)
        self._greeting.pop(connection, None)
        self._closing.pop(connection, None)
        if not self._connections:
            self._empty.set()

    def _tick(self) -> None:
        self._timer = self._loop.call_later(TICK_S, self._tick)
        now = self.time()
        for connection in _late(self._greeting, now):
            connection.close(codes.HELLO_TIMEOUT)
            self.closing(connection)  # also where it is no WebSocket yet, and so has nothing to be closed with
        for connection in _late(self._closing, now):
            connection.abort()
        wall_ms = self.wall_ms()
        for session in self.door.players.expired(wall_ms):
            cast(Connection, session.client).close(codes.CLOSE_TOKEN_EXPIRED)
        self._acting.look()
        self._look_at_some()
        self.hub.tidy(self.now_ms())
        self.door.tidy(wall_ms)

    def _look_at_some(self) -> None:
        """Heartbeats and slow clients: a part of all connections, so that all have their turn twice per heartbeat."""
        if not self._round:
            self._round = list(self._connections)
            ticks = self.settings.heartbeat_s / 2 / TICK_S
            # Of the round, not of the connections: many may go while it lasts, and it has to end in time all the same.
            self._round_step = 1 + int(len(self._round) / ticks)
        now_ms = self.now_ms()
        for _ in range(min(len(self._round), self._round_step)):
            self._look_at(self._round.pop(), now_ms)

    def _look_at(self, connection: Connection, now_ms: int) -> None:
        session = connection.session
        if session is None or session.state is not SessionState.OPEN:
            return  # nothing is said before the welcome
        lag_ms = self.settings.lag_s_max * 1000
        quiet_since = now_ms - milliseconds(self.settings.heartbeat_s / 2)
        since = [time for time in (connection.paused_ms, session.behind_since()) if time is not None]
        if since and now_ms - min(since) > lag_ms:
            connection.close(codes.TOO_SLOW)
        elif (
            connection.paused_ms is None and connection.spoke_ms < quiet_since and not session.heard_since(quiet_since)
        ):
            connection.say(_BEATS[session.codec])

    def _say_goaway(self) -> None:
        share = 1000 * self.settings.drain_s / len(self._connections)
        for number, connection in enumerate(self._connections):
            session = connection.session
            if session is not None and session.state is SessionState.OPEN:
                message = Goaway(reconnect_ms=int(number * share), reason="this edge is stopping")
                connection.say(session.codec.frame(message))

    def _fail(self, error: Exception) -> None:
        if not self.failure.done():
            self.failure.set_exception(error)

    async def _until_empty(self, seconds_max: float) -> None:
        if self._connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds_max)


def _late(deadlines: dict[Connection, float], now: float) -> list[Connection]:
    """Take out those whose time is over."""
    late: list[Connection] = []
    for connection, deadline in deadlines.items():
        if deadline > now:
            break
        late.append(connection)
    for connection in late:
        del deadlines[connection]
    return late
