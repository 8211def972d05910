"""What the log holds, and has held, of one room: what the checker compares clients with. Pure."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple

LAG_EVENTS = 2_000
"""How far an edge may be behind in one partition while it reads another: some 40 s of all producers."""


class Sent(NamedTuple):
    """An event as its producer sent it. ``removal``: it removes its key.

    ``order`` counts the events of all producers, since their clocks, and so the numbers, may differ.
    """

    order: int
    number: int
    room: str
    key: str | None
    removal: bool


class LogId(NamedTuple):
    """One partition of a topic. The ``generation`` counts how often the topic was created again."""

    topic: str
    generation: int
    partition: int


class Entry(NamedTuple):
    """A record that is, or was, in a partition."""

    offset: int
    number: int
    room: str
    key: str | None
    removal: bool


State = dict[str, Entry]


class RoomLog:
    """The records of one room, by partition and in the order of offsets, deleted ones too.

    ``starts`` has the first offsets that partitions still have at the end; 0 if nothing was deleted. ``sent`` is what
    producers sent to the room, acknowledged or not.

    ``lossy``: acknowledged events may be lost, because leaders are elected uncleanly. ``restarts``: something happens
    to the topic after which its rooms may have to start over.
    """

    def __init__(
        self,
        room: str,
        sent: Mapping[int, Sent],
        entries: Mapping[LogId, Sequence[Entry]],
        starts: Mapping[LogId, int] = {},
        *,
        lossy: bool = False,
        restarts: bool = False,
    ) -> None:
        self.room = room
        self.lossy = lossy
        self.restarts = restarts
        self.sent = sent
        self.entries = {log: list(found) for log, found in entries.items() if found}
        self.starts = dict(starts)
        self._by_offset = {log: {entry.offset: entry for entry in found} for log, found in self.entries.items()}
        self._logs_of: dict[tuple[int, int], set[LogId]] = {}
        for log, found in self.entries.items():
            for entry in found:
                self._logs_of.setdefault((entry.offset, entry.number), set()).add(log)

    @property
    def home(self) -> LogId | None:
        """The partition that the room is in at the end; None if it never had an event."""
        return max(self.entries, key=lambda log: max(map(self._order, self.entries[log])), default=None)

    def logs_with(self, offset: int, number: int) -> Set[LogId]:
        """The partitions that have this event at this offset."""
        return self._logs_of.get((offset, number), frozenset())

    def at(self, log: LogId, offset: int) -> Entry | None:
        """The room's event at an offset."""
        return self._by_offset[log].get(offset)

    def between(self, log: LogId, after: int, before: int) -> list[Entry]:
        """The events between two offsets, without both."""
        return [entry for entry in self.entries[log] if after < entry.offset < before]

    def before(self, log: LogId, offset: int) -> Entry | None:
        """The newest event below an offset."""
        index = bisect_right(self.entries[log], offset - 1, key=lambda entry: entry.offset)
        return self.entries[log][index - 1] if index else None

    def superseded(self, log: LogId, entry: Entry) -> bool:
        """Whether a newer event has the entry's key."""
        return entry.key is not None and any(
            newer.key == entry.key and newer.offset > entry.offset for newer in self.entries[log]
        )

    def before_move(self, log: LogId) -> list[Entry]:
        """The events in the partitions that the room was in before this one."""
        logs = sorted(self.entries, key=lambda each: self._order(self.entries[each][0]))
        earlier = logs[: logs.index(log)] if log in logs else logs
        return [entry for each in earlier if each[:2] == log[:2] for entry in self.entries[each]]

    def unsettled(self, log: LogId) -> set[str | None]:
        """Keys of events around the move in partitions that the room left. Nobody knows when edges read them.

        Edges do in the end, so the state at the end is known.
        """
        moved = self._order(self.entries[log][0])
        return {entry.key for entry in self.before_move(log) if self._order(entry) > moved - LAG_EVENTS}

    def state(self, log: LogId, head: int) -> State:
        """The newest event of each key as of an offset, including events from before the room moved here."""
        state: State = {}
        for entry in [*self.before_move(log), *self.between(log, -1, head + 1)]:
            if entry.key is not None and entry.removal:
                state.pop(entry.key, None)
            elif entry.key is not None:
                state[entry.key] = entry
        return state

    def deleted(self, entry: Entry) -> bool:
        """Whether an entry has been deleted from its partition."""
        return any(entry.offset < self.starts.get(log, 0) for log in self.logs_with(entry.offset, entry.number))

    def _order(self, entry: Entry) -> int:
        """The place of an event in the order in which all were sent."""
        return self.sent[entry.number].order
