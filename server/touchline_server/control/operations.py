"""What the control plane offers: each method of each path, with its bodies, its answers and its refusals.

`openapi` writes this table as a document, and the tests hold every response of a server to it.
"""

from typing import Any, NamedTuple

from touchline_protocol.tracing.traceparent import TRACEPARENT

from .bodies import Drain, Draining, Event, EventBatch, Kick, Kicked, Published, ReadinessBody, RoomBody
from .refusals import (
    BAD_BODY,
    BAD_EVENT_KEY,
    BAD_QUERY,
    BAD_ROOM,
    BODY_TIMEOUT,
    EVENT_REFUSED,
    HOST_REFUSED,
    INCOMPLETE,
    INTERNAL_ERROR,
    KEY_MISSING,
    KEY_WRONG,
    LAST_WORKER,
    NOT_JSON,
    NOT_JSON_TYPE,
    NULL_WITHOUT_KEY,
    ORIGIN_REFUSED,
    PLAYERS_UNKNOWN,
    ROOM_UNKNOWN,
    SINGLE_PROCESS,
    TOO_DEEP,
    TOO_LARGE,
    TOPIC_REFUSED,
    UNAVAILABLE,
    UNKNOWN_FEED,
    VERDICT_STANDS,
    WORKER_NOT_SERVING,
    WORKER_UNKNOWN,
    Refusal,
)
from .status import StatusBody

METRICS_PATH = "/metrics"
STATUS_PATH = "/v1/status"
KICK_PATH = "/v1/players/kick"
DRAIN_PATH = "/v1/workers/drain"
OPENAPI_PATH = "/v1/openapi.json"
ROOM_PATH = "/v1/rooms/{room}"
EVENTS_PATH = "/v1/rooms/{room}/events"


class Answer(NamedTuple):
    """A response that is not an error. ``body`` is a type for JSON, None for text, which is always ``text``, unless
    that is empty."""

    status: int
    meaning: str
    body: Any = None
    text: str = ""


class QueryParameter(NamedTuple):
    """A parameter of a query, and the values that it may have."""

    name: str
    values: tuple[str, ...]
    meaning: str


class HeaderParameter(NamedTuple):
    """A header that a request may have."""

    name: str
    meaning: str


_TRACEPARENT = HeaderParameter(
    TRACEPARENT,
    "The caller's span (W3C Trace Context): the events continue its trace. An invalid one is ignored.",
)
BY_WORKER = QueryParameter("by", ("worker",), "Show the values of each worker by itself, under the label `worker`.")


class Operation(NamedTuple):
    """A method of a path. ``body``: the types of its request's body, of which one applies."""

    method: str
    path: str
    name: str
    summary: str
    answers: tuple[Answer, ...]
    refusals: tuple[Refusal, ...] = ()
    body: tuple[Any, ...] = ()
    needs_key: bool = False
    query: tuple[QueryParameter, ...] = ()
    headers: tuple[HeaderParameter, ...] = ()


_PAGES = (ORIGIN_REFUSED, HOST_REFUSED)
_BODY = (BAD_BODY, INCOMPLETE, BODY_TIMEOUT, TOO_LARGE._replace(has_written=False), NOT_JSON_TYPE)
_LOG = (UNAVAILABLE._replace(has_written=False), TOPIC_REFUSED._replace(has_written=False))
_READY = Answer(200, "Clients can be sent here.", ReadinessBody)
_NOT_READY = Answer(503, "Clients should not be sent here.", ReadinessBody)

OPERATIONS = (
    Operation("GET", "/healthz", "health", "Whether the process runs", (Answer(200, "It runs.", text="ok"),)),
    Operation(
        "GET",
        "/readyz",
        "readiness",
        "Whether clients should be sent to this server",
        (
            _READY._replace(
                meaning="Clients can be sent here. `degraded` names what is wrong all the same, "
                "`lowered` each limit that is lower than asked for."
            ),
            _NOT_READY,
        ),
        (*_PAGES, INTERNAL_ERROR),
    ),
    Operation(
        "GET",
        "/readyz/strict",
        "strictReadiness",
        "Whether the server has no problem at all: for alerts, not for load balancers",
        (
            _READY._replace(meaning="Nothing is wrong."),
            _NOT_READY._replace(meaning="Something is wrong: `problems` keep clients away, `degraded` does not."),
        ),
        (*_PAGES, INTERNAL_ERROR),
    ),
    Operation(
        "GET",
        METRICS_PATH,
        "metrics",
        "The metrics of all workers together, for Prometheus; by worker with `?by=worker`",
        (Answer(200, "docs/metrics.md lists them. OpenMetrics for a request that accepts it."),),
        (BAD_QUERY, KEY_MISSING, KEY_WRONG, *_PAGES, INTERNAL_ERROR),
        needs_key=True,
        query=(BY_WORKER,),
    ),
    Operation(
        "GET",
        STATUS_PATH,
        "status",
        "What an operator looks at: load, latencies over time, workers, rooms, slow clients, partitions, closes",
        (Answer(200, "The server as it is now, and its last fifteen minutes.", StatusBody),),
        (KEY_MISSING, KEY_WRONG, *_PAGES, INTERNAL_ERROR),
        needs_key=True,
    ),
    Operation(
        "POST",
        KICK_PATH,
        "kick",
        "Close a player's connections to all edges, and keep the player out for a while",
        (Answer(200, "The verdict that does it is durable.", Kicked),),
        (*_BODY, KEY_MISSING, KEY_WRONG, *_PAGES, PLAYERS_UNKNOWN, VERDICT_STANDS, INTERNAL_ERROR, *_LOG),
        body=(Kick,),
        needs_key=True,
    ),
    Operation(
        "POST",
        DRAIN_PATH,
        "drain",
        "Have a worker send its clients away and end, and another process take its place",
        (Answer(202, "The worker has begun to drain.", Draining),),
        (
            *_BODY,
            KEY_MISSING,
            KEY_WRONG,
            *_PAGES,
            WORKER_UNKNOWN,
            SINGLE_PROCESS,
            WORKER_NOT_SERVING,
            LAST_WORKER,
            INTERNAL_ERROR,
        ),
        body=(Drain,),
        needs_key=True,
    ),
    Operation(
        "POST",
        EVENTS_PATH,
        "publish",
        "Publish one event or several to a room",
        (Answer(200, "All events are durable.", Published),),
        (
            BAD_ROOM,
            BAD_BODY,
            INCOMPLETE,
            BAD_EVENT_KEY,
            NULL_WITHOUT_KEY,
            NOT_JSON,
            TOO_DEEP,
            KEY_MISSING,
            KEY_WRONG,
            *_PAGES,
            UNKNOWN_FEED,
            BODY_TIMEOUT,
            TOO_LARGE,
            NOT_JSON_TYPE,
            EVENT_REFUSED,
            INTERNAL_ERROR,
            UNAVAILABLE,
            TOPIC_REFUSED,
        ),
        body=(Event, EventBatch),
        needs_key=True,
        headers=(_TRACEPARENT,),
    ),
    Operation(
        "GET",
        ROOM_PATH,
        "roomState",
        "The state of a room",
        (Answer(200, "The newest event of each key.", RoomBody),),
        (BAD_ROOM, *_PAGES, UNKNOWN_FEED, ROOM_UNKNOWN, INTERNAL_ERROR, UNAVAILABLE._replace(has_written=False)),
    ),
    Operation(
        "GET", OPENAPI_PATH, "reference", "This document", (Answer(200, "OpenAPI 3.1.", dict[str, Any]),), _PAGES
    ),
)
