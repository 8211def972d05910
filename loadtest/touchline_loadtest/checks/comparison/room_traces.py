"""Compares what all clients of a room saw with the log. Pure."""

from collections.abc import Sequence

from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.room_log import RoomLog
from touchline_loadtest.checks.trace import Trace

from .epoch_names import EpochNames
from .excuses import NO_EXCUSES, Excuses
from .trace_check import TraceCheck


def check_room(
    room: RoomLog, traces: Sequence[Trace], *, excuses: Excuses = NO_EXCUSES, ended_ms: float | None = None
) -> list[Breach]:
    """All breaches that the clients of one room have seen.

    ``ended_ms`` is when the run ended: clients that did not say that they left then stayed until their connection
    ended.
    """
    names = EpochNames.of(room, traces)
    breaches: list[Breach] = []
    for trace in traces:
        check = TraceCheck(room, names.log, trace.client, trace.deliver, shows_skips=trace.shows_skips, excuses=excuses)
        for item in trace.items:
            check.take(item)
        if ended_ms is not None:
            check.end(ended_ms)
        breaches += check.breaches
    return [*names.breaches, *breaches]
