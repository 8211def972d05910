"""One connection to the control plane: uvicorn's, with bounds that uvicorn lacks.

uvicorn waits forever for a request's head. A connection that never sends one would hold an open file that the edge
needs for its clients. Of uvicorn's connection this uses what `asyncio.Protocol` has, ``conn`` (h11's state), ``cycle``
(the request under way), ``connections``, the set of all that are open, and two methods that it overrides.
"""

import asyncio
import http
from typing import Any

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

from .refusals import RETRY_AFTER_S

HEAD_TIMEOUT_S = 10.0
"""Time for a request's head, from the connection or the head's first byte on: a head fits into a few packets."""

CONNECTIONS_MAX = 256
"""Connections at once at most, since each holds an open file. Publishers keep a few open each."""

NOT_HTTP = "not_http"
"""The code in the log for bytes that are not HTTP. It is not in the answer, which is plain text."""

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"Retry-After: %d\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" % RETRY_AFTER_S
)

logger = structlog.get_logger("touchline.control")


class Connection(H11Protocol):
    """Closed if a request's head takes too long, and while it has no request if a new connection needs its place.

    The new connection could be a probe of liveness, so it comes before one that does nothing. A head that is not
    complete is not a request: otherwise 256 silent connections would keep everybody out.
    """

    _head_timer: asyncio.TimerHandle | None = None
    _idle_since_s = 0.0

    def __init__(self, *args: Any, connections_max: int = CONNECTIONS_MAX, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections_max = connections_max

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._idle_since_s = self.loop.time()
        self._expect_head()
        if len(self.connections) > self._connections_max:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_timer()
        elif self._head_timer is None:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """uvicorn calls this after each response."""
        self._idle_since_s = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """uvicorn calls this for bytes that are not HTTP."""
        logger.info("request_refused", status=http.HTTPStatus.BAD_REQUEST.value, code=NOT_HTTP, why=msg)
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:  # the answer has begun
            self.transport.close()

    def _make_room(self) -> None:
        """Close the connection that has been idle longest; this one, with 503, if all others have requests."""
        there = [each for each in self.connections if isinstance(each, Connection) and not each.transport.is_closing()]
        if len(there) <= self._connections_max:  # the others are being closed
            return
        idle = [each for each in there if each is not self and (each.cycle is None or each.cycle.response_complete)]
        logger.warning(
            "control_connections_full",
            connections=len(there),
            connections_max=self._connections_max,
            closed="idle" if idle else "new",
        )
        if idle:
            min(idle, key=lambda each: each._idle_since_s).transport.abort()
        else:
            self._stop_timer()
            self.transport.write(_FULL)
            self.transport.close()

    def _expect_head(self) -> None:
        self._head_timer = asyncio.get_running_loop().call_later(HEAD_TIMEOUT_S, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
