"""Server-sent events: parses ``GET /v1/rooms/<room>/events`` and builds the responses.

A stream is just another codec of the same fan-out (`touchline_protocol.server_codecs`). This module handles only its
beginning: the request and the head of the response. After that the client sends nothing more, and its connection is
like any other.

Pure: takes websockets' `Request`, returns a `Response` or a `RoomRequest`. Rules:

1. The cursor is the header ``Last-Event-ID``, which a browser sends when it reconnects, or else the query's ``after``.
2. A browser's EventSource gives up for good on any status but 200, and a page cannot change what it sends again. So a
   client that accepts event streams receives a temporary refusal as a stream that ends at once, and a ``Last-Event-ID``
   that is not ours (another server had this address before) is as good as none. The first comment says so.
3. Any other refusal is a JSON response like those of the control plane.
4. A page from another origin may read the stream only if the operator's ``origins`` allow it (CORS).
"""

import email.utils
import http
import re
from collections.abc import Callable
from math import ceil
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

import msgspec
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from touchline_protocol import codes
from touchline_protocol.codes import CloseCode, Recovery
from touchline_protocol.cursor import Cursor
from touchline_protocol.errors import PeerError
from touchline_protocol.messages import Error, RoomRequest
from touchline_protocol.server_codecs import EVENT_STREAM, RETRY_MS_MIN
from touchline_server.core.players.grants import TokenRefused
from touchline_server.web.policy import PageRefusal, WebPolicy

from .handshake import RETRY_AFTER_MS, OverLimit, challenge, page_refusal, path_of, retry_ms

RETRY_MS = (RETRY_MS_MIN, 3_000)
"""How long a browser waits before it reconnects. Each client gets a random time in this range, so that those that lost
their edge together do not all come back together."""

PREFLIGHT_MAX_AGE_S = 86_400
"""One day, the longest that any browser caches the result of a preflight."""

_STREAM_TYPE = "text/event-stream"
_PREFIX, _SUFFIX = "/v1/rooms/", "/events"
_PARAMETERS = ("after", "last", "deliver", "occupancy", "members")
_BOOLEANS = {"true": True, "false": False}
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_FOREIGN_ID = b": this Last-Event-ID is not a cursor of this server, so the room starts over\n\n"


class Refused(Exception):
    """The request is refused. ``status`` and ``code`` are for programs, the message is for people."""

    def __init__(self, status: http.HTTPStatus, code: str, message: str, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms
        self.status = status
        self.code = code


def is_for_stream(request: Request) -> bool:
    """Whether a request is for an event stream, even if it is invalid."""
    path = path_of(request)
    return path.startswith(_PREFIX) and path.endswith(_SUFFIX)


def read(request: Request, policy: WebPolicy, over: OverLimit | None) -> RoomRequest:
    """Parse a request for an event stream. ``over``: the limit of connections that this one is over.

    Raises:
        Refused: the request is invalid or not allowed, or its connection is over a limit.
    """
    if (refused := _page_refusal(request, policy)) is not None:
        raise Refused(http.HTTPStatus.FORBIDDEN, refused.code, refused.message)
    if request.method != "GET":
        raise Refused(
            http.HTTPStatus.METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "use GET to read an event stream; to publish events, use the control plane on its own port",
        )
    if over is not None:
        raise Refused(over.status, over.code, f"{over.message}; try again later", over.retry_after_ms)
    try:
        return _room_request(request)
    except UnicodeDecodeError:
        raise _bad("the path and the query must be percent-encoded UTF-8") from None
    except (ValueError, msgspec.ValidationError, PeerError) as error:
        raise _bad(str(error)) from None


def refusal(request: Request, refused: Refused, policy: WebPolicy, random: Callable[[], float]) -> Response:
    """The response to a request that was refused. ``random`` returns numbers from 0 to 1."""
    headers = _headers(request, policy)
    retry_after_ms = refused.retry_after_ms or retry_ms(RETRY_AFTER_MS, random)
    temporary = refused.code in codes.ERRORS and codes.ERRORS[refused.code].recovery is not Recovery.GIVE_UP
    if temporary and _STREAM_TYPE in ",".join(request.headers.get_all("Accept")):
        headers["Content-Type"] = _STREAM_TYPE
        error = EVENT_STREAM.frame(Error(code=refused.code, message=str(refused)))
        return Response(
            http.HTTPStatus.OK.value, http.HTTPStatus.OK.phrase, headers, b"retry: %d\n\n" % retry_after_ms + error
        )
    headers["Content-Type"] = "application/json"
    if refused.status is http.HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = "GET, OPTIONS"
    if temporary:
        headers["Retry-After"] = str(ceil(retry_after_ms / 1_000))
    body = msgspec.json.encode({"error": {"code": refused.code, "message": str(refused)}})
    headers["Content-Length"] = str(len(body))
    return Response(refused.status.value, refused.status.phrase, headers, body)


def unauthorized(request: Request, refused: TokenRefused, policy: WebPolicy, random: Callable[[], float]) -> Response:
    """The response to a request whose token was refused. ``random`` returns numbers from 0 to 1."""
    why = Refused(http.HTTPStatus.UNAUTHORIZED, refused.code.code, str(refused))
    response = refusal(request, why, policy, random)
    if response.status_code == http.HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = challenge(refused)
    return response


def preflight(request: Request, policy: WebPolicy) -> Response:
    """The response to a preflight: a browser asks which headers a page may send (Fetch Standard, section 3.2.2)."""
    headers = _headers(request, policy)
    headers["Access-Control-Allow-Methods"] = "GET"
    headers["Access-Control-Allow-Headers"] = "Authorization, Last-Event-ID, Cache-Control"
    headers["Access-Control-Max-Age"] = str(PREFLIGHT_MAX_AGE_S)
    return Response(http.HTTPStatus.NO_CONTENT.value, http.HTTPStatus.NO_CONTENT.phrase, headers)


def head(request: Request, policy: WebPolicy, random: Callable[[], float]) -> bytes:
    """The head of a stream, and how long the client waits before it reconnects. ``random`` returns numbers from 0 to 1.

    The body has no length: it ends with the connection. Chunked encoding would add a line to each event.
    """
    headers = _headers(request, policy)
    headers["Content-Type"] = _STREAM_TYPE
    headers["X-Accel-Buffering"] = "no"  # otherwise nginx delays events to send them in larger pieces
    response = Response(http.HTTPStatus.OK.value, http.HTTPStatus.OK.phrase, headers)
    foreign_id = _FOREIGN_ID if _last_event_id(request) and _resumed(request) is None else b""
    return response.serialize() + foreign_id + b"retry: %d\n\n" % retry_ms(RETRY_MS, random)


def farewell(code: CloseCode) -> bytes:
    """A comment with the close code of the stream. It is for people: browsers ignore comments."""
    return b": close %d %b\n\n" % (code.code, code.name.encode())


def _page_refusal(request: Request, policy: WebPolicy) -> PageRefusal | None:
    # Browsers leave out Origin only if a page of the same origin reads something.
    is_read = request.method in ("GET", "HEAD")
    return page_refusal(request.headers, policy, browsers_send_origin=not is_read)


def _headers(request: Request, policy: WebPolicy) -> Headers:
    headers = Headers()
    headers["Date"] = email.utils.formatdate(usegmt=True)
    headers["Connection"] = "close"
    headers["Cache-Control"] = "no-store"
    headers["Vary"] = "Origin"
    if _page_refusal(request, policy) is None and (origin := request.headers.get("Origin")) is not None:
        headers["Access-Control-Allow-Origin"] = origin
    return headers


def _room_request(request: Request) -> RoomRequest:
    target = urlsplit(request.path)
    room = unquote_to_bytes(target.path.removeprefix(_PREFIX).removesuffix(_SUFFIX)).decode()
    query: dict[str, str] = {}
    for name, value in parse_qsl(target.query, keep_blank_values=True, errors="strict"):
        if name in query:
            raise ValueError(f"the query has the parameter {name} twice")
        if name in _PARAMETERS:  # others may be for a proxy, since EventSource can only send a token in the URL
            query[name] = value
    after = query.pop("after", "")  # pages have an empty cursor until the first event with an id
    cursor = _resumed(request) if _last_event_id(request) else Cursor.parse(after) if after else None
    fields: dict[str, object] = {"room": room, **query}
    if "last" in query:
        if _NUMBER.fullmatch(query["last"]) is None:
            raise ValueError(f"last is {query['last']!r}, and not a number")
        fields["last"] = int(query["last"])
    for name in query.keys() & {"occupancy", "members"}:
        if query[name] not in _BOOLEANS:
            raise ValueError(f"{name} is {query[name]!r}, and neither true nor false")
        fields[name] = _BOOLEANS[query[name]]
    if cursor is not None:
        fields |= {"epoch": cursor.epoch, "after": cursor.offset, "ts": cursor.ts}
    return msgspec.convert(fields, RoomRequest)


def _last_event_id(request: Request) -> str:
    """The last id that the client's EventSource has seen at this address, from whichever server; empty before any."""
    return ", ".join(request.headers.get_all("Last-Event-ID"))


def _resumed(request: Request) -> Cursor | None:
    """The cursor in ``Last-Event-ID``; None if it is not a cursor."""
    try:
        cursor = Cursor.parse(_last_event_id(request))
        return cursor if cursor.epoch.isascii() else None
    except PeerError:
        return None


def _bad(message: str) -> Refused:
    return Refused(http.HTTPStatus.BAD_REQUEST, codes.BAD_MESSAGE.code, message)
