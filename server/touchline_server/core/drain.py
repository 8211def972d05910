"""How the clients of an edge that stops are sent away: one after the other, evenly over the time of the drain.

A client with a WebSocket is told when to leave, and leaves by itself. A stream of server-sent events cannot be told: a
browser comes back some time after the stream has ended, so its end is what is spread over the drain.

Rules:

1. A client is told once, and its moment is always ahead: it comes back once, to another edge.
2. Telling thousands takes as long as a large flush, so it is done in slices, a slice per turn of the shell.
3. A client that says hello after the drain has begun was on its way before that. It is let in, and gets a moment of its
   own in what is left of the drain, instead of a refusal that its user would see.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Generic

from touchline_protocol import codes
from touchline_protocol.messages import Goaway

from .clients.client import Client, ClientState
from .clocks import LoopMs, Now
from .effects import Effect, Owner

REASON = "this edge is stopping"

TOLD_PER_TURN = 64
"""Clients that are told in one turn: 64 messages of about 10 us delay an event no more than a slice of a flush does."""

GOLDEN = 0.6180339887
"""The golden ratio's fraction. Its multiples, taken modulo 1, stay apart however many there are."""


class Drain(Generic[Owner]):
    """The clients that are still to be told, and the streams that are still to be ended, each with its moment."""

    def __init__(self) -> None:
        self.has_begun = False
        self._untold: deque[tuple[LoopMs, Client[Owner]]] = deque()
        self._streams: deque[tuple[LoopMs, Client[Owner]]] = deque()
        self._ends_ms = LoopMs(0)
        self._latecomers = 0

    @property
    def has_work(self) -> bool:
        """Whether somebody is still to be told."""
        return bool(self._untold)

    def begin(self, clients: Sequence[Client[Owner]], drain_ms: int, now: Now) -> None:
        """Give each client its share of the drain. They learn it by `take_turn`."""
        self.has_begun = True
        self._ends_ms = LoopMs(now.loop_ms + drain_ms)
        share_ms = drain_ms / max(1, len(clients))
        for number, client in enumerate(clients):
            leaves_ms = LoopMs(now.loop_ms + int(number * share_ms))
            (self._streams if client.single_room else self._untold).append((leaves_ms, client))

    def greeted(self, client: Client[Owner], now: Now) -> None:
        """A client said hello after the drain had begun: tell it, too."""
        left_ms = max(0, self._ends_ms - now.loop_ms)
        self._latecomers += 1
        client.send(Goaway(reconnect_ms=int(left_ms * (self._latecomers * GOLDEN % 1)), reason=REASON))

    def take_turn(self, now: Now) -> Iterator[Effect[Owner]]:
        """Tell some of the clients when to leave."""
        for _ in range(min(len(self._untold), TOLD_PER_TURN)):
            leaves_ms, client = self._untold.popleft()
            if client.state is ClientState.OPEN:
                client.send(Goaway(reconnect_ms=max(0, leaves_ms - now.loop_ms), reason=REASON))
                yield from client.take_effects(now)

    def tick(self, now: Now) -> Iterator[Effect[Owner]]:
        """End the streams whose time has come. Call this periodically."""
        while self._streams and self._streams[0][0] <= now.loop_ms:
            _, client = self._streams.popleft()
            if client.state is ClientState.OPEN:
                client.send(Goaway(reconnect_ms=0, reason=REASON))
                yield from client.take_effects(now)
                yield client.close(codes.GOING_AWAY, now)
