"""What may be unusual about clocks and games without any player cheating. Rules must accuse nobody in any of these."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple

from .clocks import ClockStep
from .network import SentAction

ONE_PER_TICK_SHARE = 0.5
"""The share of games that hand out at most one action of a kind a tick, since they ask whether a button is down."""
HOUR_S = 3600.0
APART_S = 45.0
"""Far more than a player's queue takes, and little enough for no operator to notice."""


class Scenario(NamedTuple):
    """``steps`` are those of one edge's clock, ``apart_s`` how far the first edges' clocks are off, and ``tick_s`` how
    often a game hands out what its player did; 0: at once."""

    steps: Sequence[ClockStep] = ()
    apart_s: Sequence[float] = ()
    tick_s: float = 0.0


USUAL = Scenario()
"""Clocks that are kept over the network, and a game that hands out everything at once."""


def _there_and_back(by_s: float) -> Scenario:
    return Scenario(steps=(ClockStep(0.35, by_s), ClockStep(0.7, -by_s)))


SCENARIOS: Mapping[str, Scenario] = {
    "clock set back 45 s": _there_and_back(-APART_S),
    "clock set back 1 h": _there_and_back(-HOUR_S),
    "clock set ahead 45 s": _there_and_back(APART_S),
    "clock set ahead 1 h": _there_and_back(HOUR_S),
    "edges 0.3 s apart": Scenario(apart_s=(-0.15, 0.15)),
    "edges 45 s apart": Scenario(apart_s=(-APART_S / 2, APART_S / 2)),
    "edges 1 h apart": Scenario(apart_s=(-HOUR_S,)),
    "input at 60 Hz": Scenario(tick_s=1 / 60),
    "input at 30 Hz": Scenario(tick_s=1 / 30),
    "input at 20 Hz": Scenario(tick_s=1 / 20),
    "input at 10 Hz": Scenario(tick_s=1 / 10),
    "input at 5 Hz": Scenario(tick_s=1 / 5),
}


def on_ticks(rng: Random, tick_s: float, actions: Sequence[SentAction]) -> list[SentAction]:
    """What a game makes of its player's actions, which are sorted, if it hands them out in ticks."""
    first_s, one_per_tick = rng.uniform(0, tick_s), rng.random() < ONE_PER_TICK_SHARE
    handed_out: list[SentAction] = []
    newest: dict[str, int] = {}
    for action in actions:
        tick = max(0, -int(-(action.at_s - first_s) // tick_s))
        if not one_per_tick or newest.get(action.kind) != tick:
            newest[action.kind] = tick
            handed_out.append(action._replace(at_s=first_s + tick * tick_s))
    return handed_out
