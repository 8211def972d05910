"""Made-up football matches without an end, for demos and tests: the same seed gives the same feed.

The events have the main fields of `statsbomb`'s (``type``, ``team``, ``player``, ``period``, ``timestamp``, ``minute``,
``second``, ``location``, and the details by type), and the score events are the same `Scoreboard`'s, so whoever reads
one reads the other. What happens on the pitch is `play`'s; here is when: staggered kick-offs, two halves, a break, and
the next match, in a new room, a little after the last one's end.
"""

import heapq
from collections import deque
from collections.abc import Iterator
from itertools import chain

from touchline_protocol.errors import OperatorError

from .names import clubs, seeded
from .possession import Play
from .scoreboard import PERIODS, Scoreboard
from .timeline import MATCH, Keyed, Timed, score_items

FIRST_MATCH_ID = 1001

MATCHES_MAX = 200
"""Of one process, which makes and publishes the events of all: some hundreds a second at the usual rate."""

MATCH_SECONDS = 240.0
"""How long a match takes, from its first event to its full-time: a whole one can be watched in a visit to the demo."""

STAGGER_SHARE = 0.25
"""The first kick-offs are spread over this share of a match, so that goals and breaks don't come all at once."""
BEFORE_SHARE = 0.02
BREAK_SHARE = 0.04
REST_SHARE = 0.06
"""Before kick-off, at half-time, and from full-time to the next match, in shares of a match: to be seen, no longer."""

HALF_MINUTES = 45
ADDED_SECONDS = {1: (30, 180), 2: (120, 360)}
"""The least and the most added to each half."""

CLOCK_SPACING = 4
"""Events between two clocks at least: at a low rate the feed should not be clocks alone."""


def simulate(matches: int, rate_per_s: float, seed: int, match_s: float = MATCH_SECONDS) -> Iterator[Timed]:
    """Yield the events of ``matches`` matches at once, for ever, in the order in which they are due.

    Args:
        matches: How many are played at any time. Their room ids count up from `FIRST_MATCH_ID`: the newest ``matches``
            ids are the current ones.
        rate_per_s: Events of each match in a second on average, of both feeds together.
        seed: Whatever is done by chance follows from it.
        match_s: How many seconds a match takes.

    Raises:
        OperatorError: a number that no match can be played with.
    """
    if matches < 1:
        raise OperatorError(f"{matches} matches cannot be simulated: it takes at least one")
    if matches > MATCHES_MAX:
        text = f"at most {MATCHES_MAX} can, since one process makes the events of all; a higher rate makes more events"
        raise OperatorError(f"{matches} matches cannot be simulated at once: {text}")
    if not 0 < rate_per_s < float("inf"):
        raise OperatorError(f"a rate of {rate_per_s} events a second cannot be simulated: it must be more than 0")
    if not 0 < match_s < float("inf"):
        raise OperatorError(f"a match of {match_s} seconds cannot be simulated: it must be more than 0")
    pitches = (_pitch(pitch, matches, rate_per_s, seed, match_s) for pitch in range(matches))
    return heapq.merge(*pitches, key=lambda item: item.due_s)


def simulate_under_way(
    matches: int, rate_per_s: float, seed: int, match_s: float = MATCH_SECONDS
) -> tuple[Iterator[Timed], Iterator[Timed]]:
    """Yield the events of `simulate` from the last of the first kick-offs on, when all matches are being played.

    Returns what was before, due at times below 0, which is history and can be published at once; and what follows, due
    from 0 on. The history is to be taken first, to its end: both come from one iterator.

    Raises:
        OperatorError: as `simulate`.
    """
    from_the_first = simulate(matches, rate_per_s, seed, match_s)
    all_on_s = _first_start_s(matches - 1, matches, match_s) + match_s * BEFORE_SHARE
    items = (item._replace(due_s=item.due_s - all_on_s) for item in from_the_first)
    rest: deque[Timed] = deque()

    def history() -> Iterator[Timed]:
        for item in items:
            if item.due_s >= 0:
                rest.append(item)
                return
            yield item

    return history(), chain(rest, items)


def _first_start_s(pitch: int, matches: int, match_s: float) -> float:
    return pitch * match_s * STAGGER_SHARE / matches


def _pitch(pitch: int, matches: int, rate_per_s: float, seed: int, match_s: float) -> Iterator[Timed]:
    """One match after the other: every ``matches``-th."""
    start_s = _first_start_s(pitch, matches, match_s)
    number = pitch
    while True:
        yield from _SimulatedMatch(number, rate_per_s, seed, match_s).timeline(start_s)
        start_s += match_s * (1 + REST_SHARE)
        number += matches


class _SimulatedMatch:
    """One match. Its own generator of chance makes it independent of the others and of how many there are."""

    def __init__(self, number: int, rate_per_s: float, seed: int, match_s: float) -> None:
        self._rng = seeded(seed, "match", number)
        self._room_id = str(FIRST_MATCH_ID + number)
        self._match_s = match_s
        self._half_s = {
            half: HALF_MINUTES * 60 + self._rng.uniform(*added) for half, added in ADDED_SECONDS.items()
        }  # of match time
        played_share = 1 - BEFORE_SHARE - BREAK_SHARE
        self._pace = sum(self._half_s.values()) / (match_s * played_share)
        # Nothing happens in the breaks, so while play goes on events come a little faster than on average.
        self._interval_s = played_share / (1 + REST_SHARE) / rate_per_s
        home, away = clubs(seed, number)
        self._board = Scoreboard(home.name, away.name)
        self._play = Play(self._rng, 2 * number + 1, (home, away))

    def timeline(self, start_s: float) -> Iterator[Timed]:
        yield from self._match_items(start_s, self._play.line_ups())
        yield from score_items(start_s, self._room_id, self._board.opening())
        half_start_s = start_s + self._match_s * BEFORE_SHARE
        for half in self._half_s:
            half_end_s = half_start_s + self._half_s[half] / self._pace
            yield from self._half(half, half_start_s, half_end_s)
            half_start_s = half_end_s + self._match_s * BREAK_SHARE

    def _half(self, half: int, start_s: float, end_s: float) -> Iterator[Timed]:
        yield from self._match_items(start_s, self._play.start_half(half, PERIODS[half].first_minute))
        yield from score_items(start_s, self._room_id, self._board.start_period(half))
        due_s = start_s
        made = 1
        since_clock = 0
        while (due_s := due_s + made * self._interval_s * self._rng.uniform(0.5, 1.5)) < end_s:
            elapsed_s = (due_s - start_s) * self._pace
            clock = self._board.tick(elapsed_s) if since_clock >= CLOCK_SPACING else []
            items = list(score_items(due_s, self._room_id, clock)) or list(self._step(due_s, elapsed_s))
            since_clock = 0 if clock else since_clock + len(items)
            made = len(items)
            yield from items
        yield from self._match_items(end_s, self._play.end_half(self._half_s[half]))
        yield from score_items(end_s, self._room_id, self._board.end_period(last=half == max(self._half_s)))

    def _step(self, due_s: float, elapsed_s: float) -> Iterator[Timed]:
        """Something happens on the pitch. A goal's score follows the shot at once, as in a recorded match."""
        for event in self._play.step(elapsed_s):
            yield Timed(due_s, self._room_id, MATCH, None, event)
            yield from score_items(due_s, self._room_id, self._goal(event))

    def _goal(self, event: dict[str, object]) -> list[Keyed]:
        scored = self._play.goal_in(event)
        return self._board.goal(*scored) if scored else []

    def _match_items(self, due_s: float, events: list[dict[str, object]]) -> Iterator[Timed]:
        return (Timed(due_s, self._room_id, MATCH, None, event) for event in events)
