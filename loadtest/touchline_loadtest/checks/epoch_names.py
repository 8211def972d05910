"""What the epochs of a room stand for. Pure."""

from collections.abc import Iterable

from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.room_log import LogId, RoomLog
from touchline_loadtest.checks.trace import Received, Trace


class EpochNames:
    """Which partition each epoch of a room stands for, by the events that clients received under it.

    Clients must not read anything into an epoch, and neither does the checker.
    """

    def __init__(self, room: RoomLog, traces: Iterable[Trace]) -> None:
        self.breaches: list[Breach] = []
        self._logs: dict[str, LogId] = {}
        self._numbers: dict[tuple[str, int], int] = {}
        for trace in traces:
            for item in trace.items:
                if isinstance(item, Received):
                    self._learn(room, trace.who, item)

    def log(self, epoch: str) -> LogId | None:
        """The partition of an epoch; None if no client received anything that shows it."""
        return self._logs.get(epoch)

    def _learn(self, room: RoomLog, who: str, event: Received) -> None:
        number = self._numbers.setdefault((event.epoch, event.offset), event.number)
        if number != event.number:
            text = f"{event.epoch}/{event.offset} was {number} for another client, and is {event.number}"
            self.breaches.append(Breach("different_events", who, text))
        logs = room.logs_with(event.offset, event.number)
        if not logs:
            return
        known = self._logs.get(event.epoch)
        if known is None:
            self._logs[event.epoch] = min(logs)
        elif known not in logs:
            text = f"{event.epoch} stands for {known} and for {min(logs)}"
            self.breaches.append(Breach("ambiguous_epoch", who, text))
