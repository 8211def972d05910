"""The messages of the protocol, version 1, as structs. `protocol/README.md` says what each means.

Every message is one object with its kind in ``type``. Fields that a reader does not know are ignored, so both sides
can add fields; a message whose type is not known is answered with the error ``unknown_type``. Optional fields that
have their default are left out on the wire. Offsets are integers, times are Unix milliseconds.
"""

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

from .limits import AGENT_CHARS_MAX, RECENT_EVENTS_MAX, ROOMS_PER_SUBSCRIBE_MAX

Deliver: TypeAlias = Literal["all", "latest"]
"""What a client that has fallen behind is brought: every event, or keyed events only in their newest form."""

Offset: TypeAlias = Annotated[int, Meta(ge=-1, le=2**63 - 1)]
"""A place in a room's log; -1 is the place before everything."""


RequestId: TypeAlias = Annotated[int, Meta(ge=0, le=2**53 - 1)]
"""A client's number for a request, given back in the answers: one that JavaScript and msgpack can hold too."""


class Message(Struct, tag_field="type", frozen=True, omit_defaults=True):
    """What all messages have in common: their ``type``."""


# What a client sends.


class Hello(Message, tag="hello", frozen=True):
    """The first message of a connection, within the handshake time."""

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


# What a server sends.


class Limits(Struct, frozen=True):
    """What this edge allows a connection."""

    message_bytes_max: int
    rooms_max: int


class Welcome(Message, tag="welcome", frozen=True):
    """The answer to `Hello`. ``heartbeat_ms``: at the latest so often the client hears something."""

    session: str
    edge: str
    heartbeat_ms: int
    limits: Limits
    time: int


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


ClientMessage: TypeAlias = Hello | Subscribe | Unsubscribe
ServerMessage: TypeAlias = Welcome | Subscribed | Unsubscribed | Event | Skipped | Error | Goaway | Beat
