"""Compares what all clients of a room saw with the log, and with each other. Pure."""

from collections.abc import Mapping, Sequence

from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.epoch_names import EpochNames
from touchline_loadtest.checks.room_log import RoomLog
from touchline_loadtest.checks.trace import Trace
from touchline_loadtest.checks.trace_check import TraceCheck


def check_room(room: RoomLog, traces: Sequence[Trace]) -> list[Breach]:
    """All breaches that the clients of one room have seen."""
    names = EpochNames(room, traces)
    breaches = [*names.breaches]
    ends: list[tuple[str, Mapping[str, int]]] = []
    for trace in traces:
        check = TraceCheck(room, names, trace)
        breaches += check.run()
        ends.append((trace.who, check.state))
    return breaches + _compare_ends(room, ends)


def _compare_ends(room: RoomLog, ends: Sequence[tuple[str, Mapping[str, int]]]) -> list[Breach]:
    """Two clients of one room end with the same state, but for keys whose newest event was deleted."""
    home = room.home
    right = {} if home is None else room.state(home, room.entries[home][-1].offset)
    deleted = {key for key, entry in right.items() if room.deleted(entry)}
    first: dict[str, int] | None = None
    for who, state in ends:
        seen = {key: number for key, number in state.items() if key not in deleted}
        if first is None:
            first = seen
        elif seen != first:
            return [Breach("states_differ", who, f"ends with {seen}, and {ends[0][0]} with {first}")]
    return []
