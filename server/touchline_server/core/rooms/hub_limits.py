"""The limits of a hub."""

from typing import NamedTuple

FORGET_EVERY_MS = 10_000
"""How often idle rooms are looked for: it takes a look at every room, some 0.1 us each."""


class HubLimits(NamedTuple):
    """`touchline_server.config.settings` has their reasons."""

    window_bytes_max: int
    window_ms: int
    state_bytes_max: int
    room_idle_ms: int
