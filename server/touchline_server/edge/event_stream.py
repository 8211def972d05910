"""Server-sent events: what is asked for with ``GET /v1/rooms/<room>/events``, and how that is answered.

A stream is one more codec of the same fan-out (`touchline_protocol.server_codecs`). This is only its beginning: the
request is read, the head is written. After that its client sends nothing more, and is a connection like any other.

Pure: websockets' `Request` in, a `Response` or a `RoomRequest` out. Rules:

1. The cursor is ``Last-Event-ID`` where a browser comes back with one, else the query's ``after``.
2. A refusal is an answer with JSON as on the control plane's. A browser's EventSource gives up for good at it, so one
   that will pass is told to those who accept nothing but a stream as a stream, which ends at once.
3. A page of another origin may read the stream only where the operator's ``origins`` allow it (CORS).
"""

import email.utils
import http
from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

import msgspec
from websockets.datastructures import Headers, MultipleValuesError
from websockets.http11 import Request, Response

from touchline_protocol import codes
from touchline_protocol.codes import CloseCode
from touchline_protocol.cursor import Cursor
from touchline_protocol.errors import PeerError
from touchline_protocol.messages import Error, RoomRequest
from touchline_protocol.server_codecs import EVENT_STREAM, RETRY_MS_MIN
from touchline_server.core.players.grants import TokenRefused

from .handshake import challenge, origin_allowed, path_of

RETRY_MS = (RETRY_MS_MIN, 3_000)
"""How long a browser waits before it connects again: each is told a time of its own between these, so that those who
lost their edge together do not come back together."""

RETRY_AFTER_MS = (5_000, 15_000)
"""The same for a refusal that will pass: a crowd that is turned away should not come again at once."""

PREFLIGHT_MAX_AGE_S = 86_400
"""A day, the longest that a browser keeps what a preflight allowed."""

_STREAM_TYPE = "text/event-stream"
_PREFIX, _SUFFIX = "/v1/rooms/", "/events"
_PARAMETERS = ("after", "last", "deliver")


class Refused(Exception):
    """The request cannot be served: ``status`` and ``code`` say why to programs, the message to people."""

    def __init__(self, status: http.HTTPStatus, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def is_for_stream(request: Request) -> bool:
    """Whether a request asks for an event stream, rightly or not."""
    path = path_of(request)
    return path.startswith(_PREFIX) and path.endswith(_SUFFIX)


def read(request: Request, origins: Sequence[str], *, full: bool) -> RoomRequest:
    """What is asked for.

    Raises:
        Refused: it is not allowed, or cannot be understood.
    """
    if not origin_allowed(request.headers, origins):
        message = "pages of this origin may not connect; the operator can allow it with the option origins"
        raise Refused(http.HTTPStatus.FORBIDDEN, "origin_refused", message)
    if request.method != "GET":
        raise Refused(
            http.HTTPStatus.METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "an event stream is read with GET; events are published at the control plane, on another port",
        )
    if full:
        message = "this edge has as many connections as it takes; try again later"
        raise Refused(http.HTTPStatus.SERVICE_UNAVAILABLE, codes.UNAVAILABLE.code, message)
    try:
        return _room_request(request)
    except UnicodeDecodeError:
        raise _bad("the path and the query must be UTF-8, percent-encoded") from None
    except MultipleValuesError:
        raise _bad("the header Last-Event-ID is there twice") from None
    except (ValueError, msgspec.ValidationError, PeerError) as error:
        raise _bad(str(error)) from None


def refusal(request: Request, refused: Refused, origins: Sequence[str], random: Callable[[], float]) -> Response:
    """The answer to a request that was refused."""
    headers = _headers(request, origins)
    passes = refused.status is http.HTTPStatus.SERVICE_UNAVAILABLE
    if passes and _STREAM_TYPE in ",".join(request.headers.get_all("Accept")):
        headers["Content-Type"] = _STREAM_TYPE
        told = EVENT_STREAM.frame(Error(code=refused.code, message=str(refused)))
        return Response(
            http.HTTPStatus.OK.value, http.HTTPStatus.OK.phrase, headers, _retry(RETRY_AFTER_MS, random) + told
        )
    headers["Content-Type"] = "application/json"
    if refused.status is http.HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = "GET, OPTIONS"
    if passes:
        headers["Retry-After"] = str(RETRY_AFTER_MS[0] // 1_000)
    body = msgspec.json.encode({"error": {"code": refused.code, "message": str(refused)}})
    headers["Content-Length"] = str(len(body))
    return Response(refused.status.value, refused.status.phrase, headers, body)


def unauthorized(
    request: Request, refused: TokenRefused, origins: Sequence[str], random: Callable[[], float]
) -> Response:
    """The answer to a request whose token is not taken."""
    why = Refused(http.HTTPStatus.UNAUTHORIZED, refused.code.code, str(refused))
    response = refusal(request, why, origins, random)
    response.headers["WWW-Authenticate"] = challenge(refused)
    return response


def preflight(request: Request, origins: Sequence[str]) -> Response:
    """The answer to a browser that asks whether a page may send headers of its own (Fetch Standard, section 3.2.2)."""
    headers = _headers(request, origins)
    headers["Access-Control-Allow-Methods"] = "GET"
    headers["Access-Control-Allow-Headers"] = "Authorization, Last-Event-ID, Cache-Control"
    headers["Access-Control-Max-Age"] = str(PREFLIGHT_MAX_AGE_S)
    return Response(http.HTTPStatus.NO_CONTENT.value, http.HTTPStatus.NO_CONTENT.phrase, headers)


def head(request: Request, origins: Sequence[str], random: Callable[[], float]) -> bytes:
    """The head of a stream, and how long to wait before coming back. ``random`` is from 0 to 1.

    The body ends with the connection: it has no length, and chunks would cost each event a line more.
    """
    headers = _headers(request, origins)
    headers["Content-Type"] = _STREAM_TYPE
    headers["X-Accel-Buffering"] = "no"  # nginx would hold events back to send them in larger pieces
    response = Response(http.HTTPStatus.OK.value, http.HTTPStatus.OK.phrase, headers)
    return response.serialize() + _retry(RETRY_MS, random)


def farewell(code: CloseCode) -> bytes:
    """A comment with the code that the server closes the stream with: for people, since browsers skip comments."""
    return b": close %d %b\n\n" % (code.code, code.name.encode())


def _retry(between_ms: tuple[int, int], random: Callable[[], float]) -> bytes:
    low, high = between_ms
    return b"retry: %d\n\n" % (low + (high - low) * random())


def _headers(request: Request, origins: Sequence[str]) -> Headers:
    headers = Headers()
    headers["Date"] = email.utils.formatdate(usegmt=True)
    headers["Connection"] = "close"
    headers["Cache-Control"] = "no-store"
    headers["Vary"] = "Origin"
    if origin_allowed(request.headers, origins) and (origin := request.headers.get("Origin")) is not None:
        headers["Access-Control-Allow-Origin"] = origin
    return headers


def _room_request(request: Request) -> RoomRequest:
    target = urlsplit(request.path)
    room = unquote_to_bytes(target.path.removeprefix(_PREFIX).removesuffix(_SUFFIX)).decode()
    query: dict[str, str] = {}
    for name, value in parse_qsl(target.query, keep_blank_values=True, errors="strict"):
        if name in query:
            raise ValueError(f"the parameter {name} is there twice")
        if name in _PARAMETERS:  # others may be for a proxy: EventSource has no other place for a token
            query[name] = value
    fields: dict[str, object] = {"room": room, **query}
    # An empty one is what a browser, or a page, has before the first event with an id.
    cursor = request.headers.get("Last-Event-ID") or query.get("after")
    fields.pop("after", None)
    if cursor:
        fields["epoch"], fields["after"] = Cursor.parse(cursor)
    return msgspec.convert(fields, RoomRequest, strict=False)


def _bad(message: str) -> Refused:
    return Refused(http.HTTPStatus.BAD_REQUEST, codes.BAD_MESSAGE.code, message)
