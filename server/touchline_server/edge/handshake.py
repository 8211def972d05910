"""Who may open a WebSocket here: the path, the page it comes from, the codec.

Knows HTTP requests and responses as websockets parses them, and no socket. RFC 6455 section 4.2 itself is left to
websockets; here is what that leaves to the application.
"""

import http
from collections.abc import Sequence
from urllib.parse import urlsplit

from websockets.datastructures import Headers, MultipleValuesError
from websockets.exceptions import NegotiationError
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from touchline_protocol.codecs import BY_SUBPROTOCOL, JSON, Codec

PATH = "/ws"

Refusal = tuple[http.HTTPStatus, str]
"""An HTTP status, and a sentence for whoever sees it."""


def refuse(request: Request, origins: Sequence[str], *, full: bool) -> Refusal | None:
    """Why the request is not let in, or None where it is."""
    if not _is_ours(request.path):
        return http.HTTPStatus.NOT_FOUND, f"There is nothing here; the WebSocket is at {PATH}.\n"
    if not _origin_allowed(request.headers, origins):
        return (
            http.HTTPStatus.FORBIDDEN,
            "Pages of this origin may not connect. The operator can allow it with the option origins.\n",
        )
    if full:
        return http.HTTPStatus.SERVICE_UNAVAILABLE, "This edge has as many connections as it takes. Try again later.\n"
    return None


def select_subprotocol(_protocol: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """The client's first choice among those that name a codec; None offered is none chosen, and means json.

    Raises:
        NegotiationError: only others were offered; websockets answers it with 400.
    """
    for subprotocol in offered:
        if subprotocol in BY_SUBPROTOCOL:
            return subprotocol
    if not offered:
        return None
    raise NegotiationError(f"none of these subprotocols is known; there are: {', '.join(BY_SUBPROTOCOL)}")


def codec_of(protocol: ServerProtocol) -> Codec:
    """The codec that was negotiated."""
    return BY_SUBPROTOCOL.get(protocol.subprotocol or "", JSON)


def _is_ours(target: str) -> bool:
    """A target is a path with its query; RFC 9112 section 3.2.2 has a server take a whole URL too."""
    try:
        return urlsplit(target).path == PATH
    except ValueError:
        return False


def _origin_allowed(headers: Headers, origins: Sequence[str]) -> bool:
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
