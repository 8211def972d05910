"""The findings of an audience, as the numbers that scenarios report."""

import statistics
from collections.abc import Sequence

from .audience import Audience, Group

MS = 1e-6
"""Milliseconds of a nanosecond."""


def percentile_ms(times_ns: Sequence[int], percent: int) -> float:
    """A percentile of times, in milliseconds."""
    if len(times_ns) == 1:
        return times_ns[0] * MS
    return statistics.quantiles(times_ns, n=100, method="inclusive")[percent - 1] * MS


def latencies_ns(clients: Group | Audience) -> list[int]:
    """How late each event was at each checker."""
    return [latency for check in clients.checks for latency in check.latencies_ns]


def breaches(clients: Group | Audience) -> int:
    """How often the checkers found that the server broke a rule of following a room."""
    return sum(len(check.breaches) for check in clients.checks)


def check_note(audience: Audience) -> str:
    """How the frames of all clients were checked."""
    return (
        f"order and prev of every frame were checked on {len(audience.checks)} of {len(audience)} clients; each of the "
        "others received, to the byte, what the checked ones of its room received"
    )
