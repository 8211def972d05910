"""Works out what a page wants to know about a match so far: momentum, key moments and totals.

A page that is opened in the middle of a match has only the newest events, so it cannot work these out itself. They are
published as state, in the feed `STATS`, and whoever comes late gets all of it at once. The keys, and their data:

    momentum   {"periods": [{"number", "first_minute", "home", "away"}]}    both are lists: pressure in each minute
    moments    {"moments": [{"id", "kind", "period", "minute", "team", "player", "note"}]}    oldest first
    totals     {"home": {"shots", "on_target", "passes", "completed", "corners", "fouls"}, "away": {…}}

``kind`` is "goal", "card", "red", "change" or "whistle". ``id`` is that of the event in the feed `MATCH`; it, ``team``,
``player`` and ``note`` may be null. Pressure is how dangerous a team's actions were, in tenths. ``momentum`` and
``totals`` are published at the end of each match minute, and after shots.

Pure. Fields may be missing or have any shape, because recorded matches are passed on unread.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .scoreboard import PERIODS
from .timeline import MATCH, Keyed, Timed

STATS = "stats"

SIDES = ("home", "away")
COUNTS = ("shots", "on_target", "passes", "completed", "corners", "fouls")
ON_TARGET = {"Goal", "Saved", "Saved to Post"}

MINUTES_MAX = 75
"""Minutes of one period that are kept. The longest half ever played had 14 minutes of added time and more."""
MOMENTS_MAX = 80
"""A match has 30. With more, the oldest are dropped: state travels in one message."""

SHOT_PRESSURE = 60
GOAL_PRESSURE = 90
CORNER_PRESSURE = 25
BOX_PRESSURE = 25
"""Pressure of an action, in tenths. `BOX_PRESSURE` is that of a pass or a run into the opponents' penalty area."""
FINAL_THIRD_X = 80.0
BOX_X = 102.0
BOX_Y = (18.0, 62.0)
"""Places on the pitch in StatsBomb's coordinates, 120 by 80; the acting team plays towards the greater x."""


def with_stats(timeline: Iterable[Timed]) -> Iterator[Timed]:
    """Yield each item of ``timeline``, followed by the stats that change with it."""
    matches: dict[str, MatchStats] = {}
    for item in timeline:
        yield item
        stats = matches.get(item.room_id)
        if stats is None or stats.is_over:
            stats = matches[item.room_id] = MatchStats()
            for over in [room for room, other in matches.items() if other.is_over]:
                del matches[over]
        changes = stats.take_event(item.data) if item.feed == MATCH else stats.take_score(item.key, item.data)
        for key, data in changes:
            yield Timed(item.due_s, item.room_id, STATS, key, data)


class MatchStats:
    """The numbers of one match. Its methods return what has changed, as keyed events."""

    def __init__(self) -> None:
        self.is_over = False
        self._teams: dict[str, str] = {}  # side by name
        self._periods: list[dict[str, Any]] = []
        self._moments: list[dict[str, Any]] = []
        self._totals = {side: dict.fromkeys(COUNTS, 0) for side in SIDES}
        self._event_id: str | None = None  # of the newest event: score events follow the event that they result from

    def take_score(self, key: str | None, data: Mapping[str, Any]) -> list[Keyed]:
        """An event of the feed `SCORE`."""
        if key == "score":
            self._teams = {data[side]["name"]: side for side in SIDES}
        elif key == "clock":
            return [self._momentum(), self._totals_event()]
        elif key == "period":
            return self._period(data)
        elif key == "last_goal":
            note = "Own goal" if data["own_goal"] else None
            return [self._moment("goal", data["minute"], data["team"], data["player"], note)]
        return []

    def take_event(self, event: Mapping[str, Any]) -> list[Keyed]:
        """An event of the feed `MATCH`."""
        self._event_id = event.get("id")
        kind = _name(event.get("type"))
        side = self._teams.get(_name(event.get("team")) or "")
        if side is not None and self._periods:
            self._count(kind, side, event)
            self._add_pressure(side, event.get("minute"), pressure_of(event))
        if card := _name(_object(event.get("foul_committed") or event.get("bad_behaviour")).get("card")):
            return [self._moment_of("card" if card == "Yellow Card" else "red", event, card)]
        if kind == "Substitution":
            on = _name(_object(event.get("substitution")).get("replacement"))
            return [self._moment_of("change", event, on)]
        return [self._momentum(), self._totals_event()] if kind == "Shot" and self._periods else []

    def _period(self, data: Mapping[str, Any]) -> list[Keyed]:
        number, is_playing = data["number"], data["playing"]
        if number == 0:
            return [self._momentum(), self._totals_event(), ("moments", {"moments": []})]
        if is_playing:
            minute = PERIODS[number].first_minute
            self._periods.append({"number": number, "first_minute": minute, "home": [], "away": []})
            return [self._momentum(), self._moment("whistle", minute, None, None, data["name"])]
        period = self._periods[-1]
        self.is_over = data["name"] == "Full-time"
        minute = period["first_minute"] + len(period["home"])
        return [self._momentum(), self._totals_event(), self._moment("whistle", minute, None, None, data["name"])]

    def _count(self, kind: str | None, side: str, event: Mapping[str, Any]) -> None:
        totals = self._totals[side]
        if kind == "Shot":
            totals["shots"] += 1
            totals["on_target"] += _name(_object(event.get("shot")).get("outcome")) in ON_TARGET
        elif kind == "Pass":
            details = _object(event.get("pass"))
            totals["passes"] += 1
            totals["completed"] += "outcome" not in details
            totals["corners"] += _name(details.get("type")) == "Corner"
        elif kind == "Foul Committed":
            totals["fouls"] += 1

    def _add_pressure(self, side: str, minute: Any, pressure: int) -> None:
        period = self._periods[-1]
        if not isinstance(minute, int) or not 0 <= (place := minute - period["first_minute"]) < MINUTES_MAX:
            return
        for minutes in (period[one] for one in SIDES):
            minutes.extend([0] * (place + 1 - len(minutes)))
        period[side][place] += pressure

    def _moment_of(self, kind: str, event: Mapping[str, Any], note: str | None) -> Keyed:
        return self._moment(kind, event.get("minute"), _name(event.get("team")), _name(event.get("player")), note)

    def _moment(self, kind: str, minute: int | None, team: str | None, player: str | None, note: str | None) -> Keyed:
        moment = {"id": self._event_id, "kind": kind, "period": len(self._periods), "minute": minute}
        self._moments.append(moment | {"team": team, "player": player, "note": note})
        del self._moments[:-MOMENTS_MAX]
        return "moments", {"moments": list(self._moments)}

    def _momentum(self) -> Keyed:
        periods = [
            period | {side: list(period[side]) for side in SIDES}  # a copy: it is published later
            for period in self._periods
        ]
        return "momentum", {"periods": periods}

    def _totals_event(self) -> Keyed:
        return "totals", {side: dict(totals) for side, totals in self._totals.items()}


def pressure_of(event: Mapping[str, Any]) -> int:
    """How dangerous an action is, in tenths: most for shots, some for balls towards the goal, nothing for others."""
    kind = _name(event.get("type"))
    if kind == "Shot":
        is_goal = _name(_object(event.get("shot")).get("outcome")) == "Goal"
        return GOAL_PRESSURE if is_goal else SHOT_PRESSURE
    if kind not in {"Pass", "Carry"}:
        return 0
    details = _object(event.get(kind.lower()))
    if "outcome" in details:
        return 0
    corner = CORNER_PRESSURE if _name(details.get("type")) == "Corner" else 0
    match details.get("end_location"):
        case [int() | float() as x, int() | float() as y, *_]:
            if x >= BOX_X and BOX_Y[0] <= y <= BOX_Y[1]:
                return corner + BOX_PRESSURE
            return corner + max(0, round((x - FINAL_THIRD_X) / 4))
    return corner


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _name(value: Any) -> str | None:
    name = _object(value).get("name")
    return name if isinstance(name, str) else None
