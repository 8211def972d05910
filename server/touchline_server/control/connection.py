"""One connection to the control plane: uvicorn's, with bounds that uvicorn lacks.

uvicorn waits for ever for a request's head. A connection that never sends one would hold an open file that the edge
needs for its clients. Of uvicorn's connection this uses what `asyncio.Protocol` has, ``conn`` (h11's state) and
``connections``, the set of all that are open.
"""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_TIMEOUT_S = 10.0
"""Time for a request's head, from the connection or the head's first byte on: a head fits into a few packets."""

CONNECTIONS_MAX = 256
"""Connections at once. Publishers keep a few open each. Any beyond this are cut, so that they hold no open file."""


class Connection(H11Protocol):
    """Cut if a request's head takes too long, or if there are too many others."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX:
            transport.abort()
        else:
            self._expect_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_timer()
        elif self._head_timer is None:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._head_timer = asyncio.get_running_loop().call_later(HEAD_TIMEOUT_S, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
