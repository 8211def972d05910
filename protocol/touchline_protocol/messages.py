"""The messages of the protocol, version 1, as structs. `protocol/README.md` explains what each means.

Every message is one object that names its kind in ``type``. Readers ignore fields that they do not know, so both sides
can add fields. A server answers a message of an unknown type with the error ``unknown_type``. Fields that have their
default value are omitted on the wire. Offsets are integers, and times are Unix milliseconds.
"""

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Raw, Struct
from msgspec.structs import force_setattr

from .limits import (
    ACTION_KIND_CHARS_MAX,
    AGENT_CHARS_MAX,
    RECENT_EVENTS_MAX,
    ROOMS_PER_SUBSCRIBE_MAX,
    SESSION_NAME_CHARS_MAX,
    TIMESTAMP_MAX,
    TOKEN_CHARS_MAX,
)

Deliver: TypeAlias = Literal["all", "latest"]
"""Which events a client receives when it has to catch up: all, or only the newest of each key."""

Offset: TypeAlias = Annotated[int, Meta(ge=-1, le=2**63 - 1)]
"""A position in a room's log; -1 is the position before the first record."""

Timestamp: TypeAlias = Annotated[int, Meta(ge=0, le=TIMESTAMP_MAX)]
"""The time of an event in a cursor, in Unix milliseconds."""

RequestId: TypeAlias = Annotated[int, Meta(ge=0, le=2**53 - 1)]
"""A number that a client gives to a request and finds in the answers, within JavaScript's range of integers."""

ActionId: TypeAlias = Annotated[int, Meta(ge=1, le=2**53 - 1)]
"""The number of an action within its session: 1, 2, 3…, without gaps."""

PrevId: TypeAlias = Annotated[int, Meta(ge=0, le=2**53 - 1)]
"""The number of an earlier action; 0 if there is none."""

Token: TypeAlias = Annotated[str, Meta(min_length=1, max_length=TOKEN_CHARS_MAX)]
"""A JWT (RFC 7519) in its compact form."""

SessionName: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=SESSION_NAME_CHARS_MAX, pattern=r"^[A-Za-z0-9_-]+$(?!\n)")
]
"""The session that actions are numbered within. A client that reconnects presents the name that it was given.

In Python ``$`` also matches before a final newline; the lookahead makes the pattern mean the same there as in JSON
Schema's dialect.
"""

ActionKind: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=ACTION_KIND_CHARS_MAX, pattern=r"^[A-Za-z0-9_.-]+$(?!\n)")
]
"""The kind of an action, such as ``tap``. Which kinds exist is up to the clients that send them and the readers."""

VerdictKind: TypeAlias = Literal["warn", "mute", "ban", "pardon"]
"""The consequence for the player: only a warning; actions are refused; no connection is allowed; all is lifted."""


class Message(Struct, tag_field="type", frozen=True, omit_defaults=True):
    """The base class of all messages, which gives them their ``type``."""


# Sent by clients.


class Hello(Message, tag="hello", frozen=True):
    """The first message of a connection, due within the handshake time.

    ``session`` continues the numbering of an earlier connection's actions.
    """

    token: Token | None = None
    session: SessionName | None = None
    agent: Annotated[str, Meta(max_length=AGENT_CHARS_MAX)] | None = None


class RoomRequest(Struct, frozen=True, omit_defaults=True):
    """One room of a subscribe. ``epoch`` and ``after`` go together: they are the cursor to resume from.

    ``occupancy`` asks for `Occupancy` messages, ``members`` for `Members` and `MembersChanged`.
    ``ts`` belongs to the cursor too: the timestamp of its event. A client that sends it understands `Subscribed.after`.
    None is read as the default of its field.
    """

    room: str
    epoch: str | None = None
    after: Offset | None = None
    last: Annotated[int, Meta(ge=0, le=RECENT_EVENTS_MAX)] | None = 0
    deliver: Deliver | None = "all"
    occupancy: bool | None = False
    members: bool | None = False
    ts: Timestamp | None = None

    def __post_init__(self) -> None:
        for field, default in _ROOM_DEFAULTS:
            if getattr(self, field) is None:
                force_setattr(self, field, default)


_ROOM_DEFAULTS = (("last", 0), ("deliver", "all"), ("occupancy", False), ("members", False))


class Subscribe(Message, tag="subscribe", frozen=True):
    """Join rooms. The server answers each with one `Subscribed` or one `Error`, which repeats the ``id``."""

    rooms: Annotated[list[RoomRequest], Meta(min_length=1, max_length=ROOMS_PER_SUBSCRIBE_MAX)]
    id: RequestId | None = None


class Unsubscribe(Message, tag="unsubscribe", frozen=True):
    """Leave rooms. The server sends nothing of a room after the `Unsubscribed` that answers."""

    rooms: Annotated[list[str], Meta(min_length=1, max_length=ROOMS_PER_SUBSCRIBE_MAX)]
    id: RequestId | None = None


class Action(Message, tag="action", frozen=True):
    """Something that a player did. The server answers with one `Ack`, once it is in the log, or with one `Nack`.

    ``data`` is any JSON value, as bytes of the codec; empty bytes mean that it is absent, which stands for null.
    ``prev`` is the id of the newest earlier action that is still unanswered, less than ``id``, or 0 if there is none;
    None stands for ``id`` - 1. A client only has to send it when it repeats actions to another edge and some in between
    were answered.

    ``traceparent`` (W3C Trace Context) is the client's span, which the action's record then continues. An invalid one
    is ignored.
    """

    id: ActionId
    room: str
    kind: ActionKind
    data: Raw = Raw()
    prev: PrevId | None = None
    traceparent: str | None = None


class Refresh(Message, tag="refresh", frozen=True):
    """Present a newer token of the same player before the old one expires; answered by `Refreshed` or `Error`."""

    token: Token
    id: RequestId | None = None


# Sent by servers.


class Limits(Struct, frozen=True, omit_defaults=True):
    """What this edge allows a connection.

    ``actions_window`` is how many ids, counted from the lowest unanswered one, may be in flight; 0 means that the edge
    takes no actions. A player may act ``actions_burst`` times at once, and then once per ``action_interval_ms``.
    """

    message_bytes_max: int
    rooms_max: int
    action_bytes_max: int = 0
    actions_window: int = 0
    actions_burst: int = 0
    action_interval_ms: int = 0


class Welcome(Message, tag="welcome", frozen=True):
    """The answer to `Hello`. The server sends something at least every ``heartbeat_ms``.

    ``player`` and ``expires`` (Unix milliseconds) come from the token, if there is one. ``last_action`` is the highest
    id of this session that this edge knows to be in the log; 0 if it knows of none.
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
    """The newer token is now in force, until ``expires`` (Unix milliseconds)."""

    expires: int
    id: RequestId | None = None


class Ack(Message, tag="ack", frozen=True):
    """The action is durably in the log."""

    id: int


class Nack(Message, tag="nack", frozen=True):
    """The action was not taken. ``code`` is one of the nacks in ``codes.py``.

    After ``retry_ms`` the client can send it again, alone, and later ones once that is acknowledged. If that is None,
    the action is refused for good.
    """

    id: int
    code: str
    message: str
    retry_ms: int | None = None


class Verdict(Message, tag="verdict", frozen=True):
    """A decision about the player, new or in force. ``until`` (Unix milliseconds) is its end; None means never."""

    kind: VerdictKind
    reason: str
    until: int | None = None


class Event(Message, tag="event", frozen=True):
    """One event of a room.

    ``prev`` is the offset of the room's previous event, or None if the edge does not know it. ``data`` is any JSON
    value; in an event with a ``key``, None removes the key. ``epoch`` is there if the room's epoch is another one from
    this event on. ``traceparent`` (W3C Trace Context) is there if the event's record has a valid one.
    """

    room: str
    offset: int
    prev: int | None
    ts: int
    data: Any
    key: str | None = None
    epoch: str | None = None
    traceparent: str | None = None


class Subscribed(Message, tag="subscribed", frozen=True):
    """The client has joined the room, or (at any time, with ``recovered`` false) has to start over from ``state``.

    ``head`` is how far the server has read the room, the offset of its newest event or a later position in its
    partition. If ``recovered`` is true, the events after the client's cursor follow as `Event` messages. Otherwise
    ``state`` holds the newest event of each key, and the events after ``head`` follow. Unless ``state_complete``, keys
    may be missing from it; those that it has are right.

    ``after`` is there if the cursor is of another log, or of a partition that the room has left, and the server has
    found its place in this one: the events after that offset follow, also those up to ``head``, and then a `Replayed`.
    ``by_time`` says that it was found by the cursor's time, so some of them may be events that the client has.

    ``ts`` is the timestamp of the newest event in ``state`` and ``recent``; None if both are empty. ``epoch``, ``head``
    and ``ts`` are the cursor of a client that begins here.
    """

    room: str
    epoch: str
    head: int
    recovered: bool
    ts: Timestamp | None = None
    state: list[Event] = []
    recent: list[Event] = []
    id: RequestId | None = None
    state_complete: bool = True
    after: Offset | None = None
    by_time: bool = False


class Unsubscribed(Message, tag="unsubscribed", frozen=True):
    """The client has left the room."""

    room: str
    id: RequestId | None = None


class Skipped(Message, tag="skipped", frozen=True, rename={"from_": "from"}):
    """The server left out ``count`` keyed events with offsets ``from`` to ``to``: newer ones of their keys follow."""

    room: str
    from_: int
    to: int
    count: int


class Replayed(Message, tag="replayed", frozen=True):
    """The end of the events that a `Subscribed` with ``after`` promised: all up to the offset ``to`` have been sent.

    ``ts`` is the time of a cursor there: that of the room's newest event, or of the cursor that the client presented.
    """

    room: str
    to: int
    ts: Timestamp | None = None


class Occupancy(Message, tag="occupancy", frozen=True):
    """How many connections are in the room, on all edges. Only sent to clients that asked for it.

    Unless ``complete``, some edges cannot be reached: the number is an estimate.
    """

    room: str
    viewers: int
    complete: bool = True


class Members(Message, tag="members", frozen=True):
    """All players in the room, in place of any list before. Only sent to clients that asked for it.

    If there are ``too_many`` to list, ``players`` is empty, and another list follows once there are fewer. Unless
    ``complete``, some edges cannot be reached: the list is an estimate.
    """

    room: str
    players: list[str] = []
    too_many: bool = False
    complete: bool = True


class MembersChanged(Message, tag="members_changed", frozen=True):
    """The players who came into the room since the list or change before, and those who left it.

    ``complete`` means the same as in `Members`. A change of it alone brings no players.
    """

    room: str
    joined: list[str] = []
    left: list[str] = []
    complete: bool = True


class Error(Message, tag="error", frozen=True):
    """The server could not do what the client asked; the connection stays open.

    ``code`` is one of the errors in ``codes.py``. After ``retry_ms`` the same request will be taken; None if the server
    cannot tell when.
    """

    code: str
    message: str
    room: str | None = None
    id: RequestId | None = None
    retry_ms: int | None = None


class Goaway(Message, tag="goaway", frozen=True):
    """This edge is about to close the connection: reconnect, to any edge, after ``reconnect_ms``."""

    reconnect_ms: int
    reason: str


class Beat(Message, tag="beat", frozen=True):
    """The server has sent nothing else for the time of a heartbeat."""


ClientMessage: TypeAlias = Hello | Subscribe | Unsubscribe | Action | Refresh
ServerMessage: TypeAlias = (
    Welcome
    | Subscribed
    | Unsubscribed
    | Event
    | Skipped
    | Replayed
    | Occupancy
    | Members
    | MembersChanged
    | Refreshed
    | Ack
    | Nack
    | Verdict
    | Error
    | Goaway
    | Beat
)
