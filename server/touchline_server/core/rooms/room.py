"""A room: its contents, and the clients that are in it. It makes the flushes that write new events to them.

A member is whatever the layer above follows its clients by; the room never looks into it.

Rules, which make the order right:

1. The contents move forward only in `begin_flush`, together with taking the list of live members. So a member that
   joins sees a position, is brought exactly up to it, and is live from the next flush on.
2. The next flush begins only when the one before has been written to all of its members.
3. Notices, which are not events, go out as parts of a flush, ahead of its events. A flush of notices alone does not
   count for liveness, since not everybody is written to.
4. After a restart, members that were live before it get a snapshot in the next flush, ahead of any event. If a room
   store may know more than such a snapshot would say, the flush wakes them instead.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeAlias, TypeVar

import msgspec

from touchline_protocol.codecs import Codec
from touchline_protocol.server_codecs import ALL_CODECS
from touchline_server.core.clocks import LoopMs

from .contents import Contents
from .partition_window import PartitionWindow, RoomEvent
from .snapshots import SnapshotCache

Write: TypeAlias = Callable[[bytes], object]
"""Where a client's bytes go: its transport's ``write``. The core keeps it and never calls it."""

M = TypeVar("M")
"""A member of a room: hashable, and opaque to it."""


class Left(NamedTuple):
    """The partition that a room has left, and its newest event there."""

    window: PartitionWindow
    head: int

    def is_behind(self, epoch: str | None, after: int) -> bool:
        """Whether a client with this cursor has all of the room's events there."""
        term = self.window.term_of(epoch)
        return term is not None and after >= self.head and self.window.terms.hold(term, after) is True


_ALWAYS = -1
"""A cursor that every position has reached."""


class Delivery(msgspec.Struct, eq=False):
    """The same bytes for several clients: ``data`` is to be handed to each of ``writes``."""

    data: bytes
    writes: list[Write]


class Part(Delivery, Generic[M], eq=False):
    """A part of a flush: a delivery to the live members of one codec. ``members`` are in the order of ``writes``.

    A notice is for a member that starts over in the meantime, too: it is not in the state. ``events``: how many events
    are joined in it.
    """

    members: list[M]
    is_notice: bool = False
    events: int = 0


Notices: TypeAlias = Callable[[Sequence[Mapping[M, Write]]], list[Part[M]]]
"""Makes notices for some of the live members, which are passed in by the index of their codec."""


class Traced(NamedTuple):
    """An event whose record is part of a sampled trace."""

    traceparent: str
    event: RoomEvent


class FlushTrace(NamedTuple):
    """A flush that traced events were part of has been written to ``clients``.

    ``traced`` is never empty.
    """

    traced: Sequence[Traced]
    clients: int


class Flush(msgspec.Struct, Generic[M], eq=False):
    """What a flush writes: one part after the other.

    ``size`` is the number of writes. ``left`` has the members that left since it began, ``gone`` those that started
    over as well: they are passed over, except that a notice passes over only those that left. ``woken`` has the members
    that waited for the room to reach their cursor, or that have to ask the room store. ``oldest`` is the first of its
    ``events``, None if it has none. ``traced`` are those of its events that are part of sampled traces.
    """

    room: "Room[M]"
    parts: list[Part[M]]
    size: int
    gone: set[M]
    left: set[M]
    woken: list[M]
    oldest: RoomEvent | None
    events: int
    traced: Sequence[Traced] = ()


class _Audience(NamedTuple, Generic[M]):
    """The live members of one codec, as lists that a flush can keep: new lists are made when somebody comes or goes."""

    codec: Codec
    members: list[M]
    writes: list[Write]


class Room(Generic[M]):
    """One room of a feed.

    ``members`` counts all that are in the room, live or not. ``queued`` belongs to the hub: whether the room waits for
    its turn to be flushed. ``has_extra``: the next flush may write something besides events.
    ``traced`` are events of sampled traces that wait for the next flush.
    ``left`` is set while it is known what a client has to have seen to miss nothing of the
    partition that the room was in before.
    """

    __slots__ = (
        "_ahead",
        "_audiences",
        "_live",
        "_notices",
        "_restarting",
        "_untold",
        "contents",
        "flush",
        "flushed_ms",
        "has_extra",
        "left",
        "members",
        "name",
        "queued",
        "snapshots",
        "traced",
        "waking",
    )

    def __init__(self, contents: Contents) -> None:
        self.name = contents.name
        self.contents = contents
        self.snapshots = SnapshotCache()
        self.members = 0
        self.has_extra = False
        self.left: Left | None = None
        self.waking = False
        self.queued = False
        self.traced: list[Traced] = []
        self.flush: Flush[M] | None = None
        self.flushed_ms = LoopMs(0)
        self._live: list[dict[M, Write]] = [{} for _ in ALL_CODECS]
        self._audiences: list[_Audience[M]] | None = []
        self._untold: set[M] = set()  # live members that do not know of the last restart yet
        self._ahead: dict[M, int] = {}
        self._restarting = False
        self._notices: Notices[M] | None = None

    @property
    def live(self) -> Sequence[Mapping[M, Write]]:
        """The live members, by the index of their codec."""
        return self._live

    @property
    def has_live(self) -> bool:
        """Whether a flush would have anybody to write to."""
        return bool(self._audience())

    @property
    def is_unused(self) -> bool:
        """Whether it never had an event, as far as is known, and nobody is in it."""
        contents = self.contents
        had_events = contents.head is not None or contents.pending or contents.state
        return contents.history_read and not (self.members or had_events or self.flush)

    def is_idle_since(self, time_ms: int) -> bool:
        """Whether nobody is in it, it has no events in memory, and none came since ``time_ms``."""
        contents = self.contents
        in_use = self.members or contents.events or contents.pending or not contents.history_read
        return not in_use and contents.updated_ms < time_ms

    @property
    def waiting_ahead(self) -> bool:
        """Whether members wait for the room to reach their cursor."""
        return bool(self._ahead)

    def begin_flush(self, now_ms: LoopMs) -> Flush[M] | None:
        """Move the contents over what is pending, and say what to write to which members; None if there is nothing."""
        contents = self.contents
        self.waking = False
        window, head = contents.window, contents.head
        if contents.moving and contents.move_if_due():
            # Where records were lost, those that came first may have been this room's.
            is_known = head is not None and contents.history_read and not contents.window.has_lost
            self.left = Left(window, head) if is_known and head is not None else None
            self._restarted()
        unloaded, parts = self._take_extra(now_ms) if self.has_extra else ([], [])
        batch = contents.advance(now_ms)
        self.snapshots.forget()
        if batch:
            self.flushed_ms = now_ms
            for codec, members, writes in self._audience():
                data = batch[0].frame(codec) if len(batch) == 1 else b"".join([event.frame(codec) for event in batch])
                parts.append(Part(data, writes, members, events=len(batch)))
        traced = self._take_traced() if self.traced else ()
        woken = unloaded + (self._wake() if self._ahead else [])
        if not parts and not woken:
            return None
        size = len(parts[0].writes) if len(parts) == 1 else sum(len(part.writes) for part in parts)
        self.flush = Flush(self, parts, size, set(), set(), woken, batch[0] if batch else None, len(batch), traced)
        return self.flush

    def end_flush(self) -> None:
        """The flush has been written to all of its members."""
        self.flush = None

    def restart(self, window: PartitionWindow, *, same_log: bool) -> None:
        """Make everybody start over: the room goes on in ``window``, of another log or after lost records."""
        self.contents.restart(window, same_log=same_log)
        self.traced = []
        self.left = None
        self._restarted()

    def start_over(self) -> None:
        """Make everybody start over from the state, which changed without an event of the room."""
        self.contents.generation += 1
        self.left = None  # a straggler came, which no client has seen
        self._restarted()

    def announce(self, notices: Notices[M]) -> None:
        """Write with the next flush, ahead of its events, what ``notices`` makes for the members that are live then."""
        self._notices = notices
        self.has_extra = True

    def enter(self, member: M, codec: Codec, write: Write) -> None:
        """Make a member that was brought up to the position live: the next flush writes to it."""
        self._live[codec.index][member] = write
        self._audiences = None

    def leave_live(self, member: M, codec: Codec) -> bool:
        """Make a member not live. A flush that has begun still includes it.

        Returns whether it has been told of all restarts; if not, it still has to start over.
        """
        if self._live[codec.index].pop(member, None) is not None:
            self._audiences = None
        if member not in self._untold:
            return True
        self._untold.discard(member)
        return False

    def wait_ahead(self, member: M, cursor: int) -> None:
        """Wake the member once the room has reached ``cursor``, or has restarted."""
        self._ahead[member] = cursor

    def wake_from(self, offset: int) -> bool:
        """Wake those that wait for ``offset`` or a later one, with the next flush: the log has other events there now.
        Returns whether there are any."""
        for member, cursor in self._ahead.items():
            if cursor >= offset:
                self._ahead[member] = _ALWAYS
                self.waking = True
        return self.waking

    def leave(self, member: M, codec: Codec) -> None:
        """Forget a member, and write nothing more to it."""
        self.leave_live(member, codec)
        self._ahead.pop(member, None)
        self.members -= 1
        self.skip_in_flush(member)
        if self.flush is not None:
            self.flush.left.add(member)

    def skip_in_flush(self, member: M) -> None:
        """Write nothing more to a member in the flush that is under way."""
        if self.flush is not None:
            self.flush.gone.add(member)

    def release(self) -> None:
        """Break the cycles through this room: nobody asks for it any more."""
        self.contents.release()
        self.snapshots.forget()

    def _audience(self) -> list[_Audience[M]]:
        if self._audiences is None:
            self._audiences = [
                _Audience(codec, list(members), list(members.values()))
                for codec in ALL_CODECS
                if (members := self._live[codec.index])
            ]
        return self._audiences

    def _take_traced(self) -> Sequence[Traced]:
        """Take the traced events that the contents have moved over."""
        waiting = self.contents.pending  # those behind a move to another partition
        taken = [traced for traced in self.traced if traced.event not in waiting]
        self.traced = [traced for traced in self.traced if traced.event in waiting]
        return taken

    def _restarted(self) -> None:
        self._restarting = self.has_extra = True
        self.snapshots.forget()
        for members in self._live:
            self._untold.update(members)
        self._ahead = dict.fromkeys(self._ahead, _ALWAYS)

    def _take_extra(self, now_ms: LoopMs) -> tuple[list[M], list[Part[M]]]:
        """What a flush does besides events: the members that have to ask the room store, and parts ahead of events."""
        self.has_extra = False
        unloaded = self._take_unloaded() if self._restarting and not self.contents.loaded else []
        parts: list[Part[M]] = []
        if self._restarting:
            parts = self._restart_parts()
            self.flushed_ms = now_ms
        if self._notices is not None:
            parts += self._notices(self._live)
            self._notices = None
        return unloaded, parts

    def _take_unloaded(self) -> list[M]:
        """Make the members that have to start over not live, so that each asks the room store first.

        They stay untold until they are woken: in the meantime they may fall behind or leave like any other.
        """
        self._restarting = False
        taken: list[M] = []
        for live in self._live:
            members = [member for member in live if member in self._untold]
            for member in members:
                del live[member]
            taken += members
        self._audiences = None
        return taken

    def _restart_parts(self) -> list[Part[M]]:
        """Snapshots, as of before what is pending, for the live members that have to start over."""
        self._restarting = False
        untold, self._untold = self._untold, set()
        parts: list[Part[M]] = []
        for codec in ALL_CODECS:
            live = self._live[codec.index]
            members = [member for member in live if member in untold]
            if members:
                data = self.snapshots.frame(self.contents, codec)
                parts.append(Part(data, [live[member] for member in members], members))
        return parts

    def _wake(self) -> list[M]:
        """Take those that waited for a cursor that the room has reached."""
        position = self.contents.position
        woken = [member for member, cursor in self._ahead.items() if cursor <= position]
        for member in woken:
            del self._ahead[member]
        return woken
