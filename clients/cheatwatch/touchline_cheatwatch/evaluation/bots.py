"""Bots, one kind for each built-in rule: their actions, unsorted. Each bot has parameters of its own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, TypeAlias

from touchline_cheatwatch.rules.base import Rule
from touchline_cheatwatch.rules.movement import Movement
from touchline_cheatwatch.rules.rate import Rate
from touchline_cheatwatch.rules.reaction import Reaction
from touchline_cheatwatch.rules.regularity import Regularity
from touchline_cheatwatch.rules.score import Score

from .game import POINTS, GameEvent
from .humans import SPEED_M_S, chance, walk
from .network import SentAction

Bot: TypeAlias = Callable[[Random, float, Sequence[GameEvent], float], list[SentAction]]


def _clicker(rng: Random, seconds: float, events: Sequence[GameEvent], latency_s: float) -> list[SentAction]:
    """Taps 16 to 60 times a second, as irregularly as a human does."""
    rate = rng.uniform(16, 60)
    return [SentAction(at_s, "tap", {}) for at_s in _timer(rng, seconds, 1 / rate, rng.uniform(0.1, 0.5))]


def _metronome(rng: Random, seconds: float, events: Sequence[GameEvent], latency_s: float) -> list[SentAction]:
    """Taps 2 to 10 times a second, by a timer that is off by up to 4 % each time."""
    interval_s, jitter = rng.uniform(0.1, 0.5), rng.uniform(0, 0.04)
    start_s = rng.uniform(0, 5)
    count = int((seconds - start_s) / interval_s)
    return [SentAction(start_s + (number + rng.uniform(0, jitter)) * interval_s, "tap", {}) for number in range(count)]


def _sniper(rng: Random, seconds: float, events: Sequence[GameEvent], latency_s: float) -> list[SentAction]:
    """Answers most events within 1 to 20 ms of receiving them."""
    share = rng.uniform(0.5, 1)
    return [
        SentAction(event.logged_s + latency_s + rng.uniform(0.001, 0.02), "react", {})
        for event in events
        if rng.random() < share
    ]


def _teleporter(rng: Random, seconds: float, events: Sequence[GameEvent], latency_s: float) -> list[SentAction]:
    """Runs 1.5 to 4 times as fast as the fastest players, or normally, with an occasional jump of 50 to 100 m."""
    rest_s = rng.uniform(5, 40)
    if chance(rng, 0.5):
        speed = SPEED_M_S * rng.uniform(1.5, 4)
        return [one for one in walk(rng, seconds, speed, speed, rest_s) if one.at_s < seconds]
    made, jump_at_s, offset_m = [], rng.uniform(5, 60), 0.0
    for one in walk(rng, seconds, SPEED_M_S / 5, SPEED_M_S, rest_s):
        if one.at_s >= jump_at_s:
            offset_m += rng.uniform(50, 100)
            jump_at_s = one.at_s + rng.uniform(5, 60)
        made.append(SentAction(one.at_s, "move", {"x": one.data["x"] + offset_m, "y": one.data["y"]}))
    return [one for one in made if one.at_s < seconds]


def _liar(rng: Random, seconds: float, events: Sequence[GameEvent], latency_s: float) -> list[SentAction]:
    """Reports a score that grows 1.5 to 10 times as fast as its points can."""
    score, factor, start = 0.0, rng.uniform(1.5, 10), rng.randint(0, 100)
    made = []
    for event in events:
        if event.record.name in POINTS:
            score += POINTS[event.record.name] * factor
            made.append(
                SentAction(event.logged_s + latency_s + rng.uniform(0.05, 2), "score", {"score": start + score})
            )
    return made


BOTS: Mapping[str, tuple[type[Rule[Any]], Bot]] = {
    "clicker": (Rate, _clicker),
    "metronome": (Regularity, _metronome),
    "sniper": (Reaction, _sniper),
    "teleporter": (Movement, _teleporter),
    "liar": (Score, _liar),
}
"""The kinds of bot: for each name, the rule that must catch it, and its actions."""


def _timer(rng: Random, seconds: float, interval_s: float, variation: float) -> Iterator[float]:
    at_s = rng.uniform(0, 5)
    while at_s < seconds:
        yield at_s
        at_s += interval_s * max(0.1, rng.gauss(1, variation))
