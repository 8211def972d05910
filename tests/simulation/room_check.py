"""Checks what the user of one subscription sees, against everything that was ever appended.

The promises (protocol/README.md, "Following a room"): each event of the room in the log's order, each once, and none
missing but those that `skipped` has named and those before a start over; and a state that is right at any time.
"""

from touchline.session.items import Event, Gap, Item, Joined, Refused
from touchline.session.room import Phase, Room
from touchline.session.view import View
from touchline_protocol.cursor import Cursor

from .edge_knowledge import EdgeKnowledge, State
from .findings import Findings
from .log import Entry, Log, RoomHistory


class RoomCheck:
    """One subscription. ``named`` has the ranges of offsets that the server named as skipped since the last join."""

    def __init__(self, findings: Findings, log: Log, client: int, room: Room) -> None:
        self.room = room
        self.view = View(room.cursor)
        self.named: list[tuple[int, int]] = []
        self.joined = False
        self._findings = findings
        self._log = log
        self._who = f"client {client} in {room.name}"
        self._cursor = room.cursor
        self._epoch = ""
        self._recent_left = 0
        self._state: State = {}
        self._next = 0
        self._history = RoomHistory()
        if room.cursor is not None:
            self._go_to(room.cursor)

    @property
    def cursor(self) -> Cursor | None:
        """Where a user who comes back would go on: None before the first answer."""
        return self.view.cursor

    def take(self, item: Item, knowledge: EdgeKnowledge) -> None:
        """The next thing that the user sees."""
        self._findings.counts[type(item).__name__] += 1
        self.view.apply(item)
        match item:
            case Event():
                self._event(item)
            case Joined(recovered=True):
                self._resumed(item)
            case Joined():
                self._started_over(item, knowledge)
            case Gap() | Refused():
                self._found(f"{item}")

    def check_complete(self) -> None:
        """At the end: everything has arrived, and the state is right."""
        if self.room.phase is not Phase.JOINED or not self.joined:
            self._found(f"is {self.room.phase} at the end")
            return
        if self._cursor is None or self._cursor.epoch != self._log.epoch_of(self.room.name):
            self._found(f"ends in another epoch: {self._cursor}")
        elif missing := self._history.entries[self._next :]:
            self._found(f"never got the last {len(missing)} events, from {missing[0].offset} on")
        seen = {key: event.data for key, event in self.view.state.items()}
        if seen != self._state:
            self._found(f"ends with the wrong state: {_difference(seen, self._state)}")

    def _event(self, event: Event) -> None:
        if self._recent_left:
            self._recent_left -= 1
            self._recent(event)
            return
        entries = self._history.entries
        while self._next < len(entries) and entries[self._next].offset < event.offset:
            self._missing(entries[self._next])
        if self._next == len(entries) or entries[self._next].offset != event.offset:
            self._found(f"got {event.offset} again, or out of order, or it never was in the log")
            return
        entry = entries[self._next]
        if (event.epoch, event.key, event.data) != (self._epoch, entry.key, entry.data):
            self._found(f"got another event than the log has at {event.offset}")
        self._apply(entry)
        self._cursor = event.cursor

    def _missing(self, entry: Entry) -> None:
        is_named = any(first <= entry.offset <= last for first, last in self.named)
        if self.room.deliver == "all" or not is_named or not self._history.is_obsolete(entry):
            self._found(f"did not get {entry.offset}")
        self._apply(entry)

    def _apply(self, entry: Entry) -> None:
        self._next += 1
        if entry.key is not None:
            if entry.data is None:
                self._state.pop(entry.key, None)
            else:
                self._state[entry.key] = entry.data

    def _recent(self, event: Event) -> None:
        known = Entry(event.offset, event.key, event.data)
        if known not in self._history.entries[max(0, self._next - 50) : self._next]:
            self._found(f"got a recent event that is not in the log before the head: {event.offset}")

    def _resumed(self, joined: Joined) -> None:
        if joined.cursor != self._cursor:
            self._found(f"was at {self._cursor}, and resumed at {joined.cursor}")
        self._findings.counts["resumed"] += 1
        self._resume()

    def _started_over(self, joined: Joined, knowledge: EdgeKnowledge) -> None:
        self._findings.counts["started over" if joined.restarted else "joined"] += 1
        self._go_to(Cursor(joined.cursor.epoch, joined.head))
        self._recent_left = joined.recent
        self._state = {event.key: event.data for event in joined.state if event.key is not None}
        if not knowledge.may_show(self.room.name, self._epoch, joined.head, self._state):
            self._found(f"started over with a wrong state at {joined.head}")
        self._resume()

    def _resume(self) -> None:
        self.joined = True
        self.named.clear()

    def _go_to(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._epoch = cursor.epoch
        self._history = self._log.events_of(cursor.epoch, self.room.name)
        self._next = self._history.count_up_to(cursor.offset)

    def _found(self, text: str) -> None:
        self._findings.add(f"{self._who} {text}")


def _difference(seen: State, expected: State) -> str:
    keys = sorted(key for key in seen.keys() | expected.keys() if seen.get(key) != expected.get(key))
    return ", ".join(f"{key}: {seen.get(key)} instead of {expected.get(key)}" for key in keys)
