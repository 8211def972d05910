"""What time does to connections: hellos that do not come, heartbeats, clients that fall too far behind, peers that are
gone, slow ends.

Each connection is looked at twice per heartbeat, a few at each tick, so that no timer is kept per connection.
"""

from collections.abc import Iterator
from typing import Generic, NamedTuple

from touchline_protocol import codes
from touchline_protocol.messages import Beat
from touchline_protocol.server_codecs import ALL_CODECS

from .clients.client import Client, ClientState
from .clocks import LoopMs, Now
from .effects import Abort, AskLastAck, Close, Effect, Owner
from .rooms.room import Delivery

TICK_MS = 100
"""How often time is looked at: limits are in seconds, and a tick costs some microseconds."""

LINGER_MS = 3_000
"""Between our close frame and the end of the connection: a round trip to a phone on a bad link. To close at once could
reset the connection before the peer has read why."""

REFUSED_CONNECTIONS_MAX = 64
"""Connections beyond ``connections_max`` that are kept for the moment that it takes to refuse them by an answer. Any
further ones are cut, so that the process always has files left for its log and its control plane."""

LATE_PER_STEP = 2
LATE_SHARE = 2_500
"""How many late connections are ended at once: two, or this share of those that have a deadline if that is more. To end
one takes tens of microseconds, so all of 5,000 that came together would delay everybody else by hundreds of
milliseconds. The last of them is ended 5 s late instead. A share keeps pace with a flood of any size."""

_BEATS = {codec: codec.frame(Beat()) for codec in ALL_CODECS}


class LivenessLimits(NamedTuple):
    """How long a connection may take; `touchline_server.config.settings` has the reasons."""

    handshake_ms: int
    heartbeat_ms: int
    lag_ms_max: int
    ack_ms_max: int = 60_000


NO_ACK = "no_ack"
"""Why a connection is cut whose peer has acknowledged nothing for ``ack_ms_max``."""


class Liveness(Generic[Owner]):
    """All connections of an edge: ``clients`` has each owner's client, None until its handshake is done."""

    def __init__(self, limits: LivenessLimits) -> None:
        self.clients: dict[Owner, Client[Owner] | None] = {}
        self._limits = limits
        # Insertion-ordered, since each kind has one time limit: the next to be late is always the first.
        self._greeting: dict[Owner, LoopMs] = {}
        self._ending: dict[Owner, LoopMs] = {}
        self.has_late = False
        """Whether connections are late that `end_late` has yet to end."""
        self._lagging: dict[Client[Owner], None] = {}  # and clients that were, until somebody asks
        self._round: list[Owner] = []
        self._round_step = 0

    def reload(self, limits: LivenessLimits) -> None:
        """Use other limits from now on. Connections that have not said anything yet keep their deadline."""
        self._limits = limits

    def accepted(self, owner: Owner, now_ms: LoopMs) -> None:
        """A connection was accepted: its hello has to come in time."""
        self.clients[owner] = None
        self._greeting[owner] = LoopMs(now_ms + self._limits.handshake_ms)

    def heard(self, owner: Owner) -> None:
        """A connection's first message came, whatever it was."""
        self._greeting.pop(owner, None)

    def ending(self, owner: Owner, now_ms: LoopMs) -> None:
        """Nothing more is written to a connection: it is cut if it does not end."""
        self._ending[owner] = LoopMs(now_ms + LINGER_MS)

    def lost(self, owner: Owner) -> None:
        """A connection is gone."""
        client = self.clients.pop(owner, None)
        if client is not None:
            self._lagging.pop(client, None)
        self._greeting.pop(owner, None)
        self._ending.pop(owner, None)

    def paused(self, client: Client[Owner]) -> None:
        """A client takes no more."""
        self._lagging[client] = None

    def lagging(self) -> list[Client[Owner]]:
        """The clients that take nothing, or are not live in all rooms where they were."""
        over = [client for client in self._lagging if client.state is ClientState.CLOSED or client.late_since() is None]
        for client in over:
            del self._lagging[client]
        return list(self._lagging)

    def end_late(self, now: Now) -> Iterator[Effect[Owner]]:
        """End a few connections whose time is up. Call this every `STEP_MS` while it ``has_late``."""
        greeting, more_greet = _take_late(self._greeting, now.loop_ms)
        ending, more_end = _take_late(self._ending, now.loop_ms)
        self.has_late = more_greet or more_end
        for owner in greeting:
            client = self.clients.get(owner)
            self.ending(owner, now.loop_ms)  # also if it is not a WebSocket yet, and has nothing to be closed with
            yield Close(owner, codes.HELLO_TIMEOUT) if client is None else client.close(codes.HELLO_TIMEOUT, now)
        for owner in ending:
            yield Abort(owner)

    def tick(self, now: Now) -> Iterator[Effect[Owner]]:
        """What the time has brought. Call this every `TICK_MS`."""
        yield from self.end_late(now)
        if not self._round:
            self._round = list(self.clients)
            ticks = self._limits.heartbeat_ms / 2 / TICK_MS
            # Of the round, not of the connections: many may go while it lasts, and it has to end in time all the same.
            self._round_step = 1 + int(len(self._round) / ticks)
        for _ in range(min(len(self._round), self._round_step)):
            client = self.clients.get(self._round.pop())
            if client is not None and client.state is ClientState.OPEN:  # nothing is written before the welcome
                yield from self._look_at(client, now)

    def _look_at(self, client: Client[Owner], now: Now) -> Iterator[Effect[Owner]]:
        late_since = client.late_since()
        quiet_since = LoopMs(now.loop_ms - self._limits.heartbeat_ms // 2)
        if late_since is not None and now.loop_ms - late_since > self._limits.lag_ms_max:
            yield client.close(codes.TOO_SLOW, now)
            return
        if client.paused_ms is None and not client.heard_since(quiet_since):
            client.last_write_ms = now.loop_ms
            yield Delivery(_BEATS[client.codec], [client.write])
        yield AskLastAck(client.owner)

    def last_ack(self, owner: Owner, since_ms: int | None) -> Iterator[Effect[Owner]]:
        """The answer to an `AskLastAck`: how long ago it was; None if the peer owes none."""
        if since_ms is not None and since_ms > self._limits.ack_ms_max and owner in self.clients:
            yield Abort(owner, NO_ACK)


def _take_late(deadlines: dict[Owner, LoopMs], now_ms: LoopMs) -> tuple[list[Owner], bool]:
    """Take those that are ended now; returns them, and whether there are more that are late."""
    late: list[Owner] = []
    has_more = False
    most = max(LATE_PER_STEP, len(deadlines) // LATE_SHARE)
    for owner, deadline in deadlines.items():
        if deadline > now_ms:
            break
        if len(late) == most:
            has_more = True
            break
        late.append(owner)
    for owner in late:
        del deadlines[owner]
    return late, has_more
