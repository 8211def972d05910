"""What is asked of a fleet, and what its machines have. Pure.

Every number is checked here, once, so that the model can divide by all of them.
"""

import msgspec

from touchline_protocol.errors import OperatorError
from touchline_protocol.limits import EVENT_VALUE_BYTES_MAX

# Beyond these a number is a slip of the keyboard, or the model has nothing to do with reality any more.
VIEWERS_MAX = 10e9
"""All people."""
ROOMS_MAX = 10e9
RATE_HZ_MAX = 100e3
"""Events per second in a room."""
ROOMS_PER_VIEWER_MAX = 1000.0
ACTIONS_HZ_MAX = 1e9
MONTH_S = 2_592_000.0
CORES_MAX = 1024.0
MEMORY_GIB_MAX = 65_536.0
GBIT_MAX = 1e6
"""Network of a machine, or of all brokers."""
CONNECTIONS_MAX = 1e9
"""Connections of one edge."""


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """The load at its peak.

    ``viewers`` is the number of clients that are connected at the same time. Each of them watches ``rooms_per_viewer``
    of the ``rooms``, and all rooms have as many viewers. ``events_hz`` is the rate of events in each room, of ``bytes``
    each. ``actions_hz`` is the rate of actions of all players together. All viewers connect within ``join_s``.
    """

    viewers: float
    rooms: float
    events_hz: float
    bytes: float
    rooms_per_viewer: float = 1.0
    actions_hz: float = 0.0
    join_s: float = 60.0
    latency_ms: float = 100.0

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            OperatorError: one of them makes no sense, or they contradict each other.
        """
        _need(self, "viewers", at_least=1, at_most=VIEWERS_MAX)
        _need(self, "rooms", at_least=1, at_most=ROOMS_MAX)
        _need(self, "events_hz", at_least=0, at_most=RATE_HZ_MAX)
        _need(self, "bytes", at_least=1, at_most=EVENT_VALUE_BYTES_MAX)
        _need(self, "rooms_per_viewer", at_least=1, at_most=self.rooms, most="rooms")
        _need(self, "rooms_per_viewer", at_least=1, at_most=ROOMS_PER_VIEWER_MAX)
        _need(self, "actions_hz", at_least=0, at_most=ACTIONS_HZ_MAX)
        _need(self, "join_s", at_least=1, at_most=MONTH_S)
        _need(self, "latency_ms", at_least=1, at_most=MONTH_S * 1000)

    @property
    def memberships(self) -> float:
        """How many pairs of a viewer and a room there are."""
        return self.viewers * self.rooms_per_viewer

    @property
    def records_hz(self) -> float:
        """Events per second in all rooms, which every edge reads."""
        return self.rooms * self.events_hz

    @property
    def deliveries_hz(self) -> float:
        """Events per second that arrive at viewers, all edges together."""
        return self.memberships * self.events_hz


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine offers to the edges on it, one per core.

    ``busy`` is the share of a core that an edge may use at the peak: beyond that its latency grows by queueing.
    ``join_busy`` is the same while everybody connects. ``kafka_gbit`` is what all brokers together can send.
    """

    cores: float = 8.0
    memory_gib: float = 32.0
    network_gbit: float = 10.0
    connections_max: float = 50_000.0
    busy: float = 0.6
    join_busy: float = 0.9
    kafka_gbit: float = 10.0

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            OperatorError: one of them makes no sense.
        """
        _need(self, "cores", at_least=1, at_most=CORES_MAX)
        _need(self, "memory_gib", at_least=0.25, at_most=MEMORY_GIB_MAX)
        _need(self, "network_gbit", at_least=0.001, at_most=GBIT_MAX)
        _need(self, "connections_max", at_least=1, at_most=CONNECTIONS_MAX)
        _need(self, "busy", at_least=0.05, at_most=1)
        _need(self, "join_busy", at_least=self.busy, at_most=1, least="busy")
        _need(self, "kafka_gbit", at_least=0.001, at_most=GBIT_MAX)


def _need(
    given: msgspec.Struct, name: str, *, at_least: float, at_most: float, least: str = "", most: str = ""
) -> None:
    """``least`` and ``most`` name the options that a bound comes from."""
    value = getattr(given, name)
    if at_least <= value <= at_most:
        return
    option = "--" + name.replace("_hz", "_per_s").replace("_", "-")
    low, high = (f" (--{text.replace('_', '-')})" if text else "" for text in (least, most))
    raise OperatorError(f"{option} is {value:g}: it has to be {at_least:g}{low} to {at_most:g}{high}")
