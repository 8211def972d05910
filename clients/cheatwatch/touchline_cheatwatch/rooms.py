"""What is known about the events of rooms: the newest few of each room, and how many there were of each name.

Pure, and bounded: `EVENTS_KEPT_MAX` events and `NAMES_MAX` names for each room, and at most ``rooms_max`` rooms.
"""

from collections import OrderedDict, deque
from collections.abc import Collection
from typing import NamedTuple

EVENTS_KEPT_MAX = 256
"""Events kept for each room. Actions are matched to events of the last seconds: at 10 events a second this is 25 s. It
takes 40 KB a room."""

NAMES_MAX = 256
"""Names that are counted separately in each room. A feed has a few dozen keys or types."""


class Event(NamedTuple):
    """An event of a room. ``name`` is its key, or its type if it has no key; ``ms`` is its time in the log."""

    offset: int
    ms: int
    name: str


class Room:
    """The events of one room. ``complete``: all events since the log began were seen, so `counts` are totals.

    ``serial`` distinguishes a room that was forgotten and has come back, with new counts, from what it was before.
    """

    __slots__ = ("_events", "complete", "counts", "names_full", "serial")

    def __init__(self, serial: int, *, complete: bool) -> None:
        self.serial = serial
        self.complete = complete
        self.counts: dict[str, int] = {}
        self.names_full = False
        """Whether there were more names than are counted, so that `counts` cannot be used to accuse anyone."""
        self._events: deque[Event] = deque(maxlen=EVENTS_KEPT_MAX)

    def add(self, event: Event) -> None:
        """Add the next event. One that was added before, as when the log is read again, is ignored."""
        if self._events and event.offset <= self._events[-1].offset:
            return
        self._events.append(event)
        if event.name in self.counts or len(self.counts) < NAMES_MAX:
            self.counts[event.name] = self.counts.get(event.name, 0) + 1
        else:
            self.names_full = True

    def at(self, offset: int) -> Event | None:
        """The event at ``offset``; None if it belongs to another room, or is too old."""
        for event in reversed(self._events):
            if event.offset <= offset:
                return event if event.offset == offset else None
        return None

    def newest_before(self, ms: float, names: Collection[str] = ()) -> Event | None:
        """The newest event that had happened at ``ms``, with one of these names if any are given."""
        for event in reversed(self._events):
            if event.ms <= ms and (not names or event.name in names):
                return event
        return None


class Rooms:
    """All rooms, at most ``rooms_max``: the one without events for longest is forgotten first."""

    def __init__(self, rooms_max: int) -> None:
        self._rooms_max = rooms_max
        self._rooms: OrderedDict[str, Room] = OrderedDict()
        self._serial = 0
        self._forgot_some = False
        self._unknown_room = Room(0, complete=False)

    def __len__(self) -> int:
        return len(self._rooms)

    def add(self, name: str, event: Event, *, complete: bool) -> None:
        """Add an event. ``complete``: the source has seen everything in this log since its beginning."""
        room = self._rooms.get(name)
        if room is None:
            self._serial += 1
            room = self._rooms[name] = Room(self._serial, complete=complete and not self._forgot_some)
            if len(self._rooms) > self._rooms_max:
                self._rooms.popitem(last=False)
                self._forgot_some = True
        else:
            room.complete = room.complete and complete
            self._rooms.move_to_end(name)
        room.add(event)

    def forget_all(self) -> None:
        """Events were missed, or the log is a different one, so the counts are worth nothing any more."""
        self._rooms.clear()
        self._forgot_some = True

    def get(self, name: str) -> Room:
        """The room; one without events if it is not known."""
        return self._rooms.get(name, self._unknown_room)
