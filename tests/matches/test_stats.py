"""What is worked out about a match: momentum, key moments and totals, with real matches as the measure."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from matches.known import KNOWN, MADE_UP, Known
from touchline_demo.matches.simulator import simulate
from touchline_demo.matches.stats import STATS, MatchStats, pressure_of, with_stats
from touchline_demo.matches.statsbomb import read_match
from touchline_demo.matches.timeline import MATCH, Timed

every_match = pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.path.name)

SCORE_EVENT = {"home": {"name": "Birch End", "goals": 0}, "away": {"name": "Alder Vale", "goals": 0}}


def newest(items: list[Timed], key: str) -> Any:
    return [item.data for item in items if item.feed == STATS and item.key == key][-1]


def stats_of(known: Known) -> list[Timed]:
    return list(with_stats(read_match(known.path).timeline))


@every_match
def test_the_timeline_stays_as_it_is_and_stats_follow_what_they_result_from(known: Known) -> None:
    items = stats_of(known)
    assert [item for item in items if item.feed != STATS] == list(read_match(known.path).timeline)
    assert [item.due_s for item in items] == sorted(item.due_s for item in items)
    assert items[0].feed != STATS


@every_match
def test_goals_are_moments_and_name_the_event_that_they_result_from(known: Known) -> None:
    items = stats_of(known)
    goals = [moment for moment in newest(items, "moments")["moments"] if moment["kind"] == "goal"]
    assert [(goal["team"], goal["minute"]) for goal in goals] == list(known.goals)
    kinds = {item.data["id"]: item.data["type"]["name"] for item in items if item.feed == MATCH and "id" in item.data}
    assert {kinds[goal["id"]] for goal in goals if goal["id"] is not None} <= {"Shot", "Own Goal For"}


@every_match
def test_the_totals_are_those_of_the_match(known: Known) -> None:
    items = stats_of(known)
    events = [item.data for item in items if item.feed == MATCH]
    totals = newest(items, "totals")
    for side, team in (("home", known.home), ("away", known.away)):
        own = [event for event in events if event["team"]["name"] == team]
        assert totals[side]["shots"] == sum(event["type"]["name"] == "Shot" for event in own)
        assert totals[side]["passes"] == sum(event["type"]["name"] == "Pass" for event in own)
        assert totals[side]["completed"] <= totals[side]["passes"]


@every_match
def test_momentum_has_a_number_for_each_minute_of_each_half(known: Known) -> None:
    periods = newest(stats_of(known), "momentum")["periods"]
    assert [(period["number"], period["first_minute"]) for period in periods] == [(1, 0), (2, 45)]
    for period in periods:
        assert len(period["home"]) == len(period["away"])
        assert all(pressure >= 0 for pressure in (*period["home"], *period["away"]))


def test_a_match_that_is_played_again_begins_with_nothing() -> None:
    timeline = read_match(MADE_UP.path).timeline
    again = [item for item in with_stats([*timeline, *timeline]) if item.feed == STATS]
    once = [item for item in with_stats(timeline) if item.feed == STATS]
    assert [(item.key, item.data) for item in again] == 2 * [(item.key, item.data) for item in once]


def test_invented_matches_have_stats_too_and_what_was_published_does_not_change() -> None:
    published: Iterator[Timed] = with_stats(simulate(2, 5, seed=1, match_s=60))
    items = list(islice(published, 4_000))
    first = next(item for item in items if item.key == "momentum" and item.data["periods"])
    assert first.data == {"periods": [{"number": 1, "first_minute": 0, "home": [], "away": []}]}
    assert {item.room_id for item in items if item.feed == STATS} == {item.room_id for item in items}
    assert newest(items, "totals")["home"]["passes"] > 0


@pytest.mark.parametrize(
    ("event", "pressure"),
    [
        ({"type": {"name": "Shot"}, "shot": {"outcome": {"name": "Goal"}}}, 90),
        ({"type": {"name": "Shot"}}, 60),
        ({"type": {"name": "Pass"}, "pass": {"end_location": [110, 40]}}, 25),
        ({"type": {"name": "Pass"}, "pass": {"end_location": [100.0, 5.0]}}, 5),
        ({"type": {"name": "Pass"}, "pass": {"end_location": [110, 40], "outcome": {"name": "Out"}}}, 0),
        ({"type": {"name": "Pass"}, "pass": {"type": {"name": "Corner"}, "end_location": [60, 40]}}, 25),
        ({"type": {"name": "Carry"}, "carry": {"end_location": [40, 40]}}, 0),
        ({"type": {"name": "Pressure"}}, 0),
    ],
)
def test_the_nearer_to_the_goal_the_more_pressure(event: dict[str, Any], pressure: int) -> None:
    assert pressure_of(event) == pressure


@pytest.mark.parametrize(
    "odd", [{}, {"type": 7}, {"type": {"name": "Pass"}, "pass": "x"}, {"minute": "?"}, {"team": []}]
)
def test_events_of_other_shapes_count_for_nothing(odd: dict[str, Any]) -> None:
    stats = MatchStats()
    stats.take_score("score", SCORE_EVENT)
    stats.take_score("period", {"number": 1, "name": "First half", "playing": True})
    known = {"type": {"name": "Pass"}, "team": {"name": "Birch End"}, "minute": 3}
    assert stats.take_event({**known, **odd}) == []
    assert stats.take_score("note", {"any": "thing"}) == []


def test_cards_and_substitutions_are_moments() -> None:
    stats = MatchStats()
    stats.take_score("score", SCORE_EVENT)
    player = {"team": {"name": "Alder Vale"}, "player": {"name": "Cy Wood"}, "minute": 63, "id": "e"}
    for event in (
        {"type": {"name": "Foul Committed"}, "foul_committed": {"card": {"name": "Yellow Card"}}},
        {"type": {"name": "Bad Behaviour"}, "bad_behaviour": {"card": {"name": "Red Card"}}},
        {"type": {"name": "Substitution"}, "substitution": {"replacement": {"name": "Di Marsh"}}},
    ):
        ((_, data),) = stats.take_event(player | event)
    kinds = [(moment["kind"], moment["note"], moment["player"]) for moment in data["moments"]]
    assert kinds == [
        ("card", "Yellow Card", "Cy Wood"),
        ("red", "Red Card", "Cy Wood"),
        ("change", "Di Marsh", "Cy Wood"),
    ]
