"""The JSON bodies of requests and responses, as types: `openapi` describes them, `app` and `requests` use them.

Only ``OneOrMore`` is for reading: a body is one event or several, which no type can say. `EventBatch` and `Event` say
it in the document.

Bounds in ``extra_json_schema`` are for the document alone: they are checked elsewhere, each with a code of its own.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from touchline_protocol.limits import EVENT_KEY_BYTES_MAX, ROOM_ID_BYTES_MAX, VERDICT_TEXT_CHARS_MAX

EVENTS_PER_REQUEST_MAX = 1_000
"""A thousand events take a log some hundred milliseconds. With more, repeating a failed request would cost too much."""

BODY_BYTES_MAX = 4 << 20
"""The largest body. A thousand ordinary events are 0.6 MB; the largest event is 256 KiB."""

BODY_S_MAX = 30
"""How long a body may take to arrive: 4 MiB at 1.2 Mbit/s. Without a limit, requests that stall would add up."""


KICK_S = 60
"""How long a player that was kicked is kept out by default: its program does not just come back."""

KICK_S_MAX = 86_400
"""The longest kick. Longer ones are bans: `cheatwatch verdict` gives them."""


Data = Annotated[msgspec.Raw, Meta(description="Any JSON value, passed on byte for byte. null removes the key.")]
Key = Annotated[
    str | None,
    Meta(
        description=f"What the event is about, which makes it state: 1 to {EVENT_KEY_BYTES_MAX} bytes of UTF-8. "
        "Absent or null: the event is a happening.",
        extra_json_schema={"minLength": 1, "maxLength": EVENT_KEY_BYTES_MAX},
    ),
]


class Event(msgspec.Struct, forbid_unknown_fields=True):
    """An event to publish."""

    data: Data
    key: Key = None


class EventBatch(msgspec.Struct, forbid_unknown_fields=True):
    """Several events to publish, in order."""

    events: Annotated[list[Event], Meta(extra_json_schema={"minItems": 1, "maxItems": EVENTS_PER_REQUEST_MAX})]


class OneOrMore(msgspec.Struct, forbid_unknown_fields=True):
    """One event or several. An empty ``data`` means that there is none: JSON is never empty."""

    data: msgspec.Raw = msgspec.Raw()
    key: str | None = None
    events: list[Event] | None = None


class Published(msgspec.Struct):
    """Where the events are, which are durable. ``offsets`` has one for each event, in order."""

    partition: int
    offsets: list[int]


class Kick(msgspec.Struct, forbid_unknown_fields=True):
    """Close the connections of a player, and keep the player out for ``seconds``. The player gets the ``reason``."""

    player: Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": ROOM_ID_BYTES_MAX})]
    seconds: Annotated[int, Meta(ge=1, le=KICK_S_MAX)] = KICK_S
    reason: Annotated[str, Meta(max_length=VERDICT_TEXT_CHARS_MAX)] = ""


class Kicked(msgspec.Struct):
    """The verdict is durable, and on its way to every edge. ``until_ms`` is when it ends, in Unix milliseconds."""

    player: str
    until_ms: int


class Drain(msgspec.Struct, forbid_unknown_fields=True):
    """The name of a worker, as in ``GET /v1/status``."""

    worker: str


class Draining(msgspec.Struct):
    """The worker has begun to send its clients away. Another process follows it."""

    worker: str


class StateEventBody(msgspec.Struct, omit_defaults=True):
    """The newest event of a key. ``ts`` is in Unix milliseconds, ``traceparent`` is that of its record."""

    key: str
    offset: int
    ts: int
    data: msgspec.Raw
    traceparent: str | UnsetType = UNSET


class RoomBody(msgspec.Struct):
    """A room as this server knows it. Unless ``state_complete``, keys may be missing from ``state``.

    ``head`` is the offset of its newest event, or a later position. ``viewers`` counts the connections in it, on all
    servers that share a Redis with this one; unless ``viewers_complete``, some of them could not be asked.
    """

    room: str
    epoch: str
    head: int
    viewers: int
    viewers_complete: bool
    state_complete: bool
    state: list[StateEventBody]


class ReadinessBody(msgspec.Struct, omit_defaults=True):
    """Whether clients should be sent to this server. Each object has a sentence per part that has trouble, or whose
    limit is lower than the operator asked for."""

    ready: bool
    problems: dict[str, str] = {}
    degraded: dict[str, str] = {}
    lowered: dict[str, str] = {}


class ErrorDetail(msgspec.Struct, omit_defaults=True):
    """``code`` is for programs, ``message`` for people. ``written`` counts the events in the log, in order."""

    code: str
    message: str
    written: int | UnsetType = UNSET


class ErrorBody(msgspec.Struct):
    """The body of every response that reports an error."""

    error: ErrorDetail
