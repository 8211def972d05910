"""Takes the bytes of an opening request, and has websockets parse them once the request is complete.

websockets' parser takes 4 KiB and a step of a generator for each read. Thousands of requests that never end, or come
byte by byte, would make a server pay for that, so bytes are collected here first. A request that breaks HTTP before its
end is parsed at once: its client should not wait for the answer.
"""

import http
import logging
import re
from collections.abc import Sequence

from websockets.exceptions import InvalidMessage, NegotiationError
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.http11 import Response
from websockets.protocol import Protocol
from websockets.server import ServerProtocol
from websockets.typing import StatusLike, Subprotocol

from touchline_protocol.codecs import BY_SUBPROTOCOL
from touchline_server.config.settings import Settings
from touchline_server.web.proxy_protocol import is_header

REQUEST_BYTES_MAX = 32 * 1024
"""The opening request: a token of 8 KiB and the cookies of a large site fit. websockets alone allows 128 lines of
8 KiB, so thousands of clients that never end their request could hold a megabyte each."""

LINE_BYTES_MAX = 8 * 1024
"""What websockets allows for one line. A longer one is parsed, and refused, before its end."""

ADVICE = {
    http.HTTPStatus.BAD_REQUEST: "Connect with a WebSocket client (RFC 6455) that offers one of the subprotocols "
    f"{', '.join(BY_SUBPROTOCOL)}. A proxy in front must pass the headers Sec-WebSocket-* as they are.",
    http.HTTPStatus.METHOD_NOT_ALLOWED: "A WebSocket is opened with GET. To publish events, use the control plane on "
    "its own port.",
    http.HTTPStatus.REQUEST_URI_TOO_LONG: "Leave out the query: nothing in it is used, except after, last and deliver "
    "for an event stream.",
    http.HTTPStatus.UPGRADE_REQUIRED: "A proxy in front must pass the headers Upgrade and Connection. Without a "
    "WebSocket, read a room as an event stream at /v1/rooms/<room>/events.",
    http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "Send fewer or shorter headers, cookies above all. A long token "
    "can be sent in hello instead of Authorization.",
    http.HTTPStatus.HTTP_VERSION_NOT_SUPPORTED: "A WebSocket needs HTTP/1.1, so a proxy in front must speak that to "
    "this edge (nginx: proxy_http_version 1.1). Event streams work with HTTP/1.0 too.",
}
"""What to do about a request that websockets itself refuses, by status."""

_END_OF_HEAD = b"\r\n\r\n"
_REQUEST_LINE = re.compile(rb"[A-Z]+ [^ \r\n]+ HTTP/1\.[01]\r\n")
_TLS_HANDSHAKE = b"\x16"
"""The first byte of TLS (RFC 8446, section 5.1). Without a line end, it would wait for one until the time is up."""
_METHOD = re.compile(rb"[A-Z]{3,15} ")
_METHOD_BYTES_MAX = 16
_REASON_CHARS_MAX = 200

SPARE_BYTES = 1
"""What websockets may take beyond a message's limit, which the connection checks itself. Of compressed messages it
refuses those of exactly the limit: it stops decompressing there, before the end of what was compressed."""

# Without context takeover in either direction, a flush is compressed once for all, and connections keep no state.
_DEFLATE = [ServerPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)]

# websockets logs each opening and closing at INFO, and whatever clients send at DEBUG, tokens too.
_logger = logging.getLogger("touchline.websockets")
_logger.setLevel(logging.ERROR)


class OpeningProtocol(ServerProtocol):
    """Overrides `select_subprotocol`. Passed as an argument, websockets would bind it to the protocol: a cycle."""

    rejected: int | None = None
    """The status that the request was refused with, by us or by websockets itself."""

    def select_subprotocol(self, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        return select_subprotocol(offered)

    def reject(self, status: StatusLike, text: str) -> Response:
        """websockets calls this for each request that it refuses itself."""
        self.rejected = int(status)
        advice = ADVICE.get(http.HTTPStatus(status))
        return super().reject(status, text if advice is None else f"{text}{advice}\n")


class Opening:
    """A connection until its opening request is answered."""

    __slots__ = ("_collected", "_first", "_last", "_settings", "_size_bytes", "pieces", "protocol")

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._collected = b""
        self._first = b""
        self._last = b""
        self._size_bytes = 0
        self.pieces = 0
        """In how many reads it has come."""
        self.protocol: OpeningProtocol | None = None
        """websockets' protocol for the connection; None until there is something to parse."""

    def is_tls(self, data: bytes) -> bool:
        """Whether the connection begins with TLS. ``data`` are the next bytes, which `receive` has not seen yet."""
        return (self._first or data).startswith(_TLS_HANDSHAKE)

    def is_proxy_header(self, data: bytes) -> bool:
        """Whether the connection begins with a header of the PROXY protocol, like `is_tls`."""
        return is_header(self._first + data)

    def receive(self, data: bytes) -> bytes:
        """Take bytes of the request, and return those that come after its end."""
        self.pieces += 1
        if len(self._first) < _METHOD_BYTES_MAX:
            self._first += data[:_METHOD_BYTES_MAX]
        if self.protocol is None:
            self._collected += data
            if not _is_to_be_parsed(self._collected):
                return b""
            data, self._collected = self._collected, b""
            self.protocol = self._make_protocol()
        return self._parse(self.protocol, data)

    def _make_protocol(self) -> OpeningProtocol:
        return OpeningProtocol(
            extensions=_DEFLATE if self._settings.compression else None,
            max_size=self._settings.message_bytes_max + SPARE_BYTES,
            logger=_logger,
        )

    def _parse(self, protocol: OpeningProtocol, data: bytes) -> bytes:
        seen = self._last + data
        self._size_bytes += len(data)
        end = seen.find(_END_OF_HEAD)
        if end < 0:
            self._last = seen[-len(_END_OF_HEAD) + 1 :]
            if self._size_bytes > REQUEST_BYTES_MAX:
                _refuse_size(protocol)
            else:
                protocol.receive_data(data)
            return b""
        end += len(_END_OF_HEAD) - len(self._last)
        if self._size_bytes - len(data) + end > REQUEST_BYTES_MAX:
            _refuse_size(protocol)
            return b""
        protocol.receive_data(data[:end])
        return data[end:]

    def error_response(self) -> bytes:
        """The response to HTTP that cannot be parsed. Empty if it could be, or if the bytes are not HTTP at all.

        websockets closes the connection without a response, which would leave somebody with curl guessing.
        """
        error = None if self.protocol is None else self.protocol.handshake_exc
        if self.protocol is None or not isinstance(error, InvalidMessage) or not _METHOD.match(self._first):
            return b""
        reason = str(error.__cause__)[:_REASON_CHARS_MAX]
        if isinstance(error.__cause__, UnicodeDecodeError):
            reason = "characters outside ASCII must be percent-encoded"
        text = f"This request cannot be parsed: {reason}.\nTo publish events, use the control plane on its own port.\n"
        return self.protocol.reject(http.HTTPStatus.BAD_REQUEST, text).serialize()


def forget_request(protocol: ServerProtocol) -> None:
    """Free the opening request, now that the connection is open.

    The parser of the handshake would continue with the frames and keep the request and its headers (2 KB) until the
    end. websockets' own base class has a parser that begins with the frames.
    """
    protocol.parser.close()
    protocol.parser = Protocol.parse(protocol)
    next(protocol.parser)


def break_cycles(protocol: ServerProtocol) -> None:
    """Break the reference cycles of a protocol that is no longer needed.

    A protocol and its parser, a generator that also holds the request, refer to each other. So do a protocol and the
    exception that ended its parser. They would wait for the cycle collector, which took a quarter of the time in a
    storm of joins and stopped everything for 300 ms.
    """
    protocol.parser.close()
    error = protocol.handshake_exc
    while error is not None:
        error.__traceback__ = None  # its frames hold the request, which holds the error
        error = error.__context__ if isinstance(error.__context__, Exception) else None
    protocol.parser_exc = protocol.handshake_exc = None


def select_subprotocol(offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """The first offered subprotocol that names a codec. None, which means JSON, if the client offers none at all.

    Raises:
        NegotiationError: the client offered only unknown subprotocols; websockets responds with 400.
    """
    for subprotocol in offered:
        if subprotocol in BY_SUBPROTOCOL:
            return subprotocol
    if not offered:
        return None
    raise NegotiationError(f"unknown subprotocols; this server knows {', '.join(BY_SUBPROTOCOL)}")


def _is_to_be_parsed(data: bytes) -> bool:
    """Whether a request is complete, or cannot become one: a line is not HTTP, or anything is too long."""
    if _END_OF_HEAD in data or len(data) > REQUEST_BYTES_MAX:
        return True
    lines = data.count(b"\n")
    if not lines:
        return len(data) > LINE_BYTES_MAX
    return not _REQUEST_LINE.match(data) or lines != data.count(b"\r\n")


def _refuse_size(protocol: ServerProtocol) -> None:
    text = f"The request is longer than {REQUEST_BYTES_MAX} bytes.\n"
    protocol.send_response(protocol.reject(http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, text))
