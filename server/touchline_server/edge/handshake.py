"""Decides which clients may connect: checks the opening request's path, page and token, and negotiates the codec.

It knows HTTP requests and responses as websockets parses them, but no sockets. websockets implements RFC 6455, section
4.2; this module adds the decisions that the RFC leaves to the application, and to each refusal of websockets' own a
sentence on what to do about it.
"""

import http
import logging
import re
import socket
from collections.abc import Callable, Sequence
from math import ceil
from typing import NamedTuple
from urllib.parse import urlsplit

from websockets.datastructures import Headers, MultipleValuesError
from websockets.exceptions import InvalidMessage, NegotiationError
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.http11 import Request, Response
from websockets.protocol import Protocol
from websockets.server import ServerProtocol
from websockets.typing import StatusLike, Subprotocol

from touchline_protocol import codes
from touchline_protocol.codecs import BY_SUBPROTOCOL, JSON, Codec
from touchline_protocol.server_codecs import DEFLATE_WINDOW_BITS, DEFLATED
from touchline_server.config.settings import Settings
from touchline_server.core.admission.limits import Excess, Limit
from touchline_server.core.players.grants import TokenRefused
from touchline_server.web.origins import EVERY
from touchline_server.web.policy import ORIGIN_REFUSED, PageRefusal, Sender, WebPolicy
from touchline_server.web.proxy_protocol import is_header

PATH = "/ws"

REQUEST_BYTES_MAX = 32 * 1024
"""The opening request: a token of 8 KiB and the cookies of a large site fit. websockets alone allows 128 lines of
8 KiB, so thousands of clients that never end their request could hold a megabyte each."""

RETRY_AFTER_MS = (5_000, 15_000)
"""When a client comes back after a temporary refusal: a crowd that was refused should not come back at once."""

DRAIN_RETRY_AFTER_MS = 1_000
"""The same from an edge that sends its clients away: a load balancer soon has another edge for them."""


def retry_ms(between_ms: tuple[int, int], random: Callable[[], float]) -> int:
    """When one client of a crowd comes back. ``random`` returns numbers from 0 to 1."""
    low, high = between_ms
    return int(low + (high - low) * random())


class OverLimit(NamedTuple):
    """How a connection over a limit is refused. 503 sends a proxy, and its client, to another edge, where there may be
    room; 429 does not: what one address does beyond its own limit should not be spread over all edges."""

    status: http.HTTPStatus
    code: str
    message: str
    retry_after_ms: int


def over_limit(excess: Excess | None, random: Callable[[], float]) -> OverLimit | None:
    """How a connection is refused; None if it is over no limit. ``random`` returns numbers from 0 to 1."""
    if excess is None:
        return None
    pause_ms = DRAIN_RETRY_AFTER_MS if excess.limit is Limit.DRAINING else retry_ms(RETRY_AFTER_MS, random)
    retry_after_ms = excess.wait_ms + pause_ms
    if excess.limit.is_of_address:
        message = "this edge accepts no more connections from this address"
        return OverLimit(http.HTTPStatus.TOO_MANY_REQUESTS, codes.TOO_MANY_CONNECTIONS.code, message, retry_after_ms)
    message = "this edge accepts no more connections"
    return OverLimit(http.HTTPStatus.SERVICE_UNAVAILABLE, codes.UNAVAILABLE.code, message, retry_after_ms)


class Refusal(NamedTuple):
    """Why a request gets no WebSocket: an HTTP status, a code for programs, a sentence for a person."""

    status: http.HTTPStatus
    code: str
    message: str
    retry_after_s: int | None = None


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


class _ServerProtocol(ServerProtocol):
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
    """A connection until its opening request is answered. ``protocol`` is websockets' protocol for it."""

    __slots__ = ("_first", "_last", "_size_bytes", "protocol")

    def __init__(self, settings: Settings) -> None:
        self._first = b""
        self._last = b""
        self._size_bytes = 0
        self.protocol = _ServerProtocol(
            extensions=_DEFLATE if settings.compression else None,
            max_size=settings.message_bytes_max + SPARE_BYTES,
            logger=_logger,
        )

    def is_tls(self, data: bytes) -> bool:
        """Whether the connection begins with TLS. ``data`` are the next bytes, which `receive` has not seen yet."""
        return (self._first or data).startswith(_TLS_HANDSHAKE)

    def is_proxy_header(self, data: bytes) -> bool:
        """Whether the connection begins with a header of the PROXY protocol, like `is_tls`."""
        return is_header(self._first + data)

    def receive(self, data: bytes) -> bytes:
        """Parse bytes of the request, and return those that come after its end."""
        if len(self._first) < _METHOD_BYTES_MAX:
            self._first += data[:_METHOD_BYTES_MAX]
        seen = self._last + data
        self._size_bytes += len(data)
        end = seen.find(_END_OF_HEAD)
        if end < 0:
            self._last = seen[-len(_END_OF_HEAD) + 1 :]
            if self._size_bytes > REQUEST_BYTES_MAX:
                self._refuse_size()
            else:
                self.protocol.receive_data(data)
            return b""
        end += len(_END_OF_HEAD) - len(self._last)
        if self._size_bytes - len(data) + end > REQUEST_BYTES_MAX:
            self._refuse_size()
            return b""
        self.protocol.receive_data(data[:end])
        return data[end:]

    def error_response(self) -> bytes:
        """The response to HTTP that cannot be parsed. Empty if it could be, or if the bytes are not HTTP at all.

        websockets closes the connection without a response, which would leave somebody with curl guessing.
        """
        error = self.protocol.handshake_exc
        if not isinstance(error, InvalidMessage) or not _METHOD.match(self._first):
            return b""
        reason = str(error.__cause__)[:_REASON_CHARS_MAX]
        if isinstance(error.__cause__, UnicodeDecodeError):
            reason = "characters outside ASCII must be percent-encoded"
        text = f"This request cannot be parsed: {reason}.\nTo publish events, use the control plane on its own port.\n"
        return self.protocol.reject(http.HTTPStatus.BAD_REQUEST, text).serialize()

    def _refuse_size(self) -> None:
        text = f"The request is longer than {REQUEST_BYTES_MAX} bytes.\n"
        self.protocol.send_response(self.protocol.reject(http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, text))

    def forget_request(self) -> None:
        """Free the opening request, now that the connection is open.

        The parser of the handshake would continue with the frames and keep the request and its headers (2 KB) until the
        end. websockets' own base class has a parser that begins with the frames.
        """
        self.protocol.parser.close()
        self.protocol.parser = Protocol.parse(self.protocol)
        next(self.protocol.parser)


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


def web_policy(settings: Settings) -> WebPolicy:
    """Which pages may use the edge.

    If every client needs a token, any name for the edge will do: a page that reaches it gains nothing by that.
    """
    return WebPolicy(
        hosts=[EVERY] if settings.auth.mode == "token" else settings.hosts,
        origins=settings.origins,
        listener=settings.host,
        machine=socket.gethostname(),
    )


def refuse(request: Request, policy: WebPolicy, over: OverLimit | None) -> Refusal | None:
    """Why the request is refused; None if it is accepted. ``over``: the limit of connections that this one is over."""
    if path_of(request) != PATH:
        return Refusal(
            http.HTTPStatus.NOT_FOUND,
            "not_found",
            f"There is nothing here: the WebSocket is at {PATH}, a room's events at /v1/rooms/<room>/events.",
        )
    refused = page_refusal(request.headers, policy, browsers_send_origin=True)
    if refused is not None:
        return Refusal(http.HTTPStatus.FORBIDDEN, refused.code, refused.message)
    if over is not None:
        return Refusal(over.status, over.code, f"{over.message}. Try again later.", ceil(over.retry_after_ms / 1000))
    return None


def rejection(protocol: ServerProtocol, refusal: Refusal) -> Response:
    """The response to a request that gets no WebSocket."""
    response = protocol.reject(refusal.status, f"{refusal.message} ({refusal.code})\n")
    if refusal.retry_after_s is not None:
        response.headers["Retry-After"] = str(refusal.retry_after_s)
    return response


def bearer(headers: Headers) -> str | None:
    """The token in ``Authorization: Bearer`` (RFC 6750, section 2.1); None if there is none.

    Raises:
        TokenRefused: the request has that header more than once.
    """
    try:
        scheme, _, token = headers.get("Authorization", "").partition(" ")
    except MultipleValuesError:
        raise TokenRefused(codes.TOKEN_MALFORMED, "the request has the header Authorization twice") from None
    return token.strip() if scheme.lower() == "bearer" else None


def challenge(refused: TokenRefused) -> str:
    """The value of ``WWW-Authenticate`` for a refused token (RFC 6750, section 3)."""
    if refused.code is codes.TOKEN_MISSING:
        return "Bearer"
    return f'Bearer error="invalid_token", error_description="{refused.code.code}"'


def unauthorized(protocol: ServerProtocol, refused: TokenRefused) -> Response:
    """The response to a request whose token was refused."""
    response = rejection(protocol, Refusal(http.HTTPStatus.UNAUTHORIZED, refused.code.code, str(refused)))
    response.headers["WWW-Authenticate"] = challenge(refused)
    return response


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


def codec_of(protocol: ServerProtocol) -> Codec:
    """The negotiated codec. A client whose compression window is smaller than ours gets uncompressed frames."""
    plain = BY_SUBPROTOCOL.get(protocol.subprotocol or "", JSON)
    for extension in protocol.extensions:
        if isinstance(extension, PerMessageDeflate) and extension.local_max_window_bits >= DEFLATE_WINDOW_BITS:
            return DEFLATED[plain]
    return plain


def path_of(request: Request) -> str:
    """The path of a request's target, which is a path with a query, or a whole URL (RFC 9112, section 3.2.2)."""
    try:
        return urlsplit(request.path).path
    except ValueError:
        return ""


def page_refusal(headers: Headers, policy: WebPolicy, *, browsers_send_origin: bool) -> PageRefusal | None:
    """Why the page that sends these headers is refused; None if it is accepted. Only browsers send for a page."""
    try:
        sender = Sender(headers.get("Host"), headers.get("Origin"), headers.get("Sec-Fetch-Site"))
    except MultipleValuesError:
        return PageRefusal(ORIGIN_REFUSED, "the request has Host, Origin or Sec-Fetch-Site twice")
    return policy.refusal(sender, browsers_send_origin=browsers_send_origin)


def reason_of(status: int, code: str) -> str:
    """Why a request was refused: the ``code`` of ours, or the status's name."""
    return code or http.HTTPStatus(status).name.lower()
