"""One room that a client follows: what it has seen, what it asks for, and what the server's messages about it mean.

    phase       what happens                    next
    WANTED      the subscribe is sent           REQUESTED
    WANTED      the connection is lost          WANTED
    REQUESTED   subscribed                      JOINED
    REQUESTED   an error: try again later       WAITING
    REQUESTED   an error: give up               CLOSED
    REQUESTED   the connection is lost          WANTED
    JOINED      an event after a gap            WANTED      the client unsubscribes first
    JOINED      subscribed (starts over)        JOINED
    JOINED      subscribed (of another log)     WANTED      the client unsubscribes first
    JOINED      an error: try again later       WAITING
    JOINED      an error: give up               CLOSED
    JOINED      the connection is lost          WANTED
    WAITING     the wait is over                WANTED
    WAITING     the connection is lost          WANTED
    any         the user leaves                 CLOSED

Rules:

1. Each subscribe has an id. Until the server answers under that id, any message about the room belongs to an older
   subscription and is ignored.
2. ``cursor`` is the last event seen, or the head of the state that the room began with. It only moves forward, except
   when the room starts over. An event at or before it is a duplicate.
3. ``covered`` is how far nothing can be missing: the cursor, or further if the server said that it skipped events. An
   event whose ``prev`` lies beyond it reveals a gap. Resuming uses the cursor: newer versions of what was skipped
   follow.
4. A cursor of another log is answered with a replay, of which `seen` picks what is new; until then the cursor stays
   what it was. If the log changes under a room that is joined, the client asks again with its cursor, once.
5. After a gap the client asks for the room again from the cursor. If the same gap occurs again, the server does not
   have what is missing: the client then asks without a cursor, and the room starts over and says so.

No event loop, socket or clock: times are passed in, in seconds on any clock that never goes back.
"""

from enum import Enum, auto
from typing import Any

import msgspec

from touchline.errors import RoomRefused
from touchline_protocol import messages
from touchline_protocol.cursor import Cursor
from touchline_protocol.messages import Deliver, RoomRequest

from .items import Event, Gap, Item, Joined, Refused, Skipped
from .presence import RoomPresence
from .seen import Replay, SeenEvents


class Phase(Enum):
    """Where a room is; see the table above."""

    WANTED = auto()
    REQUESTED = auto()
    JOINED = auto()
    WAITING = auto()
    CLOSED = auto()


class Input(Enum):
    """What can happen to a room."""

    SENT = auto()
    SUBSCRIBED = auto()
    GAP = auto()
    MOVED = auto()
    RETRY = auto()
    GIVE_UP = auto()
    DUE = auto()
    LOST = auto()
    LEFT = auto()


TRANSITIONS: dict[tuple[Phase, Input], Phase] = {
    (Phase.WANTED, Input.SENT): Phase.REQUESTED,
    (Phase.WANTED, Input.LOST): Phase.WANTED,
    (Phase.REQUESTED, Input.SUBSCRIBED): Phase.JOINED,
    (Phase.REQUESTED, Input.RETRY): Phase.WAITING,
    (Phase.REQUESTED, Input.GIVE_UP): Phase.CLOSED,
    (Phase.REQUESTED, Input.LOST): Phase.WANTED,
    (Phase.JOINED, Input.GAP): Phase.WANTED,
    (Phase.JOINED, Input.SUBSCRIBED): Phase.JOINED,
    (Phase.JOINED, Input.MOVED): Phase.WANTED,
    (Phase.JOINED, Input.RETRY): Phase.WAITING,
    (Phase.JOINED, Input.GIVE_UP): Phase.CLOSED,
    (Phase.JOINED, Input.LOST): Phase.WANTED,
    (Phase.WAITING, Input.DUE): Phase.WANTED,
    (Phase.WAITING, Input.LOST): Phase.WANTED,
} | {(phase, Input.LEFT): Phase.CLOSED for phase in Phase}


class Room:
    """One room. ``request_id`` is that of the last subscribe sent; ``retries`` counts refusals in a row.

    ``retry_at`` is when to ask again, in the phase WAITING.
    """

    __slots__ = (
        "_covered",
        "_gap_at",
        "_last",
        "_replay",
        "_seen",
        "_seen_before",
        "cursor",
        "deliver",
        "name",
        "phase",
        "presence",
        "request_id",
        "retries",
        "retry_at",
    )

    def __init__(
        self, name: str, *, after: Cursor | None, last: int, deliver: Deliver, occupancy: bool, members: bool
    ) -> None:
        self.name = name
        self.cursor = after
        self.deliver = deliver
        self.presence = RoomPresence(occupancy=occupancy, members=members)
        self.phase = Phase.WANTED
        self.request_id: int | None = None
        self.retries = 0
        self.retry_at = 0.0
        self._last = last
        self._seen_before = after is not None
        self._covered = -1
        self._gap_at: Cursor | None = None
        self._seen = SeenEvents()
        self._replay: Replay | None = None

    def move(self, happened: Input) -> None:
        """Follow the table. A KeyError is our own bug."""
        self.phase = TRANSITIONS[self.phase, happened]
        if self.phase is not Phase.JOINED:
            self._replay = None

    @property
    def on_server(self) -> bool:
        """Whether the server may count this client among the room's, so that it has to unsubscribe to leave."""
        return self.phase in (Phase.REQUESTED, Phase.JOINED)

    def request(self) -> RoomRequest:
        """What to ask for now."""
        epoch, after, ts = self.cursor if self.cursor is not None else (None, None, None)
        return RoomRequest(
            room=self.name,
            epoch=epoch,
            after=after,
            last=self._last,
            deliver=self.deliver,
            occupancy=self.presence.asks_occupancy,
            members=self.presence.asks_members,
            ts=ts,
        )

    def request_sent(self, request_id: int) -> None:
        """The subscribe is on its way."""
        self.request_id = request_id
        self.move(Input.SENT)

    def refused(self, error: messages.Error, *, retry_at: float | None) -> list[Item]:
        """The server refused the room. ``retry_at`` is when to ask again; None gives up."""
        if retry_at is not None:
            self.retries += 1
            self.retry_at = retry_at
            self.move(Input.RETRY)
            return []
        self.move(Input.GIVE_UP)
        return [Refused(RoomRefused(self.name, error.code, error.message))]

    def subscribed(self, message: messages.Subscribed) -> list[Item]:
        """Join, or start over."""
        if self.phase is Phase.REQUESTED:
            if message.id != self.request_id:
                return []
        elif self.phase is not Phase.JOINED or message.id is not None:
            return []
        elif self._may_go_on(message):
            self.move(Input.MOVED)
            return []
        self.move(Input.SUBSCRIBED)
        self.retries = 0
        self._replay = None
        if message.recovered:
            return self._resume(message)
        if message.after is None or self.cursor is None:
            return self._begin(message)
        self._replay = Replay(message, self._seen, self.cursor.ts)
        self._covered = message.after
        if not self._replay.known:
            return []
        return [self._go_on(message, Cursor(message.epoch, message.after, self.cursor.ts))]

    def event(self, message: messages.Event) -> list[Item]:
        """Handle an event: new, a duplicate, or one after a gap."""
        if self.phase is not Phase.JOINED or self.cursor is None:
            return []
        if self._replay is not None and not self._replay.known:
            return self._replayed_event(self._replay, message)
        epoch, seen = message.epoch or self.cursor.epoch, self.cursor.offset
        if message.offset <= seen:
            return []
        if message.prev is not None and message.prev > self._covered:
            return [self._gap(message.prev)]
        self.cursor = Cursor.at(epoch, message.offset, message.ts)
        self._covered = max(self._covered, message.offset)
        self._gap_at = None
        self._seen.add(message)
        return [_event(message, epoch)]

    def skipped(self, message: messages.Skipped) -> list[Item]:
        """Record what the server left out."""
        if self.phase is not Phase.JOINED:
            return []
        self._covered = max(self._covered, message.to)
        return [Skipped(message.count)]

    def present(self, message: messages.Occupancy | messages.Members | messages.MembersChanged) -> list[Item]:
        """Handle a message about who is in the room."""
        if self.phase is not Phase.JOINED:
            return []
        match message:
            case messages.Occupancy():
                return [self.presence.count(message)]
            case messages.Members():
                return [self.presence.list_members(message)]
            case _:
                changed = self.presence.change_members(message)
                return [] if changed is None else [changed]

    def replayed(self, message: messages.Replayed) -> list[Item]:
        """All events of a replay have come."""
        replay, self._replay = self._replay, None
        if replay is None or replay.known or self.phase is not Phase.JOINED:
            return []
        covered, head = self._covered, replay.answer.head
        items = self._go_on_with_state(replay) if replay.is_same_log else self._begin(replay.answer)
        self._covered = max(covered, head)
        for event in replay.held:
            if event.offset > head:  # newer than the state
                items += self.event(event)
        assert self.cursor is not None  # noqa: S101 - both ways to go on set it
        ts = self.cursor.ts if message.ts is None else message.ts
        self.cursor = self.cursor._replace(offset=max(self.cursor.offset, message.to), ts=ts)
        return items

    def _may_go_on(self, message: messages.Subscribed) -> bool:
        """Whether a start over is one of another log, in which the client may find its place."""
        cursor = self.cursor
        return not message.recovered and cursor is not None and cursor.ts is not None and cursor.epoch != message.epoch

    def _replayed_event(self, replay: Replay, message: messages.Event) -> list[Item]:
        """An event of another log, while it is not known which of its events are new."""
        if message.prev is not None and message.prev > self._covered:
            return [self._gap(message.prev)]
        self._covered = max(self._covered, message.offset)
        replay.take(message)
        if replay.is_too_long:
            items = self._begin(replay.answer)
            self.move(Input.MOVED)  # to ask for the events behind the head again
            return items
        if not replay.known:
            return []
        epoch = message.epoch or replay.answer.epoch
        return [self._go_on(replay.answer, Cursor.at(epoch, message.offset, message.ts))]

    def _go_on(self, answer: messages.Subscribed, cursor: Cursor) -> Joined:
        """Go on in another log, with all events behind a cursor."""
        return self._join(cursor, answer, restarted=False)._replace(recovered=True, moved=True)

    def _go_on_with_state(self, replay: Replay) -> list[Item]:
        """Go on in another log that lacks events which the client has: with its state, and the events that are new."""
        answer, ts = replay.answer, None if self.cursor is None else self.cursor.ts
        epoch, head = answer.epoch, answer.head
        state = tuple(_event(event, epoch) for event in replay.state)
        new = [event for event in replay.held if event.offset <= head]
        for event in new:
            self._seen.add(event)
        begin = Cursor(epoch, new[0].offset - 1 if new else head, ts)
        end = Cursor.at(epoch, head, new[-1].ts) if new else begin
        joined = self._join(end, answer, restarted=False, state=state)
        joined = joined._replace(cursor=begin, recent=len(new), recovered=True, moved=True, replaces_state=True)
        return [joined, *(_event(event, epoch) for event in new)]

    def _resume(self, message: messages.Subscribed) -> list[Item]:
        # Without a cursor there was nothing to recover. If a server says so all the same, the room begins at its head.
        cursor = self.cursor if self.cursor is not None else Cursor(message.epoch, message.head)
        return [self._join(cursor._replace(epoch=message.epoch), message, restarted=False)]

    def _begin(self, message: messages.Subscribed) -> list[Item]:
        epoch = message.epoch
        recent = [_event(event, epoch) for event in message.recent if self._is_new(event, message)]
        state = tuple(_event(event, epoch) for event in message.state)
        self._seen.begin({event.offset: event for event in (*message.state, *message.recent)}.values())
        head = Cursor(epoch, message.head, message.ts)
        joined = self._join(head, message, restarted=self._seen_before, state=state)
        cursor = Cursor(epoch, recent[0].offset - 1) if recent else joined.cursor
        return [joined._replace(cursor=cursor, recent=len(recent)), *recent]

    def _is_new(self, event: messages.Event, message: messages.Subscribed) -> bool:
        """Whether the reader has not seen a recent event. A cursor beyond the head proves nothing."""
        cursor = self.cursor
        return cursor is None or cursor.epoch != message.epoch or not event.offset <= cursor.offset <= message.head

    def _join(
        self, cursor: Cursor, message: messages.Subscribed, *, restarted: bool, state: tuple[Event, ...] = ()
    ) -> Joined:
        self.cursor = cursor
        self._covered = cursor.offset
        self._last = 0
        self._seen_before = True
        return Joined(cursor, message.head, message.recovered, restarted, state, state_complete=message.state_complete)

    def _gap(self, prev: int) -> Gap:
        gap = Gap(prev, self._covered)
        self.move(Input.GAP)
        if self._gap_at == self.cursor:
            self.cursor = self._gap_at = None
        else:
            self._gap_at = self.cursor
        return gap


def _event(message: messages.Event, epoch: str) -> Event:
    data = _data(message.data)
    return Event(message.room, message.offset, message.key, message.ts, data, epoch, message.traceparent)


def _data(data: Any) -> Any:
    """The data as an `Event` has it: the codec `RAW_JSON` leaves it as it arrived."""
    if not isinstance(data, msgspec.Raw):
        return data
    json = bytes(data)
    return None if json == b"null" else json
