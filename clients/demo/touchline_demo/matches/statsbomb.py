"""Reads a match that was recorded event by event, in the format of StatsBomb Open Data, as a timeline to be replayed.

Source of the format: https://github.com/statsbomb/open-data, "Open Data Events". Whoever shows such data has to show
`ATTRIBUTION` with it.

Rules: every event of the file becomes one event of the feed ``match``, untouched and in the file's order, which is the
order of the match even where a timestamp says otherwise: real files hold stale timestamps, and those are clamped to the
time before them. What follows from an event for the score comes right after it, due at the same time.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec

from touchline_protocol.errors import OperatorError
from touchline_protocol.rooms import is_room_id

from .scoreboard import PERIODS, SHOOT_OUT, Scoreboard
from .timeline import MATCH, Keyed, Timed, score_items

ATTRIBUTION = "Data provided by StatsBomb"

BREAK_S = 5.0
"""Between two periods: enough to see that there is a break; nobody wants to wait for fifteen minutes."""

CLOCK_TOLERANCE_S = 2.0
"""Honest records have minute and second rounded otherwise than the timestamp, by up to a second."""


class Match(NamedTuple):
    """A match as it was read. ``notes``: sentences for the operator about records that were not taken at their word."""

    match_id: str
    home: str
    away: str
    timeline: Sequence[Timed]
    notes: Sequence[str]


class _Named(msgspec.Struct):
    name: str


class _Shot(msgspec.Struct):
    outcome: _Named


class _Event(msgspec.Struct):
    """What the score follows from; an event has far more, which is passed on unread."""

    period: Annotated[int, msgspec.Meta(ge=1, le=len(PERIODS))]
    timestamp: Annotated[str, msgspec.Meta(pattern=r"^\d{2}:[0-5]\d:[0-5]\d(\.\d+)?$")]
    minute: int
    second: int
    type: _Named
    team: _Named
    player: _Named | None = None
    shot: _Shot | None = None
    id: str = ""
    related_events: list[str] = []

    @property
    def elapsed_s(self) -> float:
        """Seconds since the beginning of the period."""
        hours, minutes, seconds = self.timestamp.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)

    @property
    def contradicts_itself(self) -> bool:
        """Whether minute and second name another time than period and timestamp do."""
        by_period_s = PERIODS[self.period].first_minute * 60 + self.elapsed_s
        return abs(self.minute * 60 + self.second - by_period_s) > CLOCK_TOLERANCE_S


def read_match(path: Path, match_id: str | None = None) -> Match:
    """Read the file at ``path``.

    ``match_id`` is the id that the match's rooms get; without one it is the number in the file's name, else its stem.

    Raises:
        OperatorError: there is no such file, or it holds no match in this format; the message says what is wrong.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise OperatorError(f"the match file {path} cannot be read: {error.strerror or error}") from None
    elements = _elements(path, text)
    events = [_event(path, position, element) for position, element in enumerate(elements)]
    home, away = _teams(path, events)
    reader = _Reader(match_id or _id_from_name(path), Scoreboard(home, away), events)
    timeline = tuple(reader.timeline(elements))
    return Match(reader.match_id, home, away, timeline, tuple(reader.notes))


def _elements(path: Path, text: bytes) -> list[Mapping[str, Any]]:
    try:
        elements = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OperatorError(f"the match file {path} is not JSON: {error}") from None
    if not isinstance(elements, list):
        raise OperatorError(f"the match file {path} is no StatsBomb events file: it must hold one JSON array of events")
    if not elements:
        raise OperatorError(f"the match file {path} holds no events: its array is empty")
    return elements


def _event(path: Path, position: int, element: Mapping[str, Any]) -> _Event:
    try:
        return msgspec.convert(element, _Event)
    except msgspec.ValidationError as error:
        raise OperatorError(f"the match file {path}: element {position} is no StatsBomb event: {error}") from None


def _teams(path: Path, events: Sequence[_Event]) -> tuple[str, str]:
    """Home and away: in the order of the line-ups, else that of the events. The format names no home team."""
    line_ups = [event.team.name for event in events if event.type.name == "Starting XI"]
    teams = list(dict.fromkeys([*line_ups, *(event.team.name for event in events)]))
    if len(teams) != 2:  # noqa: PLR2004
        raise OperatorError(
            f"the match file {path} is about {len(teams)} teams ({', '.join(teams[:4])}): it must be two"
        )
    return teams[0], teams[1]


def _id_from_name(path: Path) -> str:
    number = re.search(r"\d+", path.name)
    match_id = number.group() if number else re.sub(r"\s+", "-", path.stem)
    if not is_room_id(match_id):
        raise OperatorError(f"the name of the match file {path} gives no room id: give one, or rename the file")
    return match_id


class _Reader:
    """Goes through a match's events once, in order."""

    def __init__(self, match_id: str, board: Scoreboard, events: Sequence[_Event]) -> None:
        self.match_id = match_id
        self.notes: list[str] = []
        self._board = board
        self._events = events
        self._by_id = {event.id: event for event in events}
        # Each team has a record of a period's end, and play can stop and go on within one: the last record is the end.
        self._ends = {event.period: at for at, event in enumerate(events) if event.type.name == "Half End"}
        self._last_period = max(event.period for event in events)

    def timeline(self, elements: Sequence[Mapping[str, Any]]) -> Iterator[Timed]:
        """Every element as an item, each followed by the items that it makes for the score."""
        period = self._events[0].period
        base_s = due_s = 0.0
        for position, (event, element) in enumerate(zip(self._events, elements, strict=True)):
            if event.period > period:
                period, base_s = event.period, due_s + BREAK_S
            if event.period == period:
                due_s = max(due_s, base_s + event.elapsed_s)
            yield Timed(due_s, self.match_id, MATCH, None, element)
            yield from score_items(due_s, self.match_id, self._score_events(position, event))

    def _score_events(self, position: int, event: _Event) -> Iterator[Keyed]:
        board = self._board
        if position == 0:
            yield from board.opening()
        if event.period > board.period and event.type.name != "Starting XI":
            yield from board.start_period(event.period)
        if event.period == board.period:
            yield from board.tick(event.elapsed_s)
        yield from self._goal(position, event)
        if position == self._ends.get(event.period):
            yield from board.end_period(last=event.period == self._last_period)

    def _goal(self, position: int, event: _Event) -> list[Keyed]:
        if event.period == SHOOT_OUT:
            return []
        if event.type.name == "Shot" and event.shot and event.shot.outcome.name == "Goal":
            return self._board.goal(event.team.name, _name(event.player), event.minute)
        if event.type.name != "Own Goal For":
            return []
        if event.contradicts_itself:
            self.notes.append(_contradiction(position, event))
            return []
        return self._board.goal(event.team.name, self._own_goal_player(event), event.minute, own_goal=True)

    def _own_goal_player(self, event: _Event) -> str | None:
        """The record of the goal names the team alone; the player is in the other team's record of it."""
        related = (self._by_id[id_] for id_ in event.related_events if id_ in self._by_id)
        return next((_name(other.player) for other in related if other.type.name == "Own Goal Against"), None)


def _name(player: _Named | None) -> str | None:
    return player.name if player else None


def _contradiction(position: int, event: _Event) -> str:
    begin = f"{PERIODS[event.period].first_minute}:00"
    return (
        f"element {position}, an own goal for {event.team.name}, is not counted: it says "
        f"{event.minute}:{event.second:02}, and also {event.timestamp} into period {event.period}, which began {begin}"
    )
