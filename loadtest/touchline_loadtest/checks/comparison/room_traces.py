"""Compares what all clients of a room saw with the log, and with each other. Pure."""

from collections.abc import Mapping, Sequence

from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.room_log import RoomLog
from touchline_loadtest.checks.trace import Trace

from .epoch_names import EpochNames
from .trace_check import TraceCheck


def check_room(room: RoomLog, traces: Sequence[Trace]) -> list[Breach]:
    """All breaches that the clients of one room have seen."""
    names = EpochNames.of(room, traces)
    ends = EndStates(room)
    breaches: list[Breach] = []
    for trace in traces:
        check = TraceCheck(room, names.log, trace.client, trace.deliver, shows_skips=trace.shows_skips)
        for item in trace.items:
            check.take(item)
        breaches += check.breaches
        if check.is_settled and check.is_complete:
            breaches += ends.compare(trace.client, check.state)
    return [*names.breaches, *breaches]


class EndStates:
    """Clients that end in one room with complete states have the same, but for keys whose newest event was deleted."""

    def __init__(self, room: RoomLog) -> None:
        self._room = room
        self._first: tuple[str, dict[str, int]] | None = None

    def compare(self, client: str, state: Mapping[str, int]) -> list[Breach]:
        """Compare a client's state with that of the first one."""
        home = self._room.home
        right = {} if home is None else self._room.state(home, self._room.parts[home].offset_at(-1))
        seen = {key: value for key, value in state.items() if key not in right or not self._room.is_deleted(right[key])}
        if self._first is None:
            self._first = (client, seen)
        elif seen != self._first[1]:
            text = f"ends with {seen}, and {self._first[0]} with {self._first[1]}"
            return [Breach("states_differ", client, text, self._room.room)]
        return []
