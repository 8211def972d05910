"""Compares what all clients of a room saw with the log. Pure."""

from collections.abc import Sequence

from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.room_log import RoomLog
from touchline_loadtest.checks.trace import Trace

from .epoch_names import EpochNames
from .trace_check import TraceCheck


def check_room(room: RoomLog, traces: Sequence[Trace]) -> list[Breach]:
    """All breaches that the clients of one room have seen."""
    names = EpochNames.of(room, traces)
    breaches: list[Breach] = []
    for trace in traces:
        check = TraceCheck(room, names.log, trace.client, trace.deliver, shows_skips=trace.shows_skips)
        for item in trace.items:
            check.take(item)
        breaches += check.breaches
    return [*names.breaches, *breaches]
