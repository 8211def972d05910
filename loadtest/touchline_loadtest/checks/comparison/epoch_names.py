"""What the epochs of a room stand for. Pure."""

from collections import Counter
from collections.abc import Iterable

from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.partition_log import LogId
from touchline_loadtest.checks.room_log import RoomLog
from touchline_loadtest.checks.trace import Item, Received, Trace

VOTES_MAX = 10_000
"""Events of one epoch that are looked up in the log: more do not change what it stands for."""


class EpochNames:
    """Which partition each epoch of a room stands for, by the events that clients received under it.

    Clients must not read anything into an epoch, and neither does the checker. It goes by the majority, so that one
    client that received something else is the one that is reported.
    """

    def __init__(self, room: RoomLog) -> None:
        self.breaches: list[Breach] = []
        self._room = room
        self._votes: dict[str, Counter[LogId]] = {}
        self._seen: dict[str, int] = {}
        self._logs: dict[str, LogId | None] = {}
        self._values: dict[tuple[str, int], int] = {}

    @classmethod
    def of(cls, room: RoomLog, traces: Iterable[Trace]) -> "EpochNames":
        """Learn from whole traces."""
        names = cls(room)
        for trace in traces:
            for item in trace.items:
                names.learn(trace.client, item)
        return names

    def learn(self, client: str, item: Item) -> None:
        """Learn from what a client saw. All of it has to be learnt before any of it is checked."""
        if not isinstance(item, Received):
            return
        if self._room.facts.lossy:
            self._compare(client, item)
        seen = self._seen.get(item.epoch, 0)
        if seen < VOTES_MAX:
            self._seen[item.epoch] = seen + 1
            votes = self._votes.setdefault(item.epoch, Counter())
            votes.update(self._room.logs_with(item.offset, item.value))
            self._logs.pop(item.epoch, None)

    def log(self, epoch: str) -> LogId | None:
        """The partition of an epoch; None if no client received anything that shows it."""
        if epoch not in self._logs:
            votes = self._votes.get(epoch)
            self._logs[epoch] = max(sorted(votes), key=votes.__getitem__) if votes else None
        return self._logs[epoch]

    def _compare(self, client: str, event: Received) -> None:
        """Only in a lossy log may an event be another one than the log has, but then for all clients alike."""
        value = self._values.setdefault((event.epoch, event.offset), event.value)
        if value != event.value:
            text = f"under {event.epoch} the event is {event.value}, and was {value} for another client"
            self.breaches.append(Breach("different_events", client, text, self._room.room, event.offset))
