"""What the clients of one process share. Pure."""

from collections.abc import Callable
from typing import NamedTuple

from touchline_loadtest.checks.values import value_of
from touchline_protocol.messages import Event

from .findings import Measures
from .latency import LatencyMeter
from .referee import Referee
from .surprises import Surprises

EVENTS_MAX = 4096
"""Events whose value is remembered, about a second of a busy process."""


class Values:
    """The values of events by which the checker knows them. Clients of a process receive the same events."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, int], tuple[Event, int]] = {}

    def __call__(self, event: Event) -> int:
        """The value of ``event``. It is only computed again for another object, whatever that holds."""
        known = self._values.get((event.room, event.offset))
        if known is not None and known[0] is event:
            return known[1]
        if len(self._values) >= EVENTS_MAX:
            self._values.clear()
        value = value_of(event.key, event.data, event.ts)
        self._values[event.room, event.offset] = (event, value)
        return value


class Shared(NamedTuple):
    """``unix_ms`` is the clock of the computer."""

    measures: Measures
    referee: Referee
    latency: LatencyMeter
    surprises: Surprises
    values: Values
    unix_ms: Callable[[], float]
