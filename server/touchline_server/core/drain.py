"""How the clients of an edge that stops are sent away: one after the other, evenly over the time of the drain.

A client with a WebSocket is told when to leave, and leaves by itself. A stream of server-sent events cannot be told: a
browser comes back some time after the stream has ended, so its end is what is spread over the drain.
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


class Drain(Generic[Owner]):
    """The streams that are still to be ended, by when."""

    def __init__(self) -> None:
        self._streams: deque[tuple[LoopMs, Client[Owner]]] = deque()

    def begin(self, clients: Sequence[Client[Owner]], drain_ms: int, now: Now) -> Iterator[Effect[Owner]]:
        """Give each client its share of the drain."""
        share_ms = drain_ms / max(1, len(clients))
        for number, client in enumerate(clients):
            leave_ms = int(number * share_ms)
            if client.single_room:
                self._streams.append((LoopMs(now.loop_ms + leave_ms), client))
            else:
                client.send(Goaway(reconnect_ms=leave_ms, reason=REASON))
                yield from client.take_effects(now)

    def tick(self, now: Now) -> Iterator[Effect[Owner]]:
        """End the streams whose time has come. Call this periodically."""
        while self._streams and self._streams[0][0] <= now.loop_ms:
            _, client = self._streams.popleft()
            if client.state is ClientState.OPEN:
                client.send(Goaway(reconnect_ms=0, reason=REASON))
                yield from client.take_effects(now)
                yield client.close(codes.GOING_AWAY, now)
