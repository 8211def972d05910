"""Invented football matches without end, for demos and tests. The same seed gives the same feed.

Events have the main fields of `statsbomb`'s (``type``, ``team``, ``player``, ``period``, ``timestamp``, ``minute``,
``second``, ``location``, and the details by type), and the score events come from the same `Scoreboard`, so one reader
understands both. `possession` decides what happens on the pitch; this module decides when: staggered kick-offs, two
halves, a break, and the next match, in a new room, shortly after the end of the last.
"""

import heapq
from collections import deque
from collections.abc import Iterator
from itertools import chain

from touchline_protocol.errors import OperatorError

from .names import clubs, seeded
from .possession import Possession
from .scoreboard import PERIODS, Scoreboard
from .timeline import MATCH, Keyed, Timed, score_items

FIRST_MATCH_ID = 1001

MATCHES_MAX = 200
"""One process makes and publishes the events of all of them: some hundreds per second at the usual rate."""

MATCH_S = 240.0
"""How long a match takes from its first event to full-time: short enough to watch all of it in a visit to the demo."""

STAGGER_SHARE = 0.25
"""The first kick-offs are spread over this share of a match, so that goals and breaks do not coincide."""
BEFORE_SHARE = 0.02
BREAK_SHARE = 0.04
REST_SHARE = 0.06
"""Before kick-off, at half-time, and from full-time to the next match, in shares of a match: just enough to be seen."""

HALF_MINUTES = 45
ADDED_S = {1: (30, 180), 2: (120, 360)}
"""Added time of each half, at least and at most."""

CLOCK_SPACING = 4
"""At least this many events between two clock events: at a low rate the feed should not consist of clocks."""


def simulate(matches: int, rate_per_s: float, seed: int, match_s: float = MATCH_S) -> Iterator[Timed]:
    """Yield the events of ``matches`` matches at once, for ever, in the order in which they are due.

    Args:
        matches: How many are played at any time. Their room ids count up from `FIRST_MATCH_ID`; the newest ``matches``
            ids are being played.
        rate_per_s: Average number of events per second in each match, both feeds together.
        seed: Everything random depends on it.
        match_s: How many seconds a match takes.

    Raises:
        OperatorError: no match can be played with these numbers.
    """
    if matches < 1:
        raise OperatorError(f"cannot simulate {matches} matches: there must be at least one")
    if matches > MATCHES_MAX:
        text = f"at most {MATCHES_MAX}, because one process makes the events of all; for more events raise the rate"
        raise OperatorError(f"cannot simulate {matches} matches at once: {text}")
    if not 0 < rate_per_s < float("inf"):
        raise OperatorError(f"cannot simulate {rate_per_s} events per second: the rate must be more than 0")
    if not 0 < match_s < float("inf"):
        raise OperatorError(f"cannot simulate a match of {match_s} seconds: it must be more than 0")
    pitches = (_pitch(pitch, matches, rate_per_s, seed, match_s) for pitch in range(matches))
    return heapq.merge(*pitches, key=lambda item: item.due_s)


def simulate_under_way(
    matches: int, rate_per_s: float, seed: int, match_s: float = MATCH_S
) -> tuple[Iterator[Timed], Iterator[Timed]]:
    """Split the events of `simulate` at the last of the first kick-offs, from which on all matches are being played.

    Returns what came before, due at negative times, which is history and can be published at once; and what follows,
    due from 0 on. Consume the history first, and to its end: both read from one iterator.

    Raises:
        OperatorError: no match can be played with these numbers.
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
    """One match after another on one pitch: every ``matches``-th match."""
    start_s = _first_start_s(pitch, matches, match_s)
    number = pitch
    while True:
        yield from _SimulatedMatch(number, rate_per_s, seed, match_s).timeline(start_s)
        start_s += match_s * (1 + REST_SHARE)
        number += matches


class _SimulatedMatch:
    """One match. It has a random generator of its own, so it does not depend on the other matches or their number."""

    def __init__(self, number: int, rate_per_s: float, seed: int, match_s: float) -> None:
        self._rng = seeded(seed, "match", number)
        self._room_id = str(FIRST_MATCH_ID + number)
        self._match_s = match_s
        self._half_s = {
            half: HALF_MINUTES * 60 + self._rng.uniform(*added) for half, added in ADDED_S.items()
        }  # of match time
        played_share = 1 - BEFORE_SHARE - BREAK_SHARE
        self._pace = sum(self._half_s.values()) / (match_s * played_share)
        # Nothing happens in the breaks, so during play events come a little faster than on average.
        self._interval_s = played_share / (1 + REST_SHARE) / rate_per_s
        home, away = clubs(seed, number)
        self._board = Scoreboard(home.name, away.name)
        self._possession = Possession(self._rng, 2 * number + 1, (home, away))

    def timeline(self, start_s: float) -> Iterator[Timed]:
        yield from self._match_items(start_s, self._possession.line_ups())
        yield from score_items(start_s, self._room_id, self._board.opening())
        half_start_s = start_s + self._match_s * BEFORE_SHARE
        for half in self._half_s:
            half_end_s = half_start_s + self._half_s[half] / self._pace
            yield from self._half(half, half_start_s, half_end_s)
            half_start_s = half_end_s + self._match_s * BREAK_SHARE

    def _half(self, half: int, start_s: float, end_s: float) -> Iterator[Timed]:
        yield from self._match_items(start_s, self._possession.start_half(half, PERIODS[half].first_minute))
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
        yield from self._match_items(end_s, self._possession.end_half(self._half_s[half]))
        yield from score_items(end_s, self._room_id, self._board.end_period(last=half == max(self._half_s)))

    def _step(self, due_s: float, elapsed_s: float) -> Iterator[Timed]:
        """The next thing on the pitch. A goal's score follows the shot at once, as in a recorded match."""
        for event in self._possession.step(elapsed_s):
            yield Timed(due_s, self._room_id, MATCH, None, event)
            yield from score_items(due_s, self._room_id, self._goal(event))

    def _goal(self, event: dict[str, object]) -> list[Keyed]:
        scored = self._possession.goal_in(event)
        return self._board.goal(*scored) if scored else []

    def _match_items(self, due_s: float, events: list[dict[str, object]]) -> Iterator[Timed]:
        return (Timed(due_s, self._room_id, MATCH, None, event) for event in events)
