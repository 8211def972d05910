"""Recognises the tick on which a game hands out what its players did.

Such a game makes hands look like a timer: on a tick of 5 Hz, somebody who taps faster than that is seen at every tick
exactly. A single player's actions do not tell. But the actions of all its players come on the same tick, while bots
that send by themselves have timers of their own.

Pure, and bounded: `PLAYERS_MAX` players, with `TIMES_MAX` times each. A tick is looked for when a rule asks, and then
holds for `ESTIMATE_ACTIONS` actions, or `ESTIMATE_ACTIONS_MIN` if there was none: looking takes some 30 ms.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from math import atan2, cos, hypot, pi, sin

PLAYERS_MAX = 64
TIMES_MAX = 17
INTERVALS_MIN = 8
"""Players with fewer intervals show nothing."""
PAUSE_MS = 2_000
"""After a longer pause, a player's times are collected from the beginning."""

TICK_MS_MIN, TICK_MS_MAX = 40.0, 500.0
"""Ticks of 20 Hz and more do not make hands look like a timer, and hide in the network's jitter."""
COARSE_STEP, FINE_STEP = 0.02, 0.001
PLAYERS_MIN = 5
SHARE_MIN = 0.6
"""So many players, and such a share of all, must be on a tick. A game's players all are; of bots there are fewer."""
FIT_MIN = 0.5
"""How well a player's intervals must fit: 1 if all are multiples of the tick, 0 on average for any others."""
SPAN_OFF_MAX, INTERVAL_OFF_MAX = 0.08, 0.05
"""How far a regular span, and intervals on average, may be from multiples of the tick, as a share of the tick."""
FINER = 1.02
"""A finer tick must fit better by this factor: half of a tick fits just as well."""
ESTIMATE_ACTIONS_MIN, ESTIMATE_ACTIONS = 500, 10_000


class InputTicks:
    """The tick of a game, as its players' actions show it."""

    def __init__(self) -> None:
        self._players: OrderedDict[str, deque[int]] = OrderedDict()
        self._tick_ms: float | None = None
        self._unseen = ESTIMATE_ACTIONS_MIN

    def add(self, player: str, at_ms: int, *, is_continued: bool) -> None:
        """A player acted. ``is_continued``: the time since the player's action before is known."""
        times = self._players.get(player)
        if times is None:
            times = self._players[player] = deque(maxlen=TIMES_MAX)
            if len(self._players) > PLAYERS_MAX:
                self._players.popitem(last=False)
        else:
            self._players.move_to_end(player)
        if times and (not is_continued or at_ms - times[-1] > PAUSE_MS):
            times.clear()
        if not times or at_ms - times[-1] > TICK_MS_MIN / 2:  # otherwise it came with the one before
            times.append(at_ms)
        self._unseen += 1

    def tick_ms(self) -> float | None:
        """The tick on which the players act; None if there is none that is common to many."""
        if self._unseen >= (ESTIMATE_ACTIONS if self._tick_ms else ESTIMATE_ACTIONS_MIN):
            self._unseen = 0
            self._tick_ms = self._estimate()
        return self._tick_ms

    def is_on_tick(self, player: str, span_ms: float, tick_ms: float) -> bool:
        """Whether a player whose actions take ``span_ms`` again and again may just be on this tick."""
        if abs(span_ms / tick_ms - round(span_ms / tick_ms)) > SPAN_OFF_MAX:
            return False
        intervals = [each for each in _intervals(self._players.get(player, ())) if each > tick_ms / 2]
        if len(intervals) < INTERVALS_MIN:
            return True
        return _fit(intervals, tick_ms) >= FIT_MIN and abs(_off(intervals, tick_ms)) <= INTERVAL_OFF_MAX

    def _estimate(self) -> float | None:
        players = [times for times in self._players.values() if len(times) > INTERVALS_MIN]
        intervals = [_intervals(times) for times in players]
        best_ms, best, best_fit = 0.0, 0, 0.0
        tick_ms = TICK_MS_MAX
        while tick_ms >= TICK_MS_MIN:
            fits = [fit for each in intervals if (fit := _fit(each, tick_ms)) >= FIT_MIN]
            if sum(fits) > best_fit * FINER:
                best_ms, best, best_fit = tick_ms, len(fits), sum(fits)
            tick_ms *= 1 - COARSE_STEP
        if best < max(PLAYERS_MIN, SHARE_MIN * len(players)):
            return None
        steps = round(2 * COARSE_STEP / FINE_STEP)
        near = [best_ms * (1 + step * FINE_STEP) for step in range(-steps, steps + 1)]
        return max(near, key=lambda each_ms: sum(_coherence(times, each_ms) for times in players))


def _intervals(times: Sequence[int]) -> list[int]:
    return [later - before for before, later in zip(times, list(times)[1:], strict=False)]


def _fit(intervals: Sequence[int], tick_ms: float) -> float:
    """How near intervals are to multiples of a tick. Those much shorter than the tick cannot be."""
    if not intervals:
        return 0.0
    turn = 2 * pi / tick_ms
    short = tick_ms / 2
    return sum(cos(interval * turn) if interval > short else -1.0 for interval in intervals) / len(intervals)


def _off(intervals: Sequence[int], tick_ms: float) -> float:
    """How far intervals are from multiples of a tick on average, as a share of the tick."""
    turn = 2 * pi / tick_ms
    return atan2(sum(sin(each * turn) for each in intervals), sum(cos(each * turn) for each in intervals)) / (2 * pi)


def _coherence(times: Sequence[int], tick_ms: float) -> float:
    """How well all times fit one tick, whatever its phase. It is far more exact than intervals."""
    turn = 2 * pi / tick_ms
    angles = [(at_ms - times[0]) * turn for at_ms in times]
    return hypot(sum(map(cos, angles)), sum(map(sin, angles))) / len(angles)
