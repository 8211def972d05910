"""Keeps a match's score, clock and period, and returns the keyed events of each change.

The keys and the shapes of their data (all JSON objects):

    score      {"home": {"name", "goals"}, "away": {"name", "goals"}}
    clock      {"period", "minute", "second"}            at most once per match minute
    period     {"number", "name", "playing"}             number 0 is before kick-off; a break keeps the last number
    last_goal  {"team", "player", "minute", "own_goal", "score": {"home", "away"}}

``minute`` counts full minutes, as the match data does, so a goal after 62:11 is in minute 62. For an own goal ``team``
is the team that it counts for, and ``player`` the unlucky player of the other team. ``player`` may be null.
"""

from typing import NamedTuple

from .timeline import Keyed


class Period(NamedTuple):
    """A part of a match. ``first_minute`` is the match clock when it begins."""

    name: str
    first_minute: int
    break_name: str


PERIODS = {
    1: Period("First half", 0, "Half-time"),
    2: Period("Second half", 45, "Before extra time"),
    3: Period("Extra time, first half", 90, "Half-time in extra time"),
    4: Period("Extra time, second half", 105, "Before the penalty shoot-out"),
    5: Period("Penalty shoot-out", 120, "Full-time"),
}
SHOOT_OUT = 5
"""Its penalties decide who advances; they are not goals of the match (Laws of the Game, law 10)."""

BEFORE_KICK_OFF = "Before kick-off"
FULL_TIME = "Full-time"


class Scoreboard:
    """The state of one match. Every method returns the resulting events in order; there may be none."""

    def __init__(self, home: str, away: str) -> None:
        self.home = home
        self.away = away
        self.goals = {home: 0, away: 0}
        self.period = 0
        self.playing = False
        self._minute = 0

    def opening(self) -> list[Keyed]:
        """Before kick-off: who plays."""
        return [self._score(), self._period(BEFORE_KICK_OFF)]

    def start_period(self, number: int) -> list[Keyed]:
        """Period ``number`` (1 to 5) begins, and its clock with it."""
        self.period = number
        self.playing = True
        self._minute = PERIODS[number].first_minute
        return [self._period(PERIODS[number].name), self._clock(0)]

    def end_period(self, *, last: bool) -> list[Keyed]:
        """The current period ends. With ``last`` the match ends too."""
        self.playing = False
        return [self._period(FULL_TIME if last else PERIODS[self.period].break_name)]

    def tick(self, elapsed_s: float) -> list[Keyed]:
        """``elapsed_s`` of the period have been played: one clock event for each new minute."""
        minute = PERIODS[self.period].first_minute + int(elapsed_s // 60) if self.playing else 0
        if minute <= self._minute:
            return []
        self._minute = minute
        return [self._clock(int(elapsed_s % 60))]

    def goal(self, team: str, player: str | None, minute: int, *, own_goal: bool = False) -> list[Keyed]:
        """A goal that counts for ``team``."""
        self.goals[team] += 1
        score = {"home": self.goals[self.home], "away": self.goals[self.away]}
        goal = {"team": team, "player": player, "minute": minute, "own_goal": own_goal, "score": score}
        return [self._score(), ("last_goal", goal)]

    def _score(self) -> Keyed:
        return "score", {
            "home": {"name": self.home, "goals": self.goals[self.home]},
            "away": {"name": self.away, "goals": self.goals[self.away]},
        }

    def _period(self, name: str) -> Keyed:
        return "period", {"number": self.period, "name": name, "playing": self.playing}

    def _clock(self, second: int) -> Keyed:
        return "clock", {"period": self.period, "minute": self._minute, "second": second}
