"""What the log holds, and has held, of one room: what the checker compares clients with. Pure."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple

from .partition_log import Entry, LogId, PartitionLog

LAG = 2_000
"""How far an edge may be behind in one partition while it reads another, in units of `Entry.order`.

That is 2 s where the order is in milliseconds."""

SEEN_MS = 60_000
"""How long after a change of a partition's beginning a witness may see it first."""

STATES_KEPT = 256
"""States that are remembered: many clients join at the same place of a room."""

State = dict[str, Entry]


class TopicFacts(NamedTuple):
    """What a run did to a topic, and what its server promises about it.

    ``lossy``: acknowledged events may be lost, because leaders are elected uncleanly. ``restarts``: something happens
    to the topic after which its rooms may have to start over, and that the log does not show, such as a damaged record.
    ``compacted``: older records of a room may be gone. ``reach`` is how many offsets the server goes back for a client
    (``replay_records_max``); None if that is without limit. ``lag``: see `LAG`. ``timed``: the order of the records is
    in Unix milliseconds, so it can be compared with clients' times.
    """

    lossy: bool = False
    restarts: bool = False
    compacted: bool = False
    reach: int | None = None
    lag: int = LAG
    timed: bool = True

    @property
    def slack_ms(self) -> float:
        """How much later than a client's time a record may be that was there already."""
        return self.lag if self.timed else float("inf")


NOTHING_HAPPENED = TopicFacts()


class Starts:
    """The first offsets that the partitions of a topic still had, and when that was seen.

    ``ends`` has the newest offsets, over all rooms; it may lack partitions.
    """

    def __init__(self) -> None:
        self.ends: dict[LogId, int] = {}
        self._seen: dict[LogId, list[tuple[float, int]]] = {}

    def add(self, log: LogId, at_ms: float, offset: int) -> None:
        """Partition ``log`` began at ``offset`` at this time. The calls are in the order of time."""
        self._seen.setdefault(log, []).append((at_ms, offset))

    def logs(self) -> Set[LogId]:
        """The partitions of which something is known."""
        return self._seen.keys()

    def at_end(self, log: LogId) -> int:
        """Where a partition begins at the end of the run; 0 if nothing was deleted."""
        seen = self._seen.get(log)
        return seen[-1][1] if seen else 0

    def by(self, log: LogId, at_ms: float) -> int:
        """The first offset that a partition may have begun at by this time; 0.0 if the time is not known.

        It may have changed up to `SEEN_MS` before that was seen.
        """
        seen = self._seen.get(log)
        if not seen:
            return 0
        index = bisect_left(seen, at_ms, key=_seen_ms) if at_ms else len(seen) - 1
        if index == len(seen) or (index and seen[index][0] > at_ms + SEEN_MS):
            index -= 1
        return seen[index][1]

    def before(self, log: LogId, at_ms: float) -> int:
        """The first offset that a partition is known to have begun at by this time."""
        seen = self._seen.get(log, ())
        index = bisect_left(seen, at_ms, key=_seen_ms)
        return seen[index - 1][1] if index else 0

    def first_ms(self, log: LogId) -> float:
        """When a partition was seen first; infinity if it was not."""
        seen = self._seen.get(log)
        return seen[0][0] if seen else float("inf")


def _is_later(log: LogId, other: LogId) -> bool:
    return log.topic == other.topic and log.generation > other.generation


def _seen_ms(seen: tuple[float, int]) -> float:
    return seen[0]


class RoomLog:
    """The records of one room, by partition and in the order of offsets, deleted ones too.

    ``starts`` is shared by the rooms of a topic. It grows by `append`, also while clients are checked. ``sent`` has the
    value, key and removal of what was sent to the room, whether or not the log has it: only a lossy topic needs that.
    """

    def __init__(self, room: str, facts: TopicFacts = NOTHING_HAPPENED, starts: Starts | None = None) -> None:
        self.room = room
        self.facts = facts
        self.starts = Starts() if starts is None else starts
        self.sent: set[tuple[int, str | None, bool]] = set()
        self.parts: dict[LogId, PartitionLog] = {}
        self._states: dict[tuple[LogId, int], State] = {}
        self._unsettled: dict[LogId, Set[str]] = {}

    @classmethod
    def of(cls, room: str, entries: Mapping[LogId, Iterable[Entry]], facts: TopicFacts = NOTHING_HAPPENED) -> "RoomLog":
        """A room with these records."""
        log = cls(room, facts)
        for part, found in entries.items():
            for entry in found:
                log.append(part, entry)
        return log

    def append(self, log: LogId, entry: Entry) -> None:
        """Add a record, behind those that its partition has.

        One that the partition has already is left out. Another one at such an offset shows that the log was cut back:
        the records from there on are `sent`, and no longer in the log.
        """
        part = self.parts.get(log)
        if part is None:
            part = self.parts[log] = PartitionLog()
        if len(part) and entry.offset <= part.offset_at(-1):
            index = part.find(entry.offset)
            if index is not None and part.matches(index, entry.value, entry.key, removal=entry.removal):
                return
            self.facts = self.facts._replace(lossy=True)
            self.sent.update((lost.value, lost.key, lost.removal) for lost in part.cut(entry.offset))
        part.append(entry)
        self._states.clear()
        self._unsettled.clear()

    @property
    def home(self) -> LogId | None:
        """The partition that the room is in at the end; None if it never had an event."""
        return max(self.parts, key=lambda log: (log.generation, self.parts[log].newest_order), default=None)

    @property
    def has_other_logs(self) -> bool:
        """Whether the room was in several partitions, or its topic was created again."""
        generations = {log.generation for log in (*self.parts, *self.starts.logs())}
        return len(self.parts) > 1 or len(generations) > 1

    def logs_with(self, offset: int, value: int) -> list[LogId]:
        """The partitions that have this event at this offset."""
        return [
            log
            for log, part in self.parts.items()
            if (index := part.find(offset)) is not None and part.value_at(index) == value
        ]

    def has_moved(self, log: LogId) -> bool:
        """Whether the room had events in several partitions of this topic."""
        return sum(other[:2] == log[:2] for other in self.parts) > 1

    def replaced_ms(self, log: LogId) -> float:
        """When the room was in another log for good: its topic was created again, or it moved. Infinity if it stayed.

        A partition that still gets records of the room has not been left for good.
        """
        newest = self.parts[log].newest_order if log in self.parts else -1
        begins = [
            float(part.order_at(0))
            for other, part in self.parts.items()
            if self.facts.timed
            and len(part)
            and (_is_later(other, log) or (other[:2] == log[:2] and part.order_at(0) > newest))
        ]
        seen = [self.starts.first_ms(other) for other in self.starts.logs() if _is_later(other, log)]
        return min((*begins, *seen), default=float("inf"))

    def before_move(self, log: LogId) -> Sequence[LogId]:
        """The partitions that the room was in before this one, in that order."""
        begin = self.parts[log][0].order if log in self.parts else None
        earlier = [
            (part[0].order, other)
            for other, part in self.parts.items()
            if other != log and other[:2] == log[:2] and (begin is None or part[0].order < begin)
        ]
        return [other for _, other in sorted(earlier)]

    def unsettled(self, log: LogId) -> Set[str]:
        """Keys of events around the move in partitions that the room left. Nobody knows when edges read them.

        Edges do in the end, so the state at the end is known.
        """
        known = self._unsettled.get(log)
        if known is None:
            since = self.parts[log][0].order - self.facts.lag
            known = frozenset().union(*(self.parts[each].keys_since(since) for each in self.before_move(log)))
            self._unsettled[log] = known
        return known

    def state(self, log: LogId, head: int) -> State:
        """The newest event of each key as of an offset, including events from before the room moved here."""
        place = (log, self.parts[log].behind(head))
        state = self._states.get(place)
        if state is None:
            state = {}
            for each in self.before_move(log):
                self._apply(state, each, self.parts[each].offset_at(-1))
            self._apply(state, log, head)
            if len(self._states) >= STATES_KEPT:
                self._states.clear()
            self._states[place] = state
        return state

    def is_deleted(self, entry: Entry) -> bool:
        """Whether a record has been deleted from its partition by the end."""
        return any(entry.offset < self.starts.at_end(log) for log in self.logs_with(entry.offset, entry.value))

    def _apply(self, state: State, log: LogId, head: int) -> None:
        for entry in self.parts[log].newest(head):
            assert entry.key is not None  # noqa: S101 - `newest` has keys alone
            if entry.removal:
                state.pop(entry.key, None)
            else:
                state[entry.key] = entry
