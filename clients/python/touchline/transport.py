"""Opening a WebSocket, and what its failures mean. This is the only module that knows the exceptions of `websockets`.

Rules: the pings of `websockets` are off, because the protocol has heartbeats of its own, and a client that stops
reading on purpose would not see the pongs. Compression is off unless requested, because it costs memory and time at
both ends.
"""

import asyncio
import re
from collections.abc import Mapping
from ssl import SSLContext
from typing import Literal, NamedTuple

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_connection
from websockets.datastructures import Headers
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidProxy,
    InvalidStatus,
    InvalidURI,
    ProxyError,
    WebSocketException,
)
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from touchline_protocol.codecs import Codec
from touchline_protocol.codes import ABNORMAL
from touchline_protocol.loopback import is_loopback

from .errors import BadUrl, ConnectionFailed, ConnectionRefused, ProtocolViolated, Unreachable

OPEN_S_MAX = 10.0
"""How long TCP, TLS and the handshake may take together: a few round trips, a second each on a bad network."""

CLOSE_S_MAX = 1.0
"""How long to wait for the peer's close. Nothing depends on it, so a dead link is not worth a longer wait."""

MESSAGE_BYTES_MAX = 16 << 20
"""The longest message from a server. The largest is a room's state, by default 1 MiB of values, with recent events."""

BODY_CHARS_MAX = 300
"""How much of a refusal's body the error quotes. A server sends one sentence, a proxy perhaps a whole page."""

WHOLE_SECONDS = re.compile(r"[0-9]{1,9}")
"""``Retry-After`` as a number of seconds. Nobody waits for a thousand years."""

STATUS_SERVER_ERROR = 500
STATUSES_RETRY = frozenset({408, 425, 429})
"""Statuses below 500 that mean "later": Request Timeout, Too Early, Too Many Requests (RFC 9110, 8470, 6585)."""
STATUS_OLD_HTTP = 505
"""The edge's answer to HTTP/1.0: a proxy has to be configured, so the same request would get the same answer."""


class Endpoint(NamedTuple):
    """How to reach a server. ``compression`` offers permessage-deflate, which the server may decline."""

    url: str
    ssl: SSLContext | None
    headers: Mapping[str, str] | None
    proxy: str | bool
    compression: bool


def check_url(url: str, ssl: SSLContext | None) -> None:
    """Make sure that ``url`` is a WebSocket address.

    Raises:
        BadUrl: it is not, or has no use for ``ssl``.
    """
    try:
        secure = parse_uri(url).secure
    except (InvalidURI, ValueError) as error:
        raise BadUrl(f"{url!r} is not a WebSocket address such as ws://localhost:8080/ws: {error}") from None
    if ssl is not None and not secure:
        raise BadUrl(f"{url} is not encrypted, so ssl has no effect: write wss:// for TLS")


async def open_websocket(endpoint: Endpoint, codec: Codec) -> ClientConnection:
    """Open a WebSocket that speaks ``codec``.

    Raises:
        Unreachable: it may work later.
        ConnectionFailed: it would fail again.
    """
    url = endpoint.url
    try:
        websocket = await open_connection(
            url,
            subprotocols=[Subprotocol(codec.subprotocol)],
            additional_headers=endpoint.headers,
            proxy=_proxy(endpoint),
            compression="deflate" if endpoint.compression else None,
            open_timeout=OPEN_S_MAX,
            close_timeout=CLOSE_S_MAX,
            ping_interval=None,
            max_size=MESSAGE_BYTES_MAX,
            ssl=endpoint.ssl if endpoint.ssl is not None or not parse_uri(url).secure else True,
        )
    except ImportError as error:
        raise BadUrl(f"{url} cannot be reached: {error}, or list the host in NO_PROXY") from None
    except (OSError, TimeoutError, WebSocketException) as error:
        raise connection_failed(url, error) from error
    if websocket.subprotocol is None:
        await websocket.close()
        raise ProtocolViolated(
            f"{url} is a WebSocket, but not a Touchline server: it does not know {codec.subprotocol}"
        )
    return websocket


async def close_websocket(websocket: ClientConnection) -> None:
    """Close within `CLOSE_S_MAX`, cleanly if the peer takes part.

    The ``close_timeout`` of `websockets` begins only when the close frame is in the socket's buffer. While the peer
    reads nothing, that buffer may be full.
    """
    try:
        async with asyncio.timeout(CLOSE_S_MAX):
            await websocket.close()
    except TimeoutError:
        websocket.transport.abort()


def _retry_after_s(headers: Headers) -> float:
    """How long a response asks to wait: whole seconds (RFC 9110, section 10.2.3). For a date, a fraction, nonsense, or
    two headers, the backoff alone decides."""
    values = headers.get_all("Retry-After")
    text = values[0].strip() if len(values) == 1 else ""
    return float(text) if WHOLE_SECONDS.fullmatch(text) else 0.0


def _proxy(endpoint: Endpoint) -> str | Literal[True] | None:
    """What `websockets` takes: True for the environment's proxy, which could not reach this machine."""
    if endpoint.proxy is True and is_loopback(parse_uri(endpoint.url).host):
        return None
    return endpoint.proxy or None


def close_of(closed: ConnectionClosed) -> tuple[int, str]:
    """The code and the reason given by the side that closed first; 1006 if the connection was just gone."""
    by_peer = closed.rcvd is not None and closed.rcvd_then_sent is not False
    close = closed.rcvd if by_peer else closed.sent
    return (ABNORMAL.code, "") if close is None else (close.code, close.reason)


def connection_failed(url: str, error: Exception) -> ConnectionFailed:
    """What it means for a client that the attempt to open a WebSocket raised ``error``."""
    if isinstance(error, InvalidStatus):
        response = error.response
        body = (response.body or b"").decode(errors="replace").strip()[:BODY_CHARS_MAX]
        text = f"{url} answered with HTTP {response.status_code} {response.reason_phrase}" + (body and f": {body}")
        is_temporary = response.status_code >= STATUS_SERVER_ERROR or response.status_code in STATUSES_RETRY
        if is_temporary and response.status_code != STATUS_OLD_HTTP:
            return Unreachable(text, _retry_after_s(response.headers))
        return ConnectionRefused(response.status_code, text)
    if isinstance(error, (InvalidURI, InvalidProxy)):
        return BadUrl(f"{url} leads to an address that cannot be used: {error}")
    if isinstance(error, InvalidHandshake) and not isinstance(error, (InvalidMessage, ProxyError)):
        return ProtocolViolated(f"{url} did not answer like a WebSocket server: {error}")
    return Unreachable(f"{url} cannot be reached: {str(error) or type(error).__name__}")
