"""Honest players: what they do, and when. Each has a style, chosen at random.

Hands are well studied: casual taps come at 2 to 8 a second and vary by a tenth and more from one to the next.
Drummers who follow a beat vary by 0.03 to 0.06. The fastest people reach 10 to 12 taps a second for a few seconds.
Reactions to something seen take 0.2 to 0.5 s, and hardly any less than 0.16 s.
"""

import math
from collections.abc import Generator, Iterator, Sequence
from random import Random
from typing import Any

from .game import POINTS, GameEvent
from .network import SentAction

FIELD_M = 100.0
SPEED_M_S = 11.0
MOVE_S = 0.25
REACTION_S_MIN = 0.16
INTERVAL_S_MIN = 0.03


def honest(rng: Random, seconds: float, events: Sequence[GameEvent], latency_s: float) -> list[SentAction]:
    """All actions of an honest player, unsorted."""
    styles = (_casual, _drummer, _masher)
    tapping = rng.choices(styles, (0.9, 0.06, 0.04))[0]
    made = [SentAction(at_s, "tap", {}) for at_s in tapping(rng, seconds)]
    if chance(rng, 0.3):
        made += walk(rng, seconds, SPEED_M_S / 5, SPEED_M_S)
    made += _reactions(rng, events, latency_s)
    if chance(rng, 0.1):
        made += [SentAction(at_s, "react", {}) for at_s in _at_random(rng, seconds, rng.uniform(0.5, 5))]
    if chance(rng, 0.5):
        made += _scores(rng, events, latency_s)
    return [one for one in made if one.at_s < seconds]


def chance(rng: Random, share: float) -> bool:
    """True in this share of cases."""
    return rng.random() < share


def beats(rng: Random, start_s: float, count: int, interval_s: float, variation: float) -> Iterator[float]:
    """The taps of a hand: each interval varies on its own, and the tempo drifts by about a third of that."""
    at_s, tempo = start_s, 1.0
    for _ in range(count):
        yield at_s
        tempo += rng.gauss(0, variation / 3) - (tempo - 1) * 0.05
        at_s += max(interval_s * tempo * rng.gauss(1, variation), INTERVAL_S_MIN)


def walk(rng: Random, seconds: float, speed_min: float, speed_max: float, rest_s: float = 40) -> list[SentAction]:
    """Runs across the field, reported four times a second, with rests of ``rest_s`` on average."""
    x, y, at_s = rng.uniform(0, FIELD_M), rng.uniform(0, FIELD_M), rng.uniform(0, 30)
    made = [SentAction(at_s, "move", {"x": x, "y": y})]
    while at_s < seconds:
        to_x, to_y = rng.uniform(0, FIELD_M), rng.uniform(0, FIELD_M)
        speed = rng.uniform(speed_min, speed_max)
        steps = max(1, math.ceil(math.hypot(to_x - x, to_y - y) / (speed * MOVE_S)))
        for step in range(1, steps + 1):
            at_s += MOVE_S
            position = {"x": x + (to_x - x) * step / steps, "y": y + (to_y - y) * step / steps}
            made.append(SentAction(at_s, "move", position))
        x, y = to_x, to_y
        at_s += rng.expovariate(1 / rest_s)
    return made


def _casual(rng: Random, seconds: float) -> Iterator[float]:
    """Cheers once in a while."""
    at_s = rng.uniform(0, 30)
    while at_s < seconds:
        at_s = yield from _burst(rng, at_s, rng.randint(3, 50), rng.uniform(0.12, 0.5), rng.uniform(0.08, 0.3))
        at_s += rng.expovariate(1 / 30)


def _drummer(rng: Random, seconds: float) -> Iterator[float]:
    """Follows the beat of a song, for minutes."""
    at_s = rng.uniform(0, 30)
    while at_s < seconds:
        at_s = yield from _burst(rng, at_s, rng.randint(50, 400), rng.uniform(0.2, 0.6), rng.uniform(0.03, 0.06))
        at_s += rng.uniform(10, 60)


def _masher(rng: Random, seconds: float) -> Iterator[float]:
    """Taps as fast as possible, until the fingers hurt."""
    at_s = rng.uniform(0, 30)
    while at_s < seconds:
        at_s = yield from _burst(rng, at_s, rng.randint(50, 250), rng.uniform(0.085, 0.13), rng.uniform(0.06, 0.15))
        at_s += rng.uniform(10, 60)


def _burst(
    rng: Random, start_s: float, count: int, interval_s: float, variation: float
) -> Generator[float, None, float]:
    """Yields taps; returns the time of the last one."""
    at_s = start_s
    for at_s in beats(rng, start_s, count, interval_s, variation):
        yield at_s
    return at_s


def _at_random(rng: Random, seconds: float, every_s: float) -> Iterator[float]:
    at_s = rng.expovariate(1 / every_s)
    while at_s < seconds:
        yield at_s
        at_s += rng.expovariate(1 / every_s)


def _reactions(rng: Random, events: Sequence[GameEvent], latency_s: float) -> Iterator[SentAction]:
    named, eager = chance(rng, 0.5), rng.uniform(0.05, 0.6)
    usual_s = rng.uniform(0.22, 0.45)
    for event in events:
        if chance(rng, eager):
            reaction_s = max(REACTION_S_MIN, rng.lognormvariate(math.log(usual_s), 0.25))
            data: dict[str, Any] = {"offset": event.record.offset} if named else {}
            yield SentAction(event.logged_s + latency_s + reaction_s, "react", data)


def _scores(rng: Random, events: Sequence[GameEvent], latency_s: float) -> Iterator[SentAction]:
    """Wins some of the points, and reports the score each time."""
    score, luck, before = 0, rng.uniform(0.1, 1.0), rng.choice((0, rng.randint(0, 300)))
    for event in events:
        if event.record.name in POINTS and chance(rng, luck):
            score += POINTS[event.record.name]
            yield SentAction(event.logged_s + latency_s + rng.uniform(0.01, 3), "score", {"score": before + score})
