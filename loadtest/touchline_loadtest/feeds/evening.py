"""An evening of matches that are all played at once, generated from a `Profile` and a seed, or replayed from files.

Each match is two rooms, as in the demo: ``match:<id>`` has everything that happens, without keys; ``score:<id>`` has
the score, the clock and the period, under their keys.
"""

import heapq
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import msgspec

from touchline_demo.matches.names import Club, clubs
from touchline_demo.matches.scoreboard import PERIODS, Scoreboard
from touchline_demo.matches.timeline import MATCH, SCORE, Keyed, Timed, score_items
from touchline_loadtest.publish.batches import KeyedValue

from .moments import Moment
from .profile import PERIODS_PLAYED, Profile

MATCHES = 50
FIRST_MATCH_ID = 1
KICK_OFF_SPREAD_S = 60.0
"""Matches that kick off at the same hour do so within about a minute."""
BREAK_S = 15 * 60.0
"""Half-time, as the Laws of the Game limit it."""
FRAMING_KINDS = ("Starting XI", "Half Start", "Half End")
"""Kinds that begin and end a match or a half, once for each team; all others happen at random."""


def rooms(matches: int) -> list[str]:
    """The rooms of that many matches: first those of the events, then those of the score."""
    ids = range(FIRST_MATCH_ID, FIRST_MATCH_ID + matches)
    return [f"{feed}:{number}" for feed in (MATCH, SCORE) for number in ids]


def evening(profile: Profile, seed: int, matches: int = MATCHES) -> Iterator[Moment]:
    """The moments of ``matches`` generated matches, from the first kick-off to the last final whistle."""
    return _together([generated_match(profile, seed, number) for number in range(matches)], seed)


def replayed(timelines: Sequence[Sequence[Timed]], seed: int, matches: int = MATCHES) -> Iterator[Moment]:
    """The same with recorded matches, which take turns if there are fewer than ``matches``."""
    return _together([_in_room(timelines[number % len(timelines)], number) for number in range(matches)], seed)


def _in_room(timeline: Sequence[Timed], number: int) -> Iterator[Timed]:
    return (item._replace(room_id=str(FIRST_MATCH_ID + number)) for item in timeline)


def _together(matches: Sequence[Iterator[Timed]], seed: int) -> Iterator[Moment]:
    chance = _chance(seed, "kick-offs")
    return heapq.merge(
        *(_moments(match, chance.uniform(0, KICK_OFF_SPREAD_S)) for match in matches),
        key=lambda moment: moment.due_s,
    )


def _moments(match: Iterator[Timed], kick_off_s: float) -> Iterator[Moment]:
    encode = msgspec.json.Encoder().encode
    for item in match:
        event = KeyedValue(item.key, encode(item.data))
        yield Moment(kick_off_s + item.due_s, f"{item.feed}:{item.room_id}", [event])


def generated_match(profile: Profile, seed: int, number: int) -> Iterator[Timed]:
    """The timeline of match ``number`` (from 0). It does not depend on the other matches."""
    match = _Match(profile, _chance(seed, f"match/{number}"), clubs(seed, number))
    room_id = str(FIRST_MATCH_ID + number)
    for due_s, data, changes in match.play():
        if data is not None:
            yield Timed(due_s, room_id, MATCH, None, data)
        yield from score_items(due_s, room_id, changes)


def _chance(seed: int, part: str) -> Random:
    return Random(f"{seed}/{part}")  # noqa: S311 - nothing here is a secret


_Happening = tuple[float, dict[str, Any] | None, list[Keyed]]
"""When, the event, and what it changes on the scoreboard."""


class _Match:
    """Draws a match's events one after the other."""

    def __init__(self, profile: Profile, chance: Random, teams: tuple[Club, Club]) -> None:
        self._profile = profile
        self._chance = chance
        self._teams = teams
        self._board = Scoreboard(teams[0].name, teams[1].name)
        self._kinds = [kind for kind in profile.kinds if kind not in FRAMING_KINDS]
        self._weights = [profile.kinds[kind].per_match for kind in self._kinds]
        self._index = 0
        self._gap_s = 1.0

    def play(self) -> Iterator[_Happening]:
        """Everything that happens, in order."""
        yield from self._for_each_team(0, "Starting XI", PERIODS_PLAYED[0], 0.0)
        yield 0, None, self._board.opening()
        began_s = 0.0
        for period in PERIODS_PLAYED:
            length_s = self._chance.uniform(*self._profile.halves_s)
            yield from self._half(began_s, length_s, period)
            began_s += length_s + BREAK_S

    def _half(self, began_s: float, length_s: float, period: int) -> Iterator[_Happening]:
        yield from self._for_each_team(began_s, "Half Start", period, 0)
        yield began_s, None, self._board.start_period(period)
        elapsed_s = self._next_gap_s()
        while elapsed_s < length_s:
            [kind] = self._chance.choices(self._kinds, self._weights)
            team = self._chance.choice(self._teams)
            is_goal = kind == "Shot" and self._chance.random() < self._profile.goals_per_shot
            event = self._event(kind, period, elapsed_s, team, is_goal=is_goal)
            changes = self._board.tick(elapsed_s)
            if is_goal:
                changes += self._board.goal(team.name, self._chance.choice(team.players), event["minute"])
            yield began_s + elapsed_s, event, changes
            elapsed_s += self._next_gap_s()
        yield from self._for_each_team(began_s + length_s, "Half End", period, length_s)
        yield began_s + length_s, None, self._board.end_period(last=period == PERIODS_PLAYED[-1])

    def _for_each_team(self, due_s: float, kind: str, period: int, elapsed_s: float) -> Iterator[_Happening]:
        each = round(self._profile.kinds[kind].per_match / len(self._teams))
        if kind != "Starting XI":
            each = round(each / len(PERIODS_PLAYED))
        for _ in range(each):
            for team in self._teams:
                yield due_s, self._event(kind, period, elapsed_s, team), []

    def _next_gap_s(self) -> float:
        gaps_s = self._profile.gaps_s if self._gap_s else self._profile.gaps_after_zero_s
        self._gap_s = self._chance.choice(gaps_s)
        return self._gap_s

    def _event(self, kind: str, period: int, elapsed_s: float, team: Club, *, is_goal: bool = False) -> dict[str, Any]:
        """An event of ``kind`` with the fields that readers of the demo use, filled up to a size that was drawn."""
        chance = self._chance
        self._index += 1
        minute, second = divmod(int(elapsed_s), 60)
        event = {
            "index": self._index,
            "period": period,
            "timestamp": f"00:{minute:02}:{elapsed_s % 60:06.3f}",
            "minute": PERIODS[period].first_minute + minute,
            "second": second,
            "type": {"name": kind},
            "team": {"name": team.name},
            "player": {"name": chance.choice(team.players)},
            "location": [round(chance.uniform(0, 120), 1), round(chance.uniform(0, 80), 1)],
        }
        if kind == "Shot":
            event["shot"] = {"outcome": {"name": "Goal" if is_goal else "Off T"}}
        return _filled(event, round(chance.choice(self._profile.kinds[kind].sizes_bytes)), chance)


def _filled(event: dict[str, Any], size_bytes: int, chance: Random) -> dict[str, Any]:
    """``event`` with digits in a field of its own, so that its JSON has ``size_bytes``, if it is not longer already."""
    event["details"] = ""
    missing = size_bytes - len(msgspec.json.encode(event))
    if missing > 0:
        event["details"] = f"{chance.randrange(10**missing):0{missing}}"
    return event
