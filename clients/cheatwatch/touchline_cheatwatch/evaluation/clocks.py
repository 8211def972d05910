"""The clocks of simulated edges: the time that an edge stamps an action with, and the name of its clock.

As a real edge's, a clock that was set is another clock, with another name.
"""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

EDGES = 3
CLOCK_S = 0.03
"""How far a clock is off at most where time is kept over the network."""


class ClockStep(NamedTuple):
    """A clock is set by ``by_s`` once this ``share`` of the time has passed."""

    share: float
    by_s: float


class EdgeClock(NamedTuple):
    """A clock that is off by ``off_s``, and is set at these times (true time, in seconds), in order."""

    edge: str
    off_s: float
    steps: Sequence[tuple[float, float]]

    def read(self, at_s: float) -> tuple[str, int]:
        """The clock's name, and its time in milliseconds."""
        done = [by_s for set_at_s, by_s in self.steps if set_at_s <= at_s]
        return f"{self.edge}.{len(done)}", round((at_s + self.off_s + sum(done)) * 1000)


def edge_clocks(
    rng: Random, seconds: float, *, steps: Sequence[ClockStep] = (), apart_s: Sequence[float] = ()
) -> list[EdgeClock]:
    """The clocks of the edges. The first is set by ``steps``; ``apart_s`` are added to the first few."""
    clocks = []
    for number in range(EDGES):
        off_s = rng.uniform(-CLOCK_S, CLOCK_S) + (apart_s[number] if number < len(apart_s) else 0.0)
        set_at = [(step.share * seconds, step.by_s) for step in steps] if number == 0 else []
        clocks.append(EdgeClock(f"edge-{number + 1}", off_s, set_at))
    return clocks
