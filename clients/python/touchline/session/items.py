"""What a subscription is made of, in order: how it joined, its events, and what was left out. And what a verdict says.

Pure data. `Event` and `Verdict` are for users, the others for callers that drive a session; `view` applies them.
"""

from typing import Any, NamedTuple, TypeAlias

from touchline.errors import RoomRefused
from touchline_protocol.cursor import Cursor
from touchline_protocol.messages import VerdictKind


class Event(NamedTuple):
    """One event of a room.

    ``ts`` is its time in Unix milliseconds. ``data`` is any JSON value; in an event with a ``key``, None says that the
    key is no more. ``key`` is None for a happening, which is no state. ``epoch`` is the one in which ``offset`` counts.
    """

    room: str
    offset: int
    key: str | None
    ts: int
    data: Any
    epoch: str

    @property
    def cursor(self) -> Cursor:
        """Where to go on after this event: hand it to ``subscribe(after=…)``; ``str()`` makes it one string."""
        return Cursor(self.epoch, self.offset)


class Verdict(NamedTuple):
    """What was decided about the player, for the ``reason`` given.

    ``kind``: "warn" (nothing follows), "mute" (actions are refused), "ban" (the connection is closed) or "pardon" (no
    verdict stands any more). ``until`` is Unix milliseconds; None is for ever.
    """

    kind: VerdictKind
    reason: str
    until: int | None


class Joined(NamedTuple):
    """The room was joined. With ``recovered`` the events after the cursor follow.

    Else it begins at ``head`` with ``state``, and the first ``recent`` of the events that follow are from before.
    ``restarted`` says that something had been seen before, so that there may be events that were never handed out.
    """

    cursor: Cursor
    head: int
    recovered: bool
    restarted: bool
    state: tuple[Event, ...] = ()
    recent: int = 0


class Skipped(NamedTuple):
    """The server left out so many events: newer ones of their keys follow."""

    events: int


class Gap(NamedTuple):
    """An event came whose predecessor, at ``prev``, did not; ``seen`` is how far the room is known."""

    prev: int
    seen: int


class Refused(NamedTuple):
    """The room was refused; nothing follows."""

    error: RoomRefused


Item: TypeAlias = Joined | Event | Skipped | Gap | Refused
