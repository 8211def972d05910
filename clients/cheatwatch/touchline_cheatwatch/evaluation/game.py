"""The events of a simulated room, and the points that they bring."""

from random import Random
from typing import NamedTuple

from touchline_cheatwatch.rooms import Event

GAP_S = 3.0
"""The mean time between two events."""
NAMES = ("Pass", "Shot", "last_goal")
SHARES = (0.6, 0.3, 0.1)
POINTS = {"Shot": 1, "last_goal": 10}
"""What an honest player can get for an event, as the built-in rule allows."""
PRODUCER_CLOCK_S = 0.02
"""How far a producer's clock is off at most."""
APPEND_S_MAX = 0.015


class GameEvent(NamedTuple):
    """An event: when it reaches the log (true time, in seconds), and its record there."""

    logged_s: float
    record: Event


def game_events(rng: Random, seconds: float) -> list[GameEvent]:
    """The events of a room, in order."""
    clock_s = rng.uniform(-PRODUCER_CLOCK_S, PRODUCER_CLOCK_S)
    found: list[GameEvent] = []
    at_s = rng.expovariate(1 / GAP_S)
    while at_s < seconds:
        logged_s = at_s + rng.uniform(0.002, APPEND_S_MAX)
        name = rng.choices(NAMES, SHARES)[0]
        found.append(GameEvent(logged_s, Event(len(found), round((at_s + clock_s) * 1000), name)))
        at_s = logged_s + rng.expovariate(1 / GAP_S)
    return found
