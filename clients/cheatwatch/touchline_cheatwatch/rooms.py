"""What is known of the rooms' events: the newest few of each room, and how many of each name there were.

Pure, and bounded: `EVENTS_KEPT_MAX` events and `NAMES_MAX` names of a room, and as many rooms as it is told.
"""

from collections import OrderedDict, deque
from collections.abc import Collection
from typing import NamedTuple

EVENTS_KEPT_MAX = 256
"""Of a room: actions are joined to events of seconds ago. At 10 events a second it is 25 s, and 40 KB a room."""

NAMES_MAX = 256
"""Of a room's events, counted each on its own. A feed has some dozens of keys or types."""


class Event(NamedTuple):
    """An event of a room. ``name`` is its key, or its type where it has none; ``ms`` the log's time of it."""

    offset: int
    ms: int
    name: str


class Room:
    """The events of one room. ``whole``: all since the beginning of the log were handed in, so `counts` are totals.

    ``serial`` tells a room that was forgotten and is known again, whose counts began anew, from what it was before.
    """

    __slots__ = ("_events", "complete", "counts", "names_full", "serial")

    def __init__(self, serial: int, *, complete: bool) -> None:
        self.serial = serial
        self.complete = complete
        self.counts: dict[str, int] = {}
        self.names_full = False
        """Whether there were more names than are counted, so that `counts` is no ground to accuse on."""
        self._events: deque[Event] = deque(maxlen=EVENTS_KEPT_MAX)

    def add(self, event: Event) -> None:
        """The next event; those that were added before, as after a read that began anew, are passed over."""
        if self._events and event.offset <= self._events[-1].offset:
            return
        self._events.append(event)
        if event.name in self.counts or len(self.counts) < NAMES_MAX:
            self.counts[event.name] = self.counts.get(event.name, 0) + 1
        else:
            self.names_full = True

    def at(self, offset: int) -> Event | None:
        """The event at ``offset``; None if it is none of this room, or too old."""
        for event in reversed(self._events):
            if event.offset <= offset:
                return event if event.offset == offset else None
        return None

    def newest_before(self, ms: int, names: Collection[str] = ()) -> Event | None:
        """The newest event that had happened at ``ms``, of these names if any are given."""
        for event in reversed(self._events):
            if event.ms <= ms and (not names or event.name in names):
                return event
        return None


class Rooms:
    """All rooms, at most ``rooms_max``: the one without events for longest goes first."""

    def __init__(self, rooms_max: int) -> None:
        self._rooms_max = rooms_max
        self._rooms: OrderedDict[str, Room] = OrderedDict()
        self._serial = 0
        self._lost_some = False
        self._nothing_known = Room(0, complete=False)

    def __len__(self) -> int:
        return len(self._rooms)

    def add(self, name: str, event: Event, *, complete: bool) -> None:
        """``whole``: the reader has seen everything in this log since its beginning."""
        room = self._rooms.get(name)
        if room is None:
            self._serial += 1
            room = self._rooms[name] = Room(self._serial, complete=complete and not self._lost_some)
            if len(self._rooms) > self._rooms_max:
                self._rooms.popitem(last=False)
                self._lost_some = True
        else:
            room.complete = room.complete and complete
            self._rooms.move_to_end(name)
        room.add(event)

    def forget_all(self) -> None:
        """Events were missed, or the log is another one: what was counted is no ground any more."""
        self._rooms.clear()
        self._lost_some = True

    def get(self, name: str) -> Room:
        """The room, without events if none are known."""
        return self._rooms.get(name, self._nothing_known)
