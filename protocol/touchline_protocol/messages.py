"""The messages of the protocol, version 1, as structs. `protocol/README.md` says what each means.

Every message is one object with its kind in ``type``. Fields that a reader does not know are ignored, so both sides
can add fields; a message whose type is not known is answered with the error ``unknown_type``. Optional fields that
have their default are left out on the wire. Offsets are integers, times are Unix milliseconds.
"""

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Raw, Struct

from .limits import (
    ACTION_KIND_CHARS_MAX,
    AGENT_CHARS_MAX,
    RECENT_EVENTS_MAX,
    ROOMS_PER_SUBSCRIBE_MAX,
    SESSION_NAME_CHARS_MAX,
    TOKEN_CHARS_MAX,
)

Deliver: TypeAlias = Literal["all", "latest"]
"""What a client that has fallen behind is brought: every event, or keyed events only in their newest form."""

Offset: TypeAlias = Annotated[int, Meta(ge=-1, le=2**63 - 1)]
"""A place in a room's log; -1 is the place before everything."""


RequestId: TypeAlias = Annotated[int, Meta(ge=0, le=2**53 - 1)]
"""A client's number for a request, given back in the answers: one that JavaScript and msgpack can hold too."""


ActionId: TypeAlias = Annotated[int, Meta(ge=1, le=2**53 - 1)]
"""The number of an action within its session: 1, 2, 3…, without holes."""

PrevId: TypeAlias = Annotated[int, Meta(ge=0, le=2**53 - 1)]
"""The number of an action before another one; 0 before the first."""

Token: TypeAlias = Annotated[str, Meta(min_length=1, max_length=TOKEN_CHARS_MAX)]
"""A JWT (RFC 7519), as it is."""

SessionName: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=SESSION_NAME_CHARS_MAX, pattern=r"^[A-Za-z0-9_-]+$(?!\n)")
]
"""What actions are numbered within. A client that comes back hands in the name that it was given.

The pattern means the same in Python, where ``$`` is also before a newline at the end, and in JSON Schema's dialect.
"""

ActionKind: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=ACTION_KIND_CHARS_MAX, pattern=r"^[A-Za-z0-9_.-]+$(?!\n)")
]
"""What was done, as ``tap``. What kinds there are is between those who send them and those who read them."""

VerdictKind: TypeAlias = Literal["warn", "mute", "ban", "pardon"]
"""What follows for the player: nothing yet; actions refused; no connection; nothing any more."""


class Message(Struct, tag_field="type", frozen=True, omit_defaults=True):
    """What all messages have in common: their ``type``."""


# What a client sends.


class Hello(Message, tag="hello", frozen=True):
    """The first message of a connection, within the handshake time.

    ``session`` goes on with the numbering of actions of an earlier connection.
    """

    token: Token | None = None
    session: SessionName | None = None
    agent: Annotated[str, Meta(max_length=AGENT_CHARS_MAX)] | None = None


class RoomRequest(Struct, frozen=True, omit_defaults=True):
    """One room of a subscribe. ``epoch`` and ``after`` go together: they are the cursor to go on from."""

    room: str
    epoch: str | None = None
    after: Offset | None = None
    last: Annotated[int, Meta(ge=0, le=RECENT_EVENTS_MAX)] = 0
    deliver: Deliver = "all"


class Subscribe(Message, tag="subscribe", frozen=True):
    """Ask for rooms. Each is answered by one `Subscribed` or one `Error`, with this ``id`` if there is one."""

    rooms: Annotated[list[RoomRequest], Meta(min_length=1, max_length=ROOMS_PER_SUBSCRIBE_MAX)]
    id: RequestId | None = None


class Unsubscribe(Message, tag="unsubscribe", frozen=True):
    """Leave rooms. Nothing of them follows after the `Unsubscribed` that answers."""

    rooms: Annotated[list[str], Meta(min_length=1, max_length=ROOMS_PER_SUBSCRIBE_MAX)]
    id: RequestId | None = None


class Action(Message, tag="action", frozen=True):
    """What a player did. Each is answered by one `Ack`, once it is in the log, or one `Nack`.

    ``data`` is any JSON value, here in the bytes of the codec; empty for an absent one, which is null. ``prev`` is the
    id of the newest action before this one that has no answer yet, 0 if all have; None is ``id`` - 1. Only who sends
    again, to another edge, and was answered something in between has to say it.
    """

    id: ActionId
    room: str
    kind: ActionKind
    data: Raw = Raw()
    prev: PrevId | None = None


class Refresh(Message, tag="refresh", frozen=True):
    """A newer token of the same player, before the old one expires; answered by `Refreshed` or `Error`."""

    token: Token
    id: RequestId | None = None


# What a server sends.


class Limits(Struct, frozen=True, omit_defaults=True):
    """What this edge allows a connection. ``actions_window``: actions that are not answered yet; 0 takes none."""

    message_bytes_max: int
    rooms_max: int
    action_bytes_max: int = 0
    actions_window: int = 0


class Welcome(Message, tag="welcome", frozen=True):
    """The answer to `Hello`. ``heartbeat_ms``: at the latest so often the client hears something.

    ``player`` and ``expires`` (Unix milliseconds) are those of the token, if there is one. ``last_action`` is the
    highest id of this session that is in the log, as far as this edge knows; 0 where it knows of none.
    """

    session: str
    edge: str
    heartbeat_ms: int
    limits: Limits
    time: int
    player: str | None = None
    expires: int | None = None
    last_action: int = 0


class Refreshed(Message, tag="refreshed", frozen=True):
    """The newer token counts from now on, until ``expires`` (Unix milliseconds)."""

    expires: int
    id: RequestId | None = None


class Ack(Message, tag="ack", frozen=True):
    """The action is in the log, durably."""

    id: int


class Nack(Message, tag="nack", frozen=True):
    """The action is not in the log, as far as one can know. ``code`` is one of `codes.NACKS`.

    With ``retry_ms`` it, and all after it, can be sent again after so long; else it is refused, and done with.
    """

    id: int
    code: str
    message: str
    retry_ms: int | None = None


class Verdict(Message, tag="verdict", frozen=True):
    """What was decided about the player, now or before. ``until`` is Unix milliseconds; None is for ever."""

    kind: VerdictKind
    reason: str
    until: int | None = None


class Event(Message, tag="event", frozen=True):
    """One event of a room.

    ``prev`` is the room's offset before this one, or None where the edge does not know it. ``data`` is any JSON value;
    None in an event with a ``key`` says that the key is no more.
    """

    room: str
    offset: int
    prev: int | None
    ts: int
    data: Any
    key: str | None = None


class Subscribed(Message, tag="subscribed", frozen=True):
    """A room was joined, or (``recovered`` false, at any time) has to be started over from ``state``.

    ``head`` is the room's newest offset now. With ``recovered`` true the events after the client's cursor follow as
    `Event` messages; else ``state`` holds the newest event of each key and the events after ``head`` follow.
    """

    room: str
    epoch: str
    head: int
    recovered: bool
    state: list[Event] = []
    recent: list[Event] = []
    id: RequestId | None = None


class Unsubscribed(Message, tag="unsubscribed", frozen=True):
    """A room was left."""

    room: str
    id: RequestId | None = None


class Skipped(Message, tag="skipped", frozen=True, rename={"from_": "from"}):
    """``count`` keyed events with offsets within ``from``..``to`` are left out: newer ones of their keys follow."""

    room: str
    from_: int
    to: int
    count: int


class Error(Message, tag="error", frozen=True):
    """Something the client sent could not be done; the connection stays. ``code`` is one of `codes.ERRORS`."""

    code: str
    message: str
    room: str | None = None
    id: RequestId | None = None


class Goaway(Message, tag="goaway", frozen=True):
    """This edge is about to close the connection: come back, to any edge, after ``reconnect_ms``."""

    reconnect_ms: int
    reason: str


class Beat(Message, tag="beat", frozen=True):
    """Nothing else was sent for a heartbeat."""


ClientMessage: TypeAlias = Hello | Subscribe | Unsubscribe | Action | Refresh
ServerMessage: TypeAlias = (
    Welcome | Subscribed | Unsubscribed | Event | Skipped | Refreshed | Ack | Nack | Verdict | Error | Goaway | Beat
)
