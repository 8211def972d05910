"""The opening request: whether its path, origin and token let the client in, and with which codec.

Knows HTTP requests and responses as websockets parses them, and no socket. RFC 6455 section 4.2 itself is left to
websockets; here is what that leaves to the application.
"""

import http
import logging
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from websockets.datastructures import Headers, MultipleValuesError
from websockets.exceptions import InvalidMessage, NegotiationError
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.http11 import Request, Response
from websockets.protocol import Protocol
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from touchline_protocol import codes
from touchline_protocol.codecs import BY_SUBPROTOCOL, JSON, Codec
from touchline_protocol.server_codecs import DEFLATE_WINDOW_BITS, DEFLATED
from touchline_server.config.settings import Settings
from touchline_server.core.players.grants import TokenRefused

PATH = "/ws"

Refusal = tuple[http.HTTPStatus, str]
"""An HTTP status, and a sentence for whoever sees it."""

_END_OF_HEAD = b"\r\n\r\n"
_METHOD = re.compile(rb"[A-Z]{3,15} ")
_METHOD_BYTES_MAX = 16
_REASON_CHARS_MAX = 200

# Without context takeover in either direction: a flush is compressed once for all, and nothing is kept per connection.
_DEFLATE = [ServerPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)]

# websockets logs each opening and closing at INFO: two lines a client.
_logger = logging.getLogger("touchline.websockets")
_logger.setLevel(logging.ERROR)


class _ServerProtocol(ServerProtocol):
    """Given as an argument instead, the choice would be kept as a method bound to the protocol: a cycle."""

    def select_subprotocol(self, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        return select_subprotocol(offered)


class Opening:
    """A connection until its request is answered. ``protocol`` is websockets' side of it."""

    __slots__ = ("_first", "_last", "protocol")

    def __init__(self, settings: Settings) -> None:
        self._first = b""
        self._last = b""
        self.protocol = _ServerProtocol(
            extensions=_DEFLATE if settings.compression else None,
            max_size=settings.message_bytes_max,
            logger=_logger,
        )

    def receive(self, data: bytes) -> bytes:
        """Take bytes of the request; what followed its end is handed back."""
        if len(self._first) < _METHOD_BYTES_MAX:
            self._first += data[:_METHOD_BYTES_MAX]
        seen = self._last + data
        end = seen.find(_END_OF_HEAD)
        if end < 0:
            self._last = seen[-len(_END_OF_HEAD) + 1 :]
            self.protocol.receive_data(data)
            return b""
        end += len(_END_OF_HEAD) - len(self._last)
        self.protocol.receive_data(data[:end])
        return data[end:]

    def complaint(self) -> bytes:
        """The answer to invalid HTTP; empty if the request is valid, or if the bytes are not HTTP at all.

        By itself, websockets ends the connection silently, which tells a person with curl nothing.
        """
        error = self.protocol.handshake_exc
        if not isinstance(error, InvalidMessage) or not _METHOD.match(self._first):
            return b""
        reason = str(error.__cause__)[:_REASON_CHARS_MAX]
        if isinstance(error.__cause__, UnicodeDecodeError):
            reason = "what is not ASCII has to be percent-encoded"
        text = f"This request cannot be read: {reason}. Events are published at the control plane, on another port.\n"
        return self.protocol.reject(http.HTTPStatus.BAD_REQUEST, text).serialize()

    def forget_request(self) -> None:
        """The connection is open: go on without what was needed to open it.

        The parser of the handshake goes on with the frames, and so keeps the request with its headers, 2 KB, until the
        end. A parser that begins with the frames is that of websockets' own base class.
        """
        self.protocol.parser.close()
        self.protocol.parser = Protocol.parse(self.protocol)
        next(self.protocol.parser)


def let_go(protocol: ServerProtocol) -> None:
    """Free what a protocol holds that is not needed any more.

    It and its parser, a generator that has the request too, hold each other, and so do it and the exception that ended
    the parser. They would wait for the cycle collector, which in a storm of joins took a quarter of the time, and held
    everything up for 300 ms.
    """
    protocol.parser.close()
    error = protocol.handshake_exc
    while error is not None:
        error.__traceback__ = None  # websockets keeps the error in the request too, which its frames have
        error = error.__context__ if isinstance(error.__context__, Exception) else None
    protocol.parser_exc = protocol.handshake_exc = None


def refuse(request: Request, origins: Sequence[str], *, full: bool) -> Refusal | None:
    """Why the request is not let in, or None where it is."""
    if path_of(request) != PATH:
        return http.HTTPStatus.NOT_FOUND, (
            f"There is nothing here; the WebSocket is at {PATH}, a room's events at /v1/rooms/<room>/events.\n"
        )
    if not origin_allowed(request.headers, origins):
        return (
            http.HTTPStatus.FORBIDDEN,
            "Pages of this origin may not connect. The operator can allow it with the option origins.\n",
        )
    if full:
        return http.HTTPStatus.SERVICE_UNAVAILABLE, "This edge has as many connections as it takes. Try again later.\n"
    return None


def bearer(headers: Headers) -> str | None:
    """The token of ``Authorization: Bearer`` (RFC 6750, section 2.1); None where there is none.

    Raises:
        TokenRefused: there is more than one.
    """
    try:
        scheme, _, token = headers.get("Authorization", "").partition(" ")
    except MultipleValuesError:
        raise TokenRefused(codes.TOKEN_MALFORMED, "the header Authorization is there twice") from None
    return token.strip() if scheme.lower() == "bearer" else None


def challenge(refused: TokenRefused) -> str:
    """The header ``WWW-Authenticate`` that goes with a refused token (RFC 6750, section 3)."""
    if refused.code is codes.TOKEN_MISSING:
        return "Bearer"
    return f'Bearer error="invalid_token", error_description="{refused.code.code}"'


def unauthorized(protocol: ServerProtocol, refused: TokenRefused) -> Response:
    """The answer to a request whose token is not taken."""
    response = protocol.reject(http.HTTPStatus.UNAUTHORIZED, f"{refused} ({refused.code.code})\n")
    response.headers["WWW-Authenticate"] = challenge(refused)
    return response


def select_subprotocol(offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """The first offered subprotocol that names a codec. None if nothing was offered, which means json.

    Raises:
        NegotiationError: only unknown ones were offered; websockets answers with 400.
    """
    for subprotocol in offered:
        if subprotocol in BY_SUBPROTOCOL:
            return subprotocol
    if not offered:
        return None
    raise NegotiationError(f"none of these subprotocols is known; there are: {', '.join(BY_SUBPROTOCOL)}")


def codec_of(protocol: ServerProtocol) -> Codec:
    """The codec that was negotiated. A client with a smaller compression window than ours gets plain frames."""
    plain = BY_SUBPROTOCOL.get(protocol.subprotocol or "", JSON)
    for extension in protocol.extensions:
        if isinstance(extension, PerMessageDeflate) and extension.local_max_window_bits >= DEFLATE_WINDOW_BITS:
            return DEFLATED[plain]
    return plain


def path_of(request: Request) -> str:
    """A target is a path with its query; RFC 9112 section 3.2.2 has a server take a whole URL too."""
    try:
        return urlsplit(request.path).path
    except ValueError:
        return ""


def origin_allowed(headers: Headers, origins: Sequence[str]) -> bool:
    """Only browsers send an Origin. A page of the same host may connect, whatever its port; others must be listed."""
    try:
        origin, host = headers.get("Origin"), headers.get("Host")
    except MultipleValuesError:
        return False
    if origin is None or "*" in origins or origin in origins:
        return True
    try:
        page = urlsplit(origin).hostname
        return page is not None and host is not None and page == urlsplit(f"//{host}").hostname
    except ValueError:
        return False
