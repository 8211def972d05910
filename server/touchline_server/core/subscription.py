"""A subscription: one client in one room, and how it catches up.

A subscription is a cursor. It is live (the room's flushes write to it) or it is not, and then there is one remedy,
`catch_up`, whether the client joins, comes back, or reads too slowly. Each call takes one step and says what is next.

    JOINING ──► BEHIND ◄─► LIVE        JOINING   `subscribed` has not been sent yet
       │          ▲                    BEHIND    events up to the room's position are missing
       └► AHEAD ──┘                    AHEAD     the cursor is beyond what this edge has read: it waits for that
                                       LEFT      unsubscribed, or the client is gone (from any of the others)

Rules:

1. Nothing of a room is written before its `subscribed`, and nothing twice. The bytes of a step are written at once,
   before the loop does anything else.
2. The cursor moves only over what was returned to be written, or named as skipped.
3. Events that only the log holds are read by the shell and given to `replay`: at most ``replay_left`` offsets per
   catch-up.
4. A cursor is honoured only if the log holds what its client has seen (`core.terms`). The window can tell, or else the
   log is asked. A client that waited (AHEAD) is checked again.
5. A cursor of another log has no offset here. If it has a timestamp, its place is found by that (`docs/kafka.md`,
   "Clusters that move"): the client receives the state, as one that starts over does, and then all events from that
   place on, of which it picks those that it does not have. One that had seen all of a partition which the room then
   left goes on behind the move.
6. A client further behind, or behind what the log holds, starts over from the state and is told so, if it joins with
   such a cursor or wants the ``latest`` anyway. One that was promised ``all`` is closed: it can resume, and is told so
   then.
"""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Generic, NamedTuple, TypeVar

from touchline_protocol.codecs import Codec
from touchline_protocol.cursor import Cursor
from touchline_protocol.messages import Replayed, RoomRequest, Skipped, Subscribed

from .clocks import LoopMs
from .counters.edge import FROM_LOG, FROM_STATE, FROM_WINDOW
from .effects import LogRange
from .rooms.encoding import encode_catch_up
from .rooms.partition_window import RoomEvent
from .rooms.room import Room, Write
from .rooms.snapshots import Found

C = TypeVar("C")
"""The client: opaque here."""


class Phase(Enum):
    """Where a subscription is; see the picture above."""

    JOINING = auto()
    BEHIND = auto()
    LIVE = auto()
    AHEAD = auto()
    LEFT = auto()


class NextStep(Enum):
    """What comes after a step."""

    STEP = auto()  # another step, as soon as the client takes more
    LIVE = auto()  # nothing is missing any more: the subscriber makes it live
    STORE = auto()  # the room's state from before the window is loaded; then another step
    LOG = auto()  # the range `wanted` is read from the log, and given to `replay`
    PLACE = auto()  # the log is asked where the time of a cursor of another log is, for `at_place`
    LOG_END = auto()  # the log is asked where the cursor's term ends, for `at_log_end`: does the log hold this cursor?
    WAIT = auto()  # nothing, until the room has reached the cursor
    CLOSE = auto()  # the connection is closed: what the client was promised is not there any more


class Step(NamedTuple):
    """The bytes to write now, and what comes next."""

    data: bytes
    next: NextStep


GO_ON = Step(b"", NextStep.STEP)
"""Nothing to write now, and another step."""


class Subscription(Generic[C]):
    """One client in one room. ``cursor`` is the last offset that the client was brought to, while it is not live.

    ``seen`` is the last offset of an event that the client has, or knows to be skipped: it is below the cursor where
    the log was read and had nothing. ``behind_since_ms`` is when the client first took no more since it was live, or
    since it joined; None if it takes.
    ``term`` is the newest term that the client was told of. ``is_proven``: it is known that the log holds the cursor.
    ``replayed`` is the room's newest offset in what this catch-up read from the log: the ``prev`` of the next event.
    ``store_generation`` is the generation of the room for which the room store was asked on behalf of this one.
    The store is asked once per generation. ``replaying``: its place was found in another log, and the events from there
    on are still being sent. ``searching``: among them are some that the client has, and it looks for these. ``source``
    is what the catch-up has used so far: see `ClientCounters`.
    """

    __slots__ = (
        "behind_since_ms",
        "client",
        "codec",
        "cursor",
        "generation",
        "is_proven",
        "latest",
        "phase",
        "replay_left",
        "replay_records_max",
        "replayed",
        "replaying",
        "request",
        "request_id",
        "room",
        "searching",
        "seen",
        "source",
        "store_generation",
        "term",
    )

    def __init__(
        self,
        client: C,
        codec: Codec,
        room: "Room[Subscription[C]]",
        request: RoomRequest,
        request_id: int | None,
        replay_records_max: int,
    ) -> None:
        self.client = client
        self.room = room
        self.codec = codec
        self.request = request
        self.request_id = request_id
        self.latest = request.deliver == "latest"
        self.phase = Phase.JOINING
        self.generation = room.contents.generation
        self.cursor = self.seen = -1 if request.after is None else request.after
        self.replay_records_max = replay_records_max
        self.replay_left = replay_records_max
        self.behind_since_ms: LoopMs | None = None
        self.replayed: int | None = None
        self.source: str | None = None
        self.store_generation: int | None = None
        self.term = 0
        self.is_proven = False
        self.replaying = self.searching = False

    @property
    def wanted(self) -> LogRange:
        """What to read after `NextStep.LOG`; which partition and term to ask for after `NextStep.LOG_END`."""
        contents = self.room.contents
        return LogRange(contents.window, self.cursor, contents.floor, self.term, is_proven=self.is_proven)

    @property
    def is_over(self) -> bool:
        """Whether what was read for it is of no use: the client left, or the room has started over in the meantime."""
        return self.phase is Phase.LEFT or self.generation != self.room.contents.generation

    def go_live(self, write: Write) -> None:
        """Nothing is missing: the room's flushes write to the client from the next one on."""
        self.phase = Phase.LIVE
        self.behind_since_ms = None
        self.room.enter(self, self.codec, write)

    def fall_behind(self) -> None:
        """The client takes no more: a live subscription becomes a cursor at the room's position."""
        if self.phase is Phase.LIVE:
            if self.room.leave_live(self, self.codec):
                self.generation = self.room.contents.generation
            self.phase = Phase.BEHIND
            contents = self.room.contents
            self.cursor = self.seen = contents.position
            self.term = max(self.term, contents.window.term_of(contents.epoch) or 0)
            self.replay_left = self.replay_records_max
            self.replayed = self.source = None

    def leave(self) -> None:
        """The client leaves the room."""
        self.phase = Phase.LEFT
        self.room.leave(self, self.codec)

    def catch_up(self) -> Step:
        """Take one step. Not for a subscription that is live, ahead or left."""
        contents = self.room.contents
        if not contents.loaded and self.store_generation != contents.generation:
            self.store_generation = contents.generation
            return Step(b"", NextStep.STORE)
        if self.phase is Phase.JOINING:
            return self._join()
        if self.generation != contents.generation:
            return self.start_over()
        if not self.is_proven:
            return self._check()
        if self.cursor < contents.floor:
            return self._from_log()
        return self._from_window()

    def replay(self, events: Sequence[RoomEvent], reached: int) -> Step:
        """Take the room's events from what was read of `wanted`; ``reached`` is how far that went."""
        self.is_proven, self.source = True, FROM_LOG
        self.replay_left -= reached - self.cursor
        self.cursor = reached
        if not events and self.phase is not Phase.JOINING:
            return GO_ON  # as for most rooms and chunks
        greeting = self._greeting()
        for event in events:
            if event.announces:
                self.term = self.room.contents.window.term_of(event.epoch) or self.term
        if events:
            self.replayed = self.seen = events[-1].offset
        made = encode_catch_up(
            self.room.contents,
            self.codec,
            events,
            cursor=reached,
            latest=self._leaves_out,
            searching=self.searching,
            bytes_max=None,
        )
        return Step(greeting + made.data, NextStep.STEP)

    def at_log_end(self, end: int | None) -> Step:
        """Go on from the cursor, wait for it, or start over.

        ``end`` is where the cursor's term ends in the log, 0 if the log has nothing of that term, None if the log could
        not be asked. Then a client may wait, since it is checked again when it is woken, but nothing is handed out.
        """
        is_held = self.room.contents.window.terms.hold(self.term, self.cursor)
        is_ahead = self._is_ahead
        if is_held and not is_ahead:
            return self._go_on()  # the room got there while the log was asked
        if is_held is False or (end is not None and self.cursor >= end):
            return self.start_over()
        if is_ahead:
            return self.start_over() if end == 0 else self._wait()
        return self.start_over() if end is None else self._go_on()

    def is_place_too_far(self, first: int | None) -> bool:
        """Whether a place is unknown, or more would have to be read from there than may be."""
        return first is None or self.room.contents.floor - (first - 1) > self.replay_left

    def at_place(self, first: int | None, in_window: int | None) -> Step:
        """Go on from the first record of the cursor's time; None if the log does not reach back that far.

        ``in_window`` is the first one by the window's own times, which counts if the other is of no use.
        """
        place = in_window if self.is_place_too_far(first) else first
        return self.start_over() if place is None else self._replay_after(place - 1, by_time=True)

    @property
    def is_out_of_reach(self) -> bool:
        """Whether more is missing than may be read."""
        # Offsets may have holes: their distance is the most that the records to read can be.
        return self.room.contents.floor - self.cursor > self.replay_left

    def out_of_reach(self) -> Step:
        """The missing events are not in the log any more, or are too many to be read."""
        if self.latest or self.phase is Phase.JOINING:
            return self.start_over()
        return Step(b"", NextStep.CLOSE)

    def start_over(self) -> Step:
        """The cursor cannot be honoured: start over from the state, and tell the client."""
        room = self.room
        room.skip_in_flush(self)  # what a flush under way would still write is in this state, or from another log
        self.generation = room.contents.generation
        self.is_proven, self.source = True, FROM_STATE
        self.replaying = self.searching = False
        self.term = room.contents.window.term
        request_id, last = (self.request_id, self.request.last or 0) if self.phase is Phase.JOINING else (None, 0)
        self.phase = Phase.BEHIND
        data = room.snapshots.frame(room.contents, self.codec, last=last, request_id=request_id)
        self.cursor = self.seen = room.contents.position
        return Step(data, NextStep.LIVE)

    def _join(self) -> Step:
        contents = self.room.contents
        self.generation = contents.generation
        term = contents.window.term_of(self.request.epoch)
        if self.request.after is None or (term is None and self.request.ts is None):
            return self.start_over()
        if term is None:
            return self._find_place()
        self.term = term
        return self._check()

    def _find_place(self) -> Step:
        """The cursor is of another log, or of another partition than the one that the room is in."""
        cursor, contents = self.request, self.room.contents
        if contents.window.same_topic(cursor.epoch):
            left, after = self.room.left, cursor.after
            has_all = left is not None and after is not None and left.is_behind(cursor.epoch, after)
            return self._replay_after(contents.moved_at, by_time=False) if has_all else self.start_over()
        return Step(b"", NextStep.PLACE)

    def _replay_after(self, place: int, *, by_time: bool) -> Step:
        """Send the state, and then all events behind a place: those of them that are older than the state, too."""
        room = self.room
        contents = room.contents
        self.cursor = self.seen = min(place, contents.position)
        if self.cursor < contents.floor and self.is_out_of_reach:
            return self.start_over()
        self.generation = contents.generation
        self.is_proven = self.replaying = True
        self.searching = by_time
        self.term = contents.window.term
        self.phase = Phase.BEHIND
        found = Found(self.cursor, by_time)
        data = room.snapshots.frame(contents, self.codec, request_id=self.request_id, found=found)
        return Step(data, NextStep.STEP)

    @property
    def _leaves_out(self) -> bool:
        """Whether obsolete events are left out. In another log the client knows its place by any of its events."""
        return self.latest and not self.replaying

    @property
    def _is_ahead(self) -> bool:
        """Whether the client has come from an edge that has read more than this one."""
        contents = self.room.contents
        return self.cursor > contents.position or self.term > contents.window.term

    def _check(self) -> Step:
        """Find out whether the log holds the cursor, from the window if it can tell."""
        contents = self.room.contents
        window = contents.window
        is_held = window.terms.hold(self.term, self.cursor)
        if is_held is False:
            return self.start_over()
        if self._is_ahead:
            # Within what was read already it is a matter of the next flush; beyond that only the log can tell.
            is_flush_due = self.term <= window.term and self.cursor < window.next_offset
            was_asked = self.phase is not Phase.JOINING
            return self._wait() if is_flush_due or was_asked else Step(b"", NextStep.LOG_END)
        if self.cursor < contents.floor:
            return self._from_log()
        return self._go_on() if is_held else Step(b"", NextStep.LOG_END)

    def _go_on(self) -> Step:
        self.is_proven = True
        return Step(self._greeting(), NextStep.STEP)

    def _wait(self) -> Step:
        greeting = self._greeting()
        self.phase = Phase.AHEAD
        self.behind_since_ms = None
        self.room.wait_ahead(self, self.cursor)
        return Step(greeting, NextStep.WAIT)

    def _from_log(self) -> Step:
        return self.out_of_reach() if self.is_out_of_reach else Step(b"", NextStep.LOG)

    def _from_window(self) -> Step:
        room = self.room
        notice = self._compacted() if self.seen < self.cursor else b""
        data, cursor, complete = room.snapshots.catch_up(
            room.contents, self.codec, self.cursor, latest=self._leaves_out, searching=self.searching
        )
        self.cursor = self.seen = room.contents.position if complete else cursor
        if data and self.source is None:
            self.source = FROM_WINDOW
        if complete and self.replaying:
            self.replaying = self.searching = False
            data += self._end_of_replay()
        return Step(notice + data, NextStep.LIVE if complete else NextStep.STEP)

    def _end_of_replay(self) -> bytes:
        contents = self.room.contents
        at = Cursor.at(contents.window.epoch, self.cursor, contents.head_ts or self.request.ts or -1)
        return self.codec.frame(Replayed(room=contents.name, to=at.offset, ts=at.ts), at.epoch)

    def _compacted(self) -> bytes:
        """`skipped` for events between the last one that the log still had and the window, which compaction removed.

        Without it, the ``prev`` of the next event would be a gap to the client, for ever: the log has nothing there.
        """
        contents = self.room.contents
        first = next(contents.after(self.cursor), None)
        newest = contents.head if first is None else first.prev
        if newest is None or newest <= self.seen:
            return b""
        return self.codec.frame(Skipped(room=contents.name, from_=self.seen + 1, to=newest, count=0))

    def _greeting(self) -> bytes:
        """`subscribed` for a cursor that is honoured, if it has not been sent yet."""
        if self.phase is not Phase.JOINING:
            return b""
        self.phase = Phase.BEHIND
        contents = self.room.contents
        self.term = max(self.term, contents.window.term)
        message = Subscribed(
            room=contents.name,
            epoch=contents.window.epoch_of(self.term),
            head=contents.position,
            recovered=True,
            id=self.request_id,
        )
        return self.codec.frame(message)
