"""The network between clients and an edge: latency, jitter, limited bandwidth, bounded buffers, cuts and silence.

A `Link` is one TCP connection with a WebSocket on it. Rules:

1. Within a direction everything arrives in the order in which it was sent, however long each part takes.
2. The edge's bytes wait in its transport's buffer until the line has taken them. If the buffer holds more than its
   limit, the edge is `paused`; once it is empty, the edge is `resumed`. A paused edge reads nothing from the client.
3. A broken link loses all that is under way in both directions. Each side notices after a while, or never by itself.
"""

from collections import deque
from typing import NamedTuple, Protocol

from touchline_protocol.codes import ABNORMAL, CloseCode

from .world import MS_US, SECOND_US, World

USER_TIMEOUT_US = 30 * SECOND_US
"""How long the edge's kernel lets written bytes go unacknowledged before it reports the connection as lost."""


ANSWERS_BYTES_MAX = 2_000
"""What a client that takes nothing may still be written, a second after the edge was paused: answers to its actions."""


class EdgeEnd(Protocol):
    """The edge's side of a link."""

    def received(self, payload: bytes) -> None:
        """The client sent a message."""

    def paused(self) -> None:
        """The buffer is over its limit."""

    def resumed(self) -> None:
        """The buffer is empty again."""

    def lost(self) -> None:
        """The connection is gone. Called once, and nothing is called after it."""


class ClientEnd(Protocol):
    """The client's side of a link."""

    def received(self, data: bytes) -> None:
        """Frames arrived."""

    def disconnected(self, code: int) -> None:
        """The connection is gone: closed with a code, or lost with 1006. Nothing is called after it."""


class Line(NamedTuple):
    """What a client's access to the network is like."""

    latency_us: int
    jitter_us: int
    bytes_per_s: int
    buffer_bytes: int


class Link:
    """One connection. ``edge`` and ``client`` are None once that side has let go of it."""

    def __init__(self, world: World, line: Line, client: ClientEnd) -> None:
        self.client: ClientEnd | None = client
        self.edge: EdgeEnd | None = None
        self.is_broken = False
        self.is_closing = False
        self.is_paused = False
        self.quiet_until_us = 0
        self._world = world
        self._line = line
        self._line_free_us = 0
        self._unsent: deque[tuple[int, int]] = deque()  # when the line will have taken how many bytes
        self._unsent_bytes = 0
        self._paused_us = 0
        self._unwanted_bytes = 0
        self._down_us = 0
        self._up_us = 0
        self._inbox: deque[bytes] = deque()

    # The edge's side.

    def write(self, data: bytes) -> None:
        """Write frames, like a transport: never refused, and buffered if the line is busy."""
        assert self.edge is not None, "the core wrote to a connection that is gone"
        assert not self.is_closing, "the core wrote to a connection that it had closed"
        now_us = self._world.now_us
        if self.is_paused and now_us > self._paused_us + SECOND_US:
            self._unwanted_bytes += len(data)
            assert self._unwanted_bytes < ANSWERS_BYTES_MAX, "the core goes on writing to a client that takes nothing"
        self._line_free_us = max(now_us, self._line_free_us) + len(data) * SECOND_US // self._line.bytes_per_s
        self._world.at(self._arrival_down(), self._arrive, data)
        self._unsent.append((self._line_free_us, len(data)))
        self._unsent_bytes += len(data)
        while not self.is_broken and self._unsent and self._unsent[0][0] <= now_us:
            self._unsent_bytes -= self._unsent.popleft()[1]
        if self._unsent_bytes > self._line.buffer_bytes and not self.is_paused:
            self.is_paused = True
            self._paused_us = now_us
            self._unwanted_bytes = 0
            self._world.at(self._line_free_us, self._resume)
            self.edge.paused()

    def close(self, code: CloseCode) -> None:
        """Close with a code, behind what was written before."""
        self.is_closing = True
        self._world.at(self._arrival_down(), self._arrive_close, code.code)

    def abort(self) -> None:
        """The edge cuts the connection."""
        self._world.after(0, self._lose_edge)
        self._world.at(self._arrival_down(), self._lose_client, ABNORMAL.code)

    def edge_died(self) -> None:
        """The edge's process is gone: nobody is told there, and its kernel tells the client."""
        self.edge = None
        self._world.at(self._arrival_down(), self._lose_client, ABNORMAL.code)

    # The client's side.

    def send(self, payload: bytes) -> None:
        """Send a message to the edge."""
        self._world.at(self._arrival_up(), self._arrive_up, payload)

    def hang_up(self) -> None:
        """The client ends the connection, and hears nothing more."""
        self.client = None
        self._world.at(self._arrival_up(), self._lose_edge_if_heard)

    # What goes wrong.

    def stall(self, duration_us: int) -> None:
        """The line takes nothing more for a while: the buffer fills."""
        until_us = self._world.now_us + duration_us
        self.quiet_until_us = max(self.quiet_until_us, until_us)
        self._line_free_us = max(self._line_free_us, until_us)

    def break_off(self, client_notices_us: int | None, edge_notices_us: int = USER_TIMEOUT_US) -> None:
        """The link is dead from now on. The client notices after a while; None: only by the silence."""
        self.is_broken = True
        self._world.after(edge_notices_us, self._lose_edge)
        if client_notices_us is not None:
            self._world.after(client_notices_us, self._lose_client_if_broken)

    # Inside.

    def _arrival_down(self) -> int:
        sent_us = max(self._world.now_us, self._line_free_us)
        self._down_us = max(self._down_us, sent_us + self._delay_us())
        return self._down_us

    def _arrival_up(self) -> int:
        self._up_us = max(self._up_us, self._world.now_us + self._delay_us())
        return self._up_us

    def _delay_us(self) -> int:
        return self._line.latency_us + int(self._world.random.random() * self._line.jitter_us)

    def _arrive(self, data: bytes) -> None:
        if self.client is not None and not self.is_broken:
            self.client.received(data)

    def _arrive_close(self, code: int) -> None:
        if not self.is_broken:
            self._world.after(self._line.latency_us + MS_US, self._lose_edge_if_heard)
            self._lose_client(code)

    def _arrive_up(self, payload: bytes) -> None:
        if self.is_broken:
            return
        if self.is_paused:
            self._inbox.append(payload)
        elif self.edge is not None:
            self.edge.received(payload)

    def _resume(self) -> None:
        if self.edge is None or self.is_broken:
            return
        if self._line_free_us > self._world.now_us:  # more was written in the meantime
            self._world.at(self._line_free_us, self._resume)
            return
        self._unsent.clear()
        self._unsent_bytes = 0
        self.is_paused = False
        self.edge.resumed()
        while self._inbox and not self.is_paused and self.edge is not None:
            self.edge.received(self._inbox.popleft())

    def _lose_edge_if_heard(self) -> None:
        if not self.is_broken:
            self._lose_edge()

    def _lose_edge(self) -> None:
        edge, self.edge = self.edge, None
        if edge is not None:
            edge.lost()

    def _lose_client_if_broken(self) -> None:
        client, self.client = self.client, None
        if client is not None:
            client.disconnected(ABNORMAL.code)

    def _lose_client(self, code: int) -> None:
        client = self.client
        if client is not None and not self.is_broken:
            self.client = None
            client.disconnected(code)
