"""Reads a recorded match in the format of StatsBomb Open Data, as a timeline that can be replayed.

The format is described at https://github.com/statsbomb/open-data, "Open Data Events". `ATTRIBUTION` must be shown with
the data.

Rules: every event of the file becomes one event of the feed ``match``, unchanged and in the file's order. That is the
order of the match even if a timestamp contradicts it: real files contain stale timestamps, and those are clamped to the
time before them. The score events that result from an event follow it directly and are due at the same time.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec

from touchline_protocol.errors import OperatorError
from touchline_protocol.rooms import is_room_id
from touchline_protocol.utf8 import NotUtf8, text_of

from .scoreboard import PERIODS, SHOOT_OUT, Scoreboard
from .timeline import MATCH, Keyed, Timed, score_items

ATTRIBUTION = "Data provided by StatsBomb"

BREAK_S = 5.0
"""Pause between two periods: long enough to notice, but nobody wants to wait for fifteen minutes."""

CLOCK_TOLERANCE_S = 2.0
"""Correct records round minute and second differently from the timestamp, by up to a second."""


class Match(NamedTuple):
    """A match as read from a file. ``notes``: sentences for the operator about records that were ignored, and why."""

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
    """The fields that determine the score. An event has many more, which are passed on unread."""

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
        """Seconds since the period began."""
        hours, minutes, seconds = self.timestamp.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)

    @property
    def contradicts_itself(self) -> bool:
        """Whether minute and second disagree with period and timestamp."""
        by_period_s = PERIODS[self.period].first_minute * 60 + self.elapsed_s
        return abs(self.minute * 60 + self.second - by_period_s) > CLOCK_TOLERANCE_S


def read_match(path: Path, match_id: str | None = None) -> Match:
    """Read the file at ``path``.

    ``match_id`` is the id of the match's rooms. Without one it is the number in the file's name, or else its stem.

    Raises:
        OperatorError: the file does not exist, or is not a match in this format. The message says what is wrong.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise OperatorError(f"cannot read the match file {path}: {error.strerror or error}") from None
    elements = _elements(path, text)
    events = [_event(path, position, element) for position, element in enumerate(elements)]
    home, away = _teams(path, events)
    reader = _Reader(match_id or _id_from_name(path), Scoreboard(home, away), events)
    timeline = tuple(reader.timeline(elements))
    return Match(reader.match_id, home, away, timeline, tuple(reader.notes))


def _elements(path: Path, text: bytes) -> list[Mapping[str, Any]]:
    try:
        elements = msgspec.json.decode(text_of(text))
    except NotUtf8 as error:
        raise OperatorError(f"the match file {path} {error}") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise OperatorError(f"the match file {path} is not JSON: {error}") from None
    if not isinstance(elements, list):
        raise OperatorError(f"the match file {path} is not a StatsBomb events file: it must be a JSON array of events")
    if not elements:
        raise OperatorError(f"the match file {path} has no events: its array is empty")
    return elements


def _event(path: Path, position: int, element: Mapping[str, Any]) -> _Event:
    try:
        return msgspec.convert(element, _Event)
    except msgspec.ValidationError as error:
        raise OperatorError(f"the match file {path}: element {position} is not a StatsBomb event: {error}") from None


def _teams(path: Path, events: Sequence[_Event]) -> tuple[str, str]:
    """Home and away: in the order of the line-ups, or else of the events. The format does not name the home team."""
    line_ups = [event.team.name for event in events if event.type.name == "Starting XI"]
    teams = list(dict.fromkeys([*line_ups, *(event.team.name for event in events)]))
    if len(teams) != 2:  # noqa: PLR2004
        raise OperatorError(f"the match file {path} has {len(teams)} teams ({', '.join(teams[:4])}): it must have two")
    return teams[0], teams[1]


def _id_from_name(path: Path) -> str:
    number = re.search(r"\d+", path.name)
    match_id = number.group() if number else re.sub(r"\s+", "-", path.stem)
    if not is_room_id(match_id):
        raise OperatorError(
            f"cannot derive a room id from the name of the match file {path}: pass one, or rename the file"
        )
    return match_id


class _Reader:
    """Goes through a match's events once, in order."""

    def __init__(self, match_id: str, board: Scoreboard, events: Sequence[_Event]) -> None:
        self.match_id = match_id
        self.notes: list[str] = []
        self._board = board
        self._events = events
        self._by_id = {event.id: event for event in events}
        # A period's end is recorded for each team, and play can stop and resume within one: the last record is the end.
        self._ends = {event.period: at for at, event in enumerate(events) if event.type.name == "Half End"}
        self._last_period = max(event.period for event in events)

    def timeline(self, elements: Sequence[Mapping[str, Any]]) -> Iterator[Timed]:
        """Every element as an item, each followed by the score items that result from it."""
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
        """The record of the goal names only the team. The player is in the other team's record of the same goal."""
        related = (self._by_id[id_] for id_ in event.related_events if id_ in self._by_id)
        return next((_name(other.player) for other in related if other.type.name == "Own Goal Against"), None)


def _name(player: _Named | None) -> str | None:
    return player.name if player else None


def _contradiction(position: int, event: _Event) -> str:
    begin = f"{PERIODS[event.period].first_minute}:00"
    clock = f"{event.minute}:{event.second:02}"
    timestamp = f"{event.timestamp} into period {event.period}, which began at {begin}"
    return (
        f"element {position}, an own goal for {event.team.name}, is not counted: "
        f"its clock shows {clock}, but its timestamp is {timestamp}"
    )
