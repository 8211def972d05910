"""The positions of everybody on the pitch: 22 players and the ball, 25 times a second, each under its own key.

Players run between points of the pitch at the speeds of people, so successive positions differ and numbers have
realistic lengths. All of it follows from a seed.
"""

import heapq
import math
from collections.abc import Callable, Iterator
from random import Random

import msgspec

from touchline_loadtest.publish.batches import KeyedValue

from .moments import Moment

FEED = "tracking"
TICK_HZ = 25.0
"""The usual rate of optical tracking."""
PLAYERS_PER_SIDE = 11
PITCH_M = (105.0, 68.0)
"""Length and width of most pitches."""
RUN_M_S = (1.0, 8.0)
BALL_M_S = (3.0, 25.0)
"""The range of speeds, metres per second."""
ACCELERATION_M_S2 = 4.0


class Position(msgspec.Struct, omit_defaults=True):
    """Where one player or the ball is. Metres from the centre of the pitch, metres per second.

    ``due`` is set by benchmarks alone: see `touchline_loadtest.wire.event_values.Due`.
    """

    frame: int
    t_ms: int
    id: str
    team: str
    x: float
    y: float
    z: float
    speed: float
    heading: float
    due: int = 0


class _Runner:
    """One moving thing: heads for a point, and then for the next one."""

    def __init__(self, chance: Random, name: str, team: str, speeds_m_s: tuple[float, float]) -> None:
        self.key = name
        self._chance = chance
        self._team = team
        self._speeds_m_s = speeds_m_s
        self._x, self._y = self._point()
        self._speed_m_s = 0.0
        self._set_off()

    def step(self, frame: int, due: int) -> Position:
        """Move for one tick."""
        dx, dy = self._to_x - self._x, self._to_y - self._y
        if (distance := math.hypot(dx, dy)) < self._goal_m_s / TICK_HZ:
            self._set_off()
        else:
            change = ACCELERATION_M_S2 / TICK_HZ
            self._speed_m_s += max(-change, min(change, self._goal_m_s - self._speed_m_s))
            share = min(1.0, self._speed_m_s / TICK_HZ / distance)
            self._x, self._y = self._x + dx * share, self._y + dy * share
        return Position(
            frame=frame,
            t_ms=round(frame / TICK_HZ * 1000),
            id=self.key,
            team=self._team,
            x=round(self._x, 2),
            y=round(self._y, 2),
            z=0.0,
            speed=round(self._speed_m_s, 2),
            heading=round(math.degrees(math.atan2(dy, dx)), 1),
            due=due,
        )

    def _set_off(self) -> None:
        self._to_x, self._to_y = self._point()
        self._goal_m_s = self._chance.uniform(*self._speeds_m_s)

    def _point(self) -> tuple[float, float]:
        length_m, width_m = PITCH_M
        return self._chance.uniform(-length_m / 2, length_m / 2), self._chance.uniform(-width_m / 2, width_m / 2)


def _match(seed: int, room: str, first_s: float, due: Callable[[float], int]) -> Iterator[Moment]:
    chance = Random(f"{seed}/{room}")  # noqa: S311 - nothing here is a secret
    runners = [
        _Runner(chance, f"{team}-{number}", team, RUN_M_S)
        for team in ("home", "away")
        for number in range(1, PLAYERS_PER_SIDE + 1)
    ]
    runners.append(_Runner(chance, "ball", "", BALL_M_S))
    encode = msgspec.json.Encoder().encode
    frame = 0
    while True:
        due_s = first_s + frame / TICK_HZ
        due_ns = due(due_s)
        yield Moment(due_s, room, [KeyedValue(runner.key, encode(runner.step(frame, due_ns))) for runner in runners])
        frame += 1


def rooms(matches: int) -> list[str]:
    """The rooms of that many matches."""
    return [f"{FEED}:{number}" for number in range(1, matches + 1)]


def tracking(names: list[str], seed: int, due: Callable[[float], int] = lambda _due_s: 0) -> Iterator[Moment]:
    """The positions in each room, without end. The matches' ticks are spread evenly over the interval of a tick.

    ``due`` returns the `Position.due` of a moment.
    """
    matches = [_match(seed, room, index / len(names) / TICK_HZ, due) for index, room in enumerate(names)]
    return heapq.merge(*matches, key=lambda moment: moment.due_s)
