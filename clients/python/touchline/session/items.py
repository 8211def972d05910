"""What happens in a room, in the order in which a subscription's reader gets it; and what a verdict says.

Pure data. `Event`, `Occupancy`, `Members` and `Verdict` belong to the SDK's API. The rest is for callers that drive a
session themselves; `view.View` applies it, except presence.
"""

from typing import Any, NamedTuple, TypeAlias

from touchline.errors import RoomRefused
from touchline_protocol.cursor import Cursor
from touchline_protocol.messages import VerdictKind


class Event(NamedTuple):
    """One event of a room.

    ``key`` is what the event is the newest value of; None means that it is not part of the room's state. ``ts`` is the
    event's time in Unix milliseconds. ``data`` is any JSON value; None, in an event with a key, removes the key.
    ``epoch`` is the one in which ``offset`` counts. ``traceparent`` (W3C Trace Context) is the span to continue, if the
    producer gave the event one.
    """

    room: str
    offset: int
    key: str | None
    ts: int
    data: Any
    epoch: str
    traceparent: str | None = None

    @property
    def cursor(self) -> Cursor:
        """The position after this event, for ``subscribe(after=…)``; ``str()`` turns it into one string."""
        return Cursor.at(self.epoch, self.offset, self.ts)


class Verdict(NamedTuple):
    """What was decided about the player, and the ``reason`` given.

    ``kind`` is "warn" (no consequence), "mute" (actions are refused), "ban" (the connection is closed) or "pardon" (no
    verdict stands any more). ``until`` is in Unix milliseconds; None means forever.
    """

    kind: VerdictKind
    reason: str
    until: int | None


class Occupancy(NamedTuple):
    """How many connections are in the room, on all servers. Unless ``complete``, that is an estimate."""

    room: str
    viewers: int
    complete: bool


class Members(NamedTuple):
    """The players who are in the room; None if they are too many to list.

    ``joined`` and ``left`` is what has changed since the client was told before. Unless ``complete``, not all servers
    can be reached, and ``players`` is an estimate.
    """

    room: str
    players: frozenset[str] | None
    joined: frozenset[str]
    left: frozenset[str]
    complete: bool


class Joined(NamedTuple):
    """The client joined the room. If ``recovered``, the events after the cursor follow.

    Otherwise the room begins at ``head`` with ``state``, and the first ``recent`` of the events that follow are older
    than that. Unless ``state_complete``, keys may be missing from ``state``. ``restarted`` means that the reader had
    seen the room before, so some events may never reach it.

    ``moved``: the room goes on in another log, or in another partition. If that lacks events that the client has, it is
    recovered and has a ``state`` all the same (``replaces_state``): the one of the log.
    """

    cursor: Cursor
    head: int
    recovered: bool
    restarted: bool
    state: tuple[Event, ...] = ()
    recent: int = 0
    state_complete: bool = True
    moved: bool = False
    replaces_state: bool = False


class Skipped(NamedTuple):
    """The server left out this many events, because newer ones with their keys follow."""

    events: int


class Gap(NamedTuple):
    """An event arrived, but its predecessor at ``prev`` did not; ``seen`` is how far the room is known."""

    prev: int
    seen: int


class Refused(NamedTuple):
    """The server refused the room. Nothing follows."""

    error: RoomRefused


Item: TypeAlias = Joined | Event | Skipped | Gap | Refused | Occupancy | Members
