"""The limits of connections, and what it means to be over one."""

from enum import StrEnum
from typing import NamedTuple

from touchline_server.core.rate import Rate


class Limit(StrEnum):
    """What a connection is over: the name of the setting, or that the edge sends its clients away."""

    CONNECTIONS = "connections_max"
    DRAINING = "draining"
    CONNECTS = "admission.connects_per_second_max"
    ADDRESS_CONNECTIONS = "admission.connections_per_address_max"
    ADDRESS_CONNECTS = "admission.connects_per_address_per_second_max"

    @property
    def is_of_address(self) -> bool:
        """Whether only one address is over it."""
        return self in (Limit.ADDRESS_CONNECTIONS, Limit.ADDRESS_CONNECTS)


class Excess(NamedTuple):
    """A connection is over a limit. ``wait_ms``: when there is room again, if that is known."""

    limit: Limit
    address: str | None = None
    wait_ms: int = 0


class AdmissionLimits(NamedTuple):
    """How many connections, and how many per second; 0 or None for no limit."""

    connections_per_address_max: int = 0
    connects: Rate | None = None
    connects_per_address: Rate | None = None

    @property
    def are_per_address(self) -> bool:
        """Whether addresses matter."""
        return bool(self.connections_per_address_max) or self.connects_per_address is not None
