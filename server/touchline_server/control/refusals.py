"""Every error of the control plane: its status, its code, what it means, and what its caller should do.

The OpenAPI document and docs/http-api.md are generated from this table. A refusal that is not here does not exist.
"""

from http import HTTPStatus
from typing import Any, NamedTuple

from touchline_protocol import codes
from touchline_protocol.records import REASONS
from touchline_server.web import policy

from . import backend
from .answers import ApiError
from .bodies import BODY_S_MAX

RETRY_AFTER_S = 1
"""How long a 503 asks a producer to wait: about the interval at which an unavailable log is tried again."""


class Refusal(NamedTuple):
    """One error. ``then`` is the caller's way out; ``headers`` are those of its response."""

    status: int
    code: str
    meaning: str
    then: str
    headers: tuple[tuple[str, str], ...] = ()
    has_written: bool = False
    """Whether its object has ``written``, the number of events of the request that are in the log."""

    def error(self, message: str, *, headers: tuple[tuple[str, str], ...] = (), **fields: Any) -> ApiError:
        """The error to raise, with a message for people. ``headers`` are added to its own."""
        return ApiError(self.status, self.code, message, headers=dict((*self.headers, *headers)), **fields)


_CORRECT = "correct the request"
_RETRY_AFTER = ("Retry-After", str(RETRY_AFTER_S))

BAD_ROOM = Refusal(
    HTTPStatus.BAD_REQUEST, codes.BAD_ROOM.code, "the path does not contain a valid room name in UTF-8", _CORRECT
)
BAD_BODY = Refusal(HTTPStatus.BAD_REQUEST, "bad_body", "the body is not JSON, or not what the request takes", _CORRECT)
BAD_QUERY = Refusal(
    HTTPStatus.BAD_REQUEST, "bad_query", "the query has a value that is not one of those allowed", _CORRECT
)
INCOMPLETE = Refusal(
    HTTPStatus.BAD_REQUEST, "incomplete", "the connection ended before the end of the body", "send it again"
)
BAD_EVENT_KEY = Refusal(HTTPStatus.BAD_REQUEST, "bad_event_key", REASONS["bad_event_key"], _CORRECT)
NULL_WITHOUT_KEY = Refusal(HTTPStatus.BAD_REQUEST, "null_without_key", REASONS["null_without_key"], _CORRECT)
NOT_JSON = Refusal(HTTPStatus.BAD_REQUEST, "not_json", REASONS["not_json"], _CORRECT)
TOO_DEEP = Refusal(HTTPStatus.BAD_REQUEST, "too_deep", REASONS["too_deep"], _CORRECT)
KEY_MISSING = Refusal(
    HTTPStatus.UNAUTHORIZED,
    "key_missing",
    "the request needs a key, and has no `Authorization: Bearer KEY`",
    "send one of the server's `api_keys`; for metrics, one of `metrics_keys` will do",
    (("WWW-Authenticate", "Bearer"),),
)
KEY_WRONG = Refusal(
    HTTPStatus.FORBIDDEN, "key_wrong", "the key is wrong, or does not allow the request", "use another key"
)
ORIGIN_REFUSED = Refusal(
    HTTPStatus.FORBIDDEN,
    policy.ORIGIN_REFUSED,
    "the request comes from a page of another site: the host in `Origin` is not the one in `Host`",
    "let a proxy in front pass the browser's `Host`, or send the request from a program",
)
HOST_REFUSED = Refusal(
    HTTPStatus.FORBIDDEN,
    policy.HOST_REFUSED,
    "the name in `Host` may belong to a page that must not get here (DNS rebinding)",
    "use the server's address, or list the name in `hosts`: see docs/proxies.md",
)
PAGE_REFUSALS = {each.code: each for each in (ORIGIN_REFUSED, HOST_REFUSED)}
"""How a page is refused, at every path but that of liveness."""

UNKNOWN_FEED = Refusal(
    HTTPStatus.NOT_FOUND, codes.UNKNOWN_FEED.code, "this server does not carry the room's feed", _CORRECT
)
ROOM_UNKNOWN = Refusal(
    HTTPStatus.NOT_FOUND,
    "room_unknown",
    "the log has no event of the room, as far back as this server has read it",
    "publish to it, or correct its name",
)
WORKER_UNKNOWN = Refusal(
    HTTPStatus.NOT_FOUND, backend.WORKER_UNKNOWN, "the server has no worker of that name", _CORRECT
)
NOT_FOUND = Refusal(HTTPStatus.NOT_FOUND, "not_found", "there is nothing at this path", _CORRECT)
METHOD_NOT_ALLOWED = Refusal(
    HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", "the path has other methods: see `Allow`", _CORRECT
)
BODY_TIMEOUT = Refusal(
    HTTPStatus.REQUEST_TIMEOUT,
    "body_timeout",
    f"the body did not arrive within {BODY_S_MAX} s",
    "send it again, faster or in parts",
    (("Connection", "close"),),
)
PLAYERS_UNKNOWN = Refusal(
    HTTPStatus.CONFLICT,
    backend.PLAYERS_UNKNOWN,
    "the server checks no tokens, so it knows no players",
    "give players tokens: see docs/tokens.md",
)
VERDICT_STANDS = Refusal(
    HTTPStatus.CONFLICT,
    backend.VERDICT_STANDS,
    "a mute or a ban stands against the player that ends later than the kick, which would replace it",
    "kick for longer, or give the verdict that shall hold with `cheatwatch verdict`",
)
SINGLE_PROCESS = Refusal(
    HTTPStatus.CONFLICT,
    backend.SINGLE_PROCESS,
    "the server is a single process, which nothing would replace",
    "end it with SIGTERM, which drains it, and start it again; or run it with `workers`",
)
WORKER_NOT_SERVING = Refusal(
    HTTPStatus.CONFLICT,
    backend.WORKER_NOT_SERVING,
    "the worker is starting, being replaced, or draining already",
    "wait until it serves",
)
LAST_WORKER = Refusal(
    HTTPStatus.CONFLICT,
    backend.LAST_WORKER,
    "no other worker serves, so the clients would have nowhere to go",
    "wait until another one serves",
)
IMPOSSIBLE = {
    each.code: each
    for each in (PLAYERS_UNKNOWN, VERDICT_STANDS, SINGLE_PROCESS, WORKER_UNKNOWN, WORKER_NOT_SERVING, LAST_WORKER)
}
"""The refusal of an operator's request, by the code of its `ImpossibleRequest`."""

TOO_LARGE = Refusal(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "too_large",
    "the body, the number of events or an event is beyond a limit: the server's, or the topic's `max.message.bytes`",
    "send less; `written` counts the events before the one that the log refused",
    has_written=True,
)
NOT_JSON_TYPE = Refusal(
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "not_json_type",
    "the body has another type than `application/json`, or a `Content-Encoding`",
    _CORRECT,
)
EVENT_REFUSED = Refusal(
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "event_refused",
    "the log's own checks reject an event, for example its time; the message has Kafka's reason",
    "correct the event after the first `written` ones, and send it and those behind it",
    has_written=True,
)
INTERNAL_ERROR = Refusal(
    HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "the server failed; its log has the details", "report it"
)
UNAVAILABLE = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    codes.UNAVAILABLE.code,
    "the log is away, too few replicas are in sync, or it has not been read yet",
    "send the same after `Retry-After`, without the first `written` events",
    (_RETRY_AFTER,),
    has_written=True,
)
TOPIC_REFUSED = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "topic_refused",
    "the log refuses the whole topic until an operator acts, for example because the server may not write there",
    "tell the operator",
    has_written=True,
)

REFUSALS: tuple[Refusal, ...] = tuple(each for each in globals().values() if isinstance(each, Refusal))
"""All of them, in the order of their statuses."""

RECORD_REFUSALS = {each.code: each for each in (BAD_EVENT_KEY, NULL_WITHOUT_KEY, NOT_JSON, TOO_DEEP, TOO_LARGE)}
"""The refusal of an event that cannot become a record, by its reason."""
