"""The network from a player to the edges: delay, hiccups, outages, queues and limits."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, NamedTuple

from .clocks import EdgeClock

QUEUE_MAX = 256
"""The unacknowledged actions that a client keeps. It refuses any more to its user."""
EDGE_RATE, EDGE_BURST = 30.0, 60.0
"""What an edge takes from a player by default, per second and at once. Clients send the rest again later."""
STALL_S_MIN, STALL_S_MAX = 0.2, 3.0
OUTAGE_S_MIN, OUTAGE_S_MAX = 3.0, 60.0


class SentAction(NamedTuple):
    """An action as a player sends it, at a time in seconds."""

    at_s: float
    kind: str
    data: Any


class Arrival(NamedTuple):
    """An action at an edge: ``at_s`` is the true time, ``received_ms`` the time by the edge's ``clock``."""

    at_s: float
    edge: str
    clock: str
    received_ms: int
    kind: str
    data: Any


class Connection:
    """A player's connection. ``latency_s`` is one way; a ``poor`` one has twice the delay and five times the
    trouble. A player whose connection was lost may come back to another edge."""

    def __init__(
        self, rng: Random, seconds: float, clocks: Sequence[EdgeClock], *, latency_s_max: float, poor: bool
    ) -> None:
        self._rng = rng
        self._clocks = clocks
        self.latency_s = rng.uniform(0.005, latency_s_max) * (2 if poor else 1)
        self._jitter_s = rng.uniform(0.0005, 0.008) * (2 if poor else 1)
        self._limited = rng.random() < 0.5  # noqa: PLR2004 - half of the edges take a queue at once
        trouble = 5 if poor else 1
        self._gaps = sorted(
            [
                *self._times(seconds, 60 / trouble, STALL_S_MIN, STALL_S_MAX),
                *self._times(seconds, 400 / trouble, OUTAGE_S_MIN, OUTAGE_S_MAX),
            ]
        )

    def deliver(self, actions: Sequence[SentAction]) -> Iterator[Arrival]:
        """When each action arrives: in order, as TCP and the ids of actions ensure."""
        arrived_s, tokens, gap, queued = 0.0, EDGE_BURST, 0, 0
        clock = self._rng.choice(self._clocks)
        for action in actions:
            while gap < len(self._gaps) and self._gaps[gap][1] <= action.at_s:
                gap, queued = gap + 1, 0
                clock = self._rng.choice(self._clocks)
            sent_s = action.at_s
            if gap < len(self._gaps) and self._gaps[gap][0] <= sent_s:
                queued += 1
                if queued > QUEUE_MAX:
                    continue
                sent_s = self._gaps[gap][1]
            at_s = max(arrived_s, sent_s + self.latency_s + self._rng.expovariate(1 / self._jitter_s))
            if self._limited:
                tokens = min(EDGE_BURST, tokens + (at_s - arrived_s) * EDGE_RATE) - 1
                if tokens < 0:
                    at_s, tokens = at_s - tokens / EDGE_RATE, 0.0
                    if gap < len(self._gaps) and at_s > self._gaps[gap][0]:
                        at_s = max(at_s, self._gaps[gap][1])  # an action that was not taken in time waits again
            arrived_s = at_s
            yield Arrival(at_s, clock.edge, *clock.read(at_s), action.kind, action.data)

    def _times(self, seconds: float, every_s: float, min_s: float, max_s: float) -> Iterator[tuple[float, float]]:
        at_s = self._rng.expovariate(1 / every_s)
        while at_s < seconds:
            end_s = at_s + self._rng.uniform(min_s, max_s)
            yield at_s, end_s
            at_s = end_s + self._rng.expovariate(1 / every_s)
