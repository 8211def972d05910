"""A subscription: one client in one room, and how it catches up.

A subscription is a cursor. It is live (the room's flushes write to it) or it is not, and for that there is one cure,
`catch_up`, whether the client joins, comes back, or reads too slowly. Each call takes one step and says what is next.

    JOINING ──► BEHIND ◄─► LIVE        JOINING   `subscribed` was not said yet
       │          ▲                    BEHIND    events up to the room's place are missing
       └► AHEAD ──┘                    AHEAD     the cursor is beyond what this edge has read: it waits for that
                                       LEFT      unsubscribed, or the client is gone (from any of the others)

Rules:

1. Nothing of a room is written before its `subscribed`, and nothing twice. What a step returns is written at once,
   before the loop does anything else.
2. The cursor moves only over what was returned to be written, or said to be skipped.
3. What only the log holds is read by the shell and handed to `replay`: at most ``replay_left`` offsets a catch-up.
4. A client further behind, or behind what the log holds, starts over from the state and is told, if it joins with such
   a cursor or wants the ``latest`` anyway. One that was promised ``all`` is closed: it can resume, and is told then.
"""

from collections.abc import Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from touchline_protocol.codecs import Codec
from touchline_protocol.messages import RoomRequest, Subscribed

from .partition_window import RoomEvent, Stream
from .snapshots import encode

if TYPE_CHECKING:
    from .client import Session
    from .room import Room, Write


class Phase(Enum):
    """Where a subscription is; see the picture above."""

    JOINING = auto()
    BEHIND = auto()
    LIVE = auto()
    AHEAD = auto()
    LEFT = auto()


class Next(Enum):
    """What comes after a step."""

    STEP = auto()  # another step, as soon as the client takes more
    LIVE = auto()  # nothing is missing any more: `Session.settle` makes it live
    LOG = auto()  # the shell reads `wanted` from the log, and calls `replay` or `lost`
    END = auto()  # the shell asks for the log's end, and calls `ended`: is this cursor one of the future, or of no log?
    WAIT = auto()  # nothing, until the room has reached the cursor
    CLOSE = auto()  # the connection is closed: what the client was promised is not there any more


class Step(NamedTuple):
    """The bytes to write now, and what comes next."""

    data: bytes
    next: Next


class Wanted(NamedTuple):
    """A range of the log to read for a room: records with ``after < offset <= up_to``."""

    stream: Stream
    after: int
    up_to: int


class Subscription:
    """One client in one room. ``cursor`` is the last offset that the client was brought, while it is not live.

    ``behind_since_ms`` is when the client first took no more since it was live, or since it joined; None where it did.
    """

    __slots__ = (
        "behind_since_ms",
        "codec",
        "cursor",
        "generation",
        "latest",
        "phase",
        "replay_left",
        "replay_records_max",
        "replayed",
        "request",
        "request_id",
        "room",
        "session",
    )

    def __init__(
        self, session: "Session", room: "Room", request: RoomRequest, request_id: int | None, replay_records_max: int
    ) -> None:
        self.session = session
        self.room = room
        self.codec: Codec = session.codec
        self.request = request
        self.request_id = request_id
        self.latest = request.deliver == "latest"
        self.phase = Phase.JOINING
        self.generation = room.generation
        self.cursor = -1 if request.after is None else request.after
        self.replay_records_max = replay_records_max
        self.replay_left = replay_records_max
        self.behind_since_ms: int | None = None
        self.replayed: int | None = None
        """The room's newest offset in what this catch-up read from the log: the ``prev`` of the next one there."""

    def go_live(self, write: "Write") -> None:
        """Nothing is missing: the room's flushes write to the client from the next one on."""
        self.phase = Phase.LIVE
        self.behind_since_ms = None
        self.room.enter(self, write)

    def fall_behind(self) -> None:
        """The client takes no more: a live subscription becomes a cursor at the room's place."""
        if self.phase is Phase.LIVE:
            self.room.leave_live(self)
            self.phase = Phase.BEHIND
            self.cursor = self.room.place
            self.replay_left = self.replay_records_max
            self.replayed = None

    def catch_up(self) -> Step:
        """Take one step. Not for a subscription that is live, ahead or left."""
        if self.phase is Phase.JOINING:
            return self._join()
        if self.generation != self.room.generation:
            return self.lost()
        if self.cursor < self.room.floor:
            return self._from_log()
        return self._from_window()

    @property
    def wanted(self) -> Wanted:
        """What to read after `Next.LOG`; of which stream to ask the end after `Next.END`."""
        return Wanted(self.room.stream, self.cursor, self.room.floor)

    def replay(self, events: Sequence[RoomEvent], reached: int) -> Step:
        """Take the room's events from what was read of `wanted`; ``reached`` is how far that went."""
        greeting = self._greeting()
        if events:
            self.replayed = events[-1].offset
        self.replay_left -= reached - self.cursor
        self.cursor = reached
        caught = encode(self.room, self.codec, events, cursor=reached, latest=self.latest, bytes_max=None)
        return Step(greeting + caught.data, Next.STEP)

    def ended(self, end: int | None) -> Step:
        """The log's end after `Next.END`, None where it could not be asked: wait there, or start over."""
        if self.cursor <= self.room.place:
            return Step(self._greeting(), Next.STEP)  # the room came there while the log was asked
        if end is not None and self.cursor >= end:
            return self.lost()
        return self._wait()

    def out_of_reach(self) -> Step:
        """What is missing is not in the log any more, or too much to be read."""
        if self.latest or self.phase is Phase.JOINING:
            return self.lost()
        return Step(b"", Next.CLOSE)

    def lost(self) -> Step:
        """The cursor cannot be honoured: start over from the state, and say so."""
        room = self.room
        room.pass_over(self)  # what a flush under way would still bring it is in this state, or from another log
        self.generation = room.generation
        request_id, last = (self.request_id, self.request.last) if self.phase is Phase.JOINING else (None, 0)
        self.phase = Phase.BEHIND
        data = room.shared.snapshot_frame(room, self.codec, last=last, request_id=request_id)
        self.cursor = room.place
        return Step(data, Next.LIVE)

    def _join(self) -> Step:
        room = self.room
        self.generation = room.generation
        if self.request.after is None or self.request.epoch != room.stream.epoch:
            return self.lost()
        if self.cursor > room.place:
            # Within what was read already it is a matter of the next flush; beyond that only the log can tell.
            return self._wait() if self.cursor < room.stream.next_offset else Step(b"", Next.END)
        if self.cursor < room.floor:
            return self._from_log()
        return Step(self._greeting(), Next.STEP)

    def _wait(self) -> Step:
        greeting = self._greeting()
        self.phase = Phase.AHEAD
        self.room.ahead.add(self)
        return Step(greeting, Next.WAIT)

    def _from_log(self) -> Step:
        # Offsets may have holes: their distance is the most that the records to read can be.
        if self.room.floor - self.cursor > self.replay_left:
            return self.out_of_reach()
        return Step(b"", Next.LOG)

    def _from_window(self) -> Step:
        data, cursor, whole = self.room.shared.caught_up(self.room, self.codec, self.cursor, latest=self.latest)
        self.cursor = self.room.place if whole else cursor
        return Step(data, Next.LIVE if whole else Next.STEP)

    def _greeting(self) -> bytes:
        """`subscribed` for a cursor that is honoured, where it is still to be said."""
        if self.phase is not Phase.JOINING:
            return b""
        self.phase = Phase.BEHIND
        room = self.room
        message = Subscribed(
            room=room.name, epoch=room.stream.epoch, head=room.place, recovered=True, id=self.request_id
        )
        return self.codec.frame(message)
