"""What a process knows of each room's state, from the events of all of its clients, and whether a join agrees. Pure.

A fresh join brings the state at its ``head``. The events that other clients of this process received add up to a state
too. Where both are known for the same position they have to be equal, key by key. Rules:

1. An event moves a room on only if it follows the newest one known. After a hole, a room is unknown until the next
   join that brings a complete state.
2. A join behind the newest event is compared with the past, which a bounded number of changes can restore.
3. A join ahead of the newest event waits, until an event shows that none was between them.
4. Where nothing is known, nothing is claimed. The offline checker, which has the log, knows everything.
"""

from collections import deque
from typing import Any, NamedTuple

from touchline_protocol.messages import Event, Subscribed

from .findings import WRONG_STATE

CHANGES_MAX = 1000
"""Changes of a room that can be taken back: a join that is further behind is not checked."""
WAITING_MAX = 8
"""Joins of a room that wait for the next event. At a kick-off thousands join at the same position."""

_State = dict[str, tuple[int, Any]]
"""For each key the offset of its newest event, and the data."""


class Wrong(NamedTuple):
    """A state that is not right: a breach without its client."""

    kind: str
    text: str
    room: str
    offset: int


class _Change(NamedTuple):
    offset: int
    key: str
    before: tuple[int, Any] | None


class _RoomState:
    """One room: the state after ``last``. ``epoch`` is empty while nothing is known."""

    __slots__ = ("changes", "epoch", "floor", "last", "state", "waiting")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.epoch = ""
        self.last = -1
        self.floor = -1  # the state before this cannot be restored
        self.state: _State = {}
        self.changes: deque[_Change] = deque()
        self.waiting: list[Subscribed] = []

    def begin(self, join: Subscribed) -> None:
        self.forget()
        self.epoch = join.epoch
        self.last = self.floor = join.head
        self.state = _of_join(join)

    def apply(self, event: Event) -> None:
        self.last = event.offset
        key = event.key
        if key is None:
            return
        self.changes.append(_Change(event.offset, key, self.state.get(key)))
        if len(self.changes) > CHANGES_MAX:
            self.floor = self.changes.popleft().offset
        if event.data is None:
            self.state.pop(key, None)
        else:
            self.state[key] = (event.offset, event.data)

    def at(self, head: int) -> _State:
        """The state at ``head``, which is between ``floor`` and ``last``."""
        past = dict(self.state)
        for change in reversed(self.changes):
            if change.offset <= head:
                break
            if change.before is None:
                past.pop(change.key, None)
            else:
                past[change.key] = change.before
        return past


class Referee:
    """All rooms of a process."""

    def __init__(self) -> None:
        self._rooms: dict[str, _RoomState] = {}

    def join(self, join: Subscribed) -> Wrong | None:
        """A client has joined freshly."""
        room = self._rooms.get(join.room)
        if room is None:
            room = self._rooms[join.room] = _RoomState()
        if not join.state_complete:
            return None
        if room.epoch != join.epoch:
            room.begin(join)  # nothing was known, or it was of another log
        elif join.head > room.last:
            if len(room.waiting) < WAITING_MAX:
                room.waiting.append(join)
        elif join.head >= room.floor:
            return _compare(join, room.at(join.head))
        return None

    def event(self, event: Event, epoch: str) -> Wrong | None:
        """A client has received an event; ``epoch`` is the one that it belongs to."""
        room = self._rooms.get(event.room)
        if room is None or event.offset <= room.last or not room.epoch:
            return None
        if epoch != room.epoch and event.epoch is None:
            return None  # its client is still in another log
        if event.prev is None or event.prev > room.last:
            room.forget()
            return None
        wrong = self._settle(room, event)
        room.epoch = epoch
        room.apply(event)
        return wrong

    @staticmethod
    def _settle(room: _RoomState, event: Event) -> Wrong | None:
        """Nothing lies between the newest event and this one, so the joins in between had the present state."""
        if not room.waiting:
            return None
        ready = [join for join in room.waiting if join.head < event.offset]
        room.waiting = [join for join in room.waiting if join.head >= event.offset]
        return next((wrong for join in ready if (wrong := _compare(join, room.state)) is not None), None)


def _compare(join: Subscribed, expected: _State) -> Wrong | None:
    found = _of_join(join)
    if found == expected:
        return None
    if found.keys() != expected.keys():
        missing, extra = expected.keys() - found.keys(), found.keys() - expected.keys()
        text = "keys are missing from the state" if missing else "the state has keys that were removed or never set"
        offset = expected[min(missing)][0] if missing else found[min(extra)][0]
    else:
        wrong = min(key for key in found if found[key] != expected[key])
        text = "the state has another event for a key than the one that was last"
        offset = expected[wrong][0]
    return Wrong(WRONG_STATE, text, join.room, offset)


def _of_join(join: Subscribed) -> _State:
    return {event.key: (event.offset, event.data) for event in join.state if event.key is not None}
