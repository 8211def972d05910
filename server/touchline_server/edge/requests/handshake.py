"""Decides which clients may connect: checks the opening request's path, page and token, and negotiates the codec.

It knows HTTP requests and responses as websockets parses them, but no sockets. websockets implements RFC 6455, section
4.2; this module adds the decisions that the RFC leaves to the application, and to each refusal of websockets' own a
sentence on what to do about it.
"""

import http
import socket
from collections.abc import Callable
from math import ceil
from typing import NamedTuple
from urllib.parse import urlsplit

from websockets.datastructures import Headers, MultipleValuesError
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from touchline_protocol import codes
from touchline_protocol.codecs import BY_SUBPROTOCOL, JSON, Codec
from touchline_protocol.server_codecs import DEFLATE_WINDOW_BITS, DEFLATED
from touchline_server.config.settings import Settings
from touchline_server.core.admission.limits import Excess, Limit
from touchline_server.core.players.grants import TokenRefused
from touchline_server.web.origins import EVERY
from touchline_server.web.policy import ORIGIN_REFUSED, PageRefusal, Sender, WebPolicy

PATH = "/ws"

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
