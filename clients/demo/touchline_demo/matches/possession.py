"""What happens on the pitch of an invented match: who has the ball, and what they do with it.

A team keeps the ball with passes and carries until it loses it. Now and then there is an incident: a shot, a foul, a
corner, a substitution. Incidents have a rate in match time, so a match has the usual number of them however many other
events it is filled with. The same holds for goals, however few shots there is room for.
Does not know when an event is shown.
"""

import math
from random import Random
from typing import Any, TypeAlias

from .names import Club

EventData: TypeAlias = dict[str, Any]
Player: TypeAlias = dict[str, Any]

TYPE_IDS = {
    "Ball Recovery": 2, "Dispossessed": 3, "Clearance": 9, "Interception": 10, "Dribble": 14, "Shot": 16,
    "Pressure": 17, "Half Start": 18, "Substitution": 19, "Foul Won": 21, "Foul Committed": 22, "Goal Keeper": 23,
    "Pass": 30, "Half End": 34, "Starting XI": 35, "Ball Receipt*": 42, "Carry": 43,
}  # fmt: skip

USUAL_MATCH_S = 96 * 60
INCIDENTS = {"shot": 25.0, "foul": 22.0, "corner": 10.0, "substitution": 12.0}
"""How many a match has on average. Substitutions are made only in the second half."""
INCIDENT_SPACING_S = USUAL_MATCH_S / sum(INCIDENTS.values())
GOALS = 2.7
"""Average per match, both teams together."""
CONVERSION_MAX = 0.9

BALL = {"pass": 62, "carry": 22, "pressure": 6, "dribble": 4, "dispossessed": 3, "loss": 3}
"""Weights of what happens to the ball, in percent."""

YELLOW_SHARE = 0.16
RED_SHARE = 0.004
OUTFIELD_MIN = 7
"""Eight with the goalkeeper. A side must not have fewer, so then nobody is sent off."""
MISSES = ("Off T", "Saved", "Blocked", "Wayward", "Post")
MISS_WEIGHTS = (35, 30, 24, 7, 4)

PITCH = (120.0, 80.0)
"""Length and width in StatsBomb's coordinates. The acting team always plays towards the greater x."""


class _Side:
    """A team in this match: who is on the pitch, who can come on, who has been booked."""

    def __init__(self, team_id: int, club: Club, strength: float) -> None:
        self.team = {"id": team_id, "name": club.name}
        squad = [{"id": team_id * 100 + number, "name": name} for number, name in enumerate(club.players, 1)]
        self.keeper = squad[0]
        self.outfield = squad[1:11]
        self.bench = squad[11:]
        self.booked: set[int] = set()
        self.strength = strength


class Possession:
    """The course of one match. Methods return events in order; ``elapsed_s`` is match time since the half began."""

    def __init__(self, rng: Random, first_team_id: int, clubs: tuple[Club, Club]) -> None:
        self._rng = rng
        self._sides = tuple(_Side(first_team_id + at, club, rng.uniform(0.8, 1.2)) for at, club in enumerate(clubs))
        self._index = 0
        self._period = 1
        self._first_minute = 0
        self._elapsed_s = 0.0
        self._asked_s = 0.0  # match time up to which incidents have been drawn
        self._shot_s = 0.0  # match time up to which shots have accounted for the goals
        self._x, self._y = PITCH[0] / 2, PITCH[1] / 2
        self._attack, self._defence = self._sides
        self._holder = self._attack.outfield[-1]
        self._receiving = False

    def line_ups(self) -> list[EventData]:
        """The line-ups: one event for each team."""
        return [self._line_up(side) for side in self._sides]

    def start_half(self, half: int, first_minute: int) -> list[EventData]:
        """The half begins. The teams take turns in kicking off."""
        self._shot_s -= self._elapsed_s
        self._period, self._first_minute = half, first_minute
        self._elapsed_s = self._asked_s = 0.0
        self._kick_off(self._sides[half % 2])
        return [self._event("Half Start", side) for side in self._sides]

    def end_half(self, elapsed_s: float) -> list[EventData]:
        """The half ends."""
        self._elapsed_s = elapsed_s
        return [self._event("Half End", side) for side in self._sides]

    def step(self, elapsed_s: float) -> list[EventData]:
        """The next thing that happens: one event, or several that belong together."""
        self._elapsed_s = elapsed_s
        if not self._receiving and self._incident():
            [incident] = self._rng.choices(list(INCIDENTS), list(INCIDENTS.values()))
            if incident == "shot":
                return self._shot()
            if incident == "foul":
                return self._foul()
            if incident == "corner":
                return self._corner()
            return self._substitution() or self._ball()
        return self._ball()

    def goal_in(self, event: EventData) -> tuple[str, str, int] | None:
        """Team, player and minute, if ``event`` is a goal."""
        if event["type"]["name"] != "Shot" or event["shot"]["outcome"]["name"] != "Goal":
            return None
        return event["team"]["name"], event["player"]["name"], event["minute"]

    def _incident(self) -> bool:
        """Whether there is an incident now: drawn for the match time since the last call."""
        spell_s = self._elapsed_s - self._asked_s
        self._asked_s = self._elapsed_s
        return self._rng.random() < 1 - math.exp(-spell_s / INCIDENT_SPACING_S)

    def _ball(self) -> list[EventData]:
        """Ordinary play: the player on the ball moves it or loses it."""
        rng, attack = self._rng, self._attack
        if self._receiving:
            self._receiving = False
            return [self._event("Ball Receipt*", attack, self._holder)]
        [what] = rng.choices(list(BALL), list(BALL.values()))
        if what == "pass":
            return [self._pass()]
        if what == "carry":
            origin = self._location()
            self._advance(6, 5)
            carry = {"end_location": self._location()}
            return [self._event("Carry", attack, self._holder, location=origin, carry=carry)]
        if what == "pressure":
            return [self._event("Pressure", self._defence, rng.choice(self._defence.outfield), mirrored=True)]
        if what == "dribble":
            return [self._event("Dribble", attack, self._holder, dribble={"outcome": {"id": 8, "name": "Complete"}})]
        if what == "dispossessed":
            return [self._event("Dispossessed", attack, self._holder), self._lose("Ball Recovery")]
        return [self._lose(rng.choice(["Interception", "Clearance"]))]

    def _pass(self, kind: str | None = None) -> EventData:
        passer = self._holder
        receiver = self._other(self._attack, passer)
        origin = self._location()
        self._advance(9, 12)
        details: EventData = {"recipient": receiver, "end_location": self._location()}
        if kind:
            details["type"] = {"name": kind}
        complete = self._rng.random() < 0.72 + 0.1 * self._attack.strength
        if complete:
            self._holder, self._receiving = receiver, True
        else:
            details["outcome"] = {"id": 9, "name": "Incomplete"}
        event = self._event("Pass", self._attack, passer, location=origin) | {"pass": details}
        if not complete:
            self._turn_over()
        return event

    def _shot(self) -> list[EventData]:
        rng, defence = self._rng, self._defence
        # The stronger side gets to shoot more often, wherever the ball was.
        if rng.random() > self._attack.strength / (self._attack.strength + defence.strength) + 0.25:
            self._turn_over()
        attack, defence, shooter = self._attack, self._defence, self._holder
        self._x, self._y = rng.uniform(92, 116), rng.gauss(40, 9)
        goal = rng.random() < self._conversion()
        outcome = "Goal" if goal else rng.choices(MISSES, MISS_WEIGHTS)[0]
        shot = self._event("Shot", attack, shooter, shot={"outcome": {"name": outcome}, "type": {"name": "Open Play"}})
        if goal:
            answer = "Goal Conceded"
            self._kick_off(defence)
        else:
            answer = "Shot Saved" if outcome == "Saved" else "Shot Faced"
            self._turn_over()
        self._x, self._y = (PITCH[0] / 2, PITCH[1] / 2) if goal else (6.0, PITCH[1] / 2)
        keeper = self._event(
            "Goal Keeper", defence, defence.keeper, location=[4.0, 40.0], goalkeeper={"type": {"name": answer}}
        )
        return [shot, keeper]

    def _conversion(self) -> float:
        """The probability of a goal: it accounts for the average number of goals in the time since the last shot."""
        spell_s = self._elapsed_s - self._shot_s
        self._shot_s = self._elapsed_s
        return min(CONVERSION_MAX, GOALS * spell_s / USUAL_MATCH_S)

    def _foul(self) -> list[EventData]:
        rng, attack, defence, fouled = self._rng, self._attack, self._defence, self._holder
        fouler = rng.choice(defence.outfield)
        details: EventData = {}
        if card := self._card(defence, fouler):
            details["foul_committed"] = {"card": {"name": card}}
        committed = self._event("Foul Committed", defence, fouler, mirrored=True, **details)
        return [committed, self._event("Foul Won", attack, fouled), self._pass("Free Kick")]

    def _card(self, side: _Side, player: Player) -> str | None:
        """The card for a foul, if there is one. A player who is sent off is not replaced. No side goes below eight."""
        chance = self._rng.random()
        if chance >= RED_SHARE + YELLOW_SHARE:
            return None
        if chance >= RED_SHARE and player["id"] not in side.booked:
            side.booked.add(player["id"])
            return "Yellow Card"
        if len(side.outfield) <= OUTFIELD_MIN:
            return None
        side.outfield.remove(player)
        return "Red Card" if chance < RED_SHARE else "Second Yellow"

    def _corner(self) -> list[EventData]:
        self._x, self._y = PITCH[0], self._rng.choice([0.0, PITCH[1]])
        return [self._pass("Corner")]

    def _substitution(self) -> list[EventData]:
        """A substitution, in the second half and while somebody is on the bench; else nothing."""
        side = self._rng.choice(self._sides)
        if self._period == 1 or not side.bench:
            return []
        on = side.bench.pop(0)
        off = side.outfield[at := self._rng.randrange(len(side.outfield))]
        side.outfield[at] = on
        if self._holder is off:
            self._holder = on
        return [self._event("Substitution", side, off, substitution={"replacement": on})]

    def _kick_off(self, side: _Side) -> None:
        if side is not self._attack:
            self._attack, self._defence = self._defence, self._attack
        self._x, self._y = PITCH[0] / 2, PITCH[1] / 2
        self._holder, self._receiving = self._rng.choice(side.outfield), False

    def _lose(self, how: str) -> EventData:
        self._turn_over()
        return self._event(how, self._attack, self._holder)

    def _turn_over(self) -> None:
        self._attack, self._defence = self._defence, self._attack
        self._x, self._y = PITCH[0] - self._x, PITCH[1] - self._y
        self._holder, self._receiving = self._rng.choice(self._attack.outfield), False

    def _other(self, side: _Side, player: Player) -> Player:
        return self._rng.choice([other for other in side.outfield if other is not player])

    def _advance(self, along: float, across: float) -> None:
        self._x = min(PITCH[0] - 2, max(2.0, self._x + self._rng.gauss(along / 2, along)))
        self._y = min(PITCH[1] - 1, max(1.0, self._y + self._rng.gauss(0, across)))

    def _location(self, *, mirrored: bool = False) -> list[float]:
        x, y = (PITCH[0] - self._x, PITCH[1] - self._y) if mirrored else (self._x, self._y)
        return [round(x, 1), round(y, 1)]

    def _line_up(self, side: _Side) -> EventData:
        eleven = [{"player": player} for player in (side.keeper, *side.outfield)]
        return self._event("Starting XI", side, tactics={"lineup": eleven})

    def _event(
        self,
        kind: str,
        side: _Side,
        player: Player | None = None,
        *,
        location: list[float] | None = None,
        mirrored: bool = False,
        **details: Any,
    ) -> EventData:
        self._index += 1
        total_s = int(self._elapsed_s)
        thousandths = int(self._elapsed_s * 1000) % 1000
        event: EventData = {
            "id": f"{self._rng.getrandbits(64):016x}",
            "index": self._index,
            "period": self._period,
            "timestamp": f"{total_s // 3600:02}:{total_s // 60 % 60:02}:{total_s % 60:02}.{thousandths:03}",
            "minute": self._first_minute + total_s // 60,
            "second": total_s % 60,
            "type": {"id": TYPE_IDS[kind], "name": kind},
            "team": side.team,
        }
        if player:
            event["player"] = player
            if kind != "Substitution":
                event["location"] = location or self._location(mirrored=mirrored)
        return event | details
