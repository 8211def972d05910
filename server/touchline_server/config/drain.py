"""How long an edge drains: the time over which its clients reconnect to other edges when it stops.

Rules: pure; other modules do the waiting. The worst case is that a single other edge takes all of the clients.
"""

from typing import Annotated, Literal, TypeAlias

from .values import Wait, or_auto

RECONNECTS_PER_SECOND = 3_000
"""Clients that one edge lets in per second, with a cursor, up to their first event: `joins` in docs/performance.md. A
slower machine needs an explicit ``drain_s``."""

DRAIN_S_MIN = 2.0
"""A few clients need no more than a moment. One that does not leave by itself holds the stop up for this long."""

DRAIN_S_MAX = 17.0
"""The whole stop then fits in Kubernetes's default grace period, and 50,000 clients take 16.7 s."""

STOP_AFTER_DRAIN_S = 11.0
"""The longest that the rest of a stop takes: actions on their way to the log (6 s), then close handshakes with clients
that no longer answer (3 s), and a margin. Usually it takes a few milliseconds."""

DRAIN_GRACE_S_MAX = 300.0
"""Health checks that take longer than this to notice an edge that is not ready are of no use."""

GRACE_S_DEFAULT = 30.0
"""Kubernetes's default ``terminationGracePeriodSeconds``: it then kills the process."""


DrainTime: TypeAlias = Annotated[Wait | Literal["auto"], or_auto(float, "a number of seconds")]
"""Seconds, or ``auto``: as long as the connections need, see `drain_time_s`."""


def reconnect_time_s(connections: int) -> float:
    """How long ``connections`` clients take to reconnect, in seconds."""
    return connections / RECONNECTS_PER_SECOND


def drain_time_s(drain_s: DrainTime, connections: int) -> float:
    """How long a drain of ``connections`` clients takes, in seconds, by the setting ``drain_s``."""
    if drain_s == "auto":
        return min(max(reconnect_time_s(connections), DRAIN_S_MIN), DRAIN_S_MAX)
    return drain_s


def stop_time_s(drain_s: DrainTime, connections_max: int, grace_s: float) -> float:
    """The longest that a stop takes, in seconds: what a supervisor must grant before it kills the process."""
    return grace_s + drain_time_s(drain_s, connections_max) + STOP_AFTER_DRAIN_S
