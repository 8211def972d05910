"""Invented matches: the same for the same seed, plausible, and consistent with their score."""

from collections import Counter
from collections.abc import Iterable
from itertools import islice, pairwise, takewhile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matches.known import MADE_UP
from support.thoroughness import examples
from touchline_demo.matches.simulator import FIRST_MATCH_ID, REST_SHARE, simulate, simulate_under_way
from touchline_demo.matches.statsbomb import read_match
from touchline_demo.matches.timeline import MATCH, SCORE, Timed
from touchline_protocol.errors import OperatorError
from touchline_protocol.rooms import is_room_id

MATCH_S = 60.0

some_simulation = {
    "matches": st.integers(1, 5),
    "rate_per_s": st.floats(0.5, 60),
    "seed": st.integers(),
}


def until(items: Iterable[Timed], end_s: float) -> list[Timed]:
    return list(takewhile(lambda item: item.due_s < end_s, items))


def finished(seed: int, matches: int = 20, rate_per_s: float = 10.0) -> dict[str, list[Timed]]:
    """The first ``matches`` complete matches, by room id."""
    rooms: dict[str, list[Timed]] = {}
    for item in until(simulate(matches, rate_per_s, seed, MATCH_S), 1.3 * MATCH_S):
        if int(item.room_id) < FIRST_MATCH_ID + matches:
            rooms.setdefault(item.room_id, []).append(item)
    return rooms


@settings(max_examples=examples(0.25))
@given(**some_simulation)
def test_the_same_seed_gives_the_same_feed(matches: int, rate_per_s: float, seed: int) -> None:
    one, other = (list(islice(simulate(matches, rate_per_s, seed, MATCH_S), 400)) for _ in range(2))
    assert one == other


def test_another_seed_gives_another_feed() -> None:
    assert list(islice(simulate(2, 5, 1), 200)) != list(islice(simulate(2, 5, 2), 200))


@settings(max_examples=examples(0.25))
@given(**some_simulation)
def test_times_never_go_back_over_all_matches(matches: int, rate_per_s: float, seed: int) -> None:
    due = [item.due_s for item in islice(simulate(matches, rate_per_s, seed, MATCH_S), 2_000)]
    assert due == sorted(due)


@settings(max_examples=examples(0.15))
@given(**some_simulation)
def test_the_score_equals_the_goals_and_the_clock_advances(matches: int, rate_per_s: float, seed: int) -> None:
    goals: Counter[tuple[str, str]] = Counter()
    clocks: dict[str, list[tuple[int, ...]]] = {}
    for item in until(simulate(matches, rate_per_s, seed, MATCH_S), 2.5 * MATCH_S):
        data = item.data
        assert is_room_id(item.room_id)
        if item.feed == MATCH:
            assert item.key is None
            if data["type"]["name"] == "Shot" and data["shot"]["outcome"]["name"] == "Goal":
                goals[item.room_id, data["team"]["name"]] += 1
            continue
        assert item.feed == SCORE
        assert item.key in {"score", "clock", "period", "last_goal"}
        if item.key == "score":
            for side in ("home", "away"):
                assert data[side]["goals"] == goals[item.room_id, data[side]["name"]]
        elif item.key == "clock":
            clocks.setdefault(item.room_id, []).append((data["period"], data["minute"], data["second"]))
    for times in clocks.values():
        assert all(one < other for one, other in pairwise(times))


def test_score_events_have_the_shapes_of_a_recorded_matchs() -> None:
    def shapes(items: Iterable[Timed]) -> set[Any]:
        return {(item.key, shape(item.data)) for item in items if item.feed == SCORE}

    def shape(value: Any) -> Any:
        if isinstance(value, dict):
            return tuple((name, shape(inner)) for name, inner in value.items())
        return type(value).__name__

    made_up = [item for items in finished(3).values() for item in items]
    assert shapes(made_up) == shapes(read_match(MADE_UP.path).timeline)


def test_every_simulated_event_has_the_main_fields_of_a_recorded_one() -> None:
    for item in islice((item for item in simulate(3, 20, 5, MATCH_S) if item.feed == MATCH), 3_000):
        assert {"id", "index", "period", "timestamp", "minute", "second", "type", "team"} <= item.data.keys()
        assert "player" in item.data or item.data["type"]["name"] in {"Starting XI", "Half Start", "Half End"}


def test_matches_have_goals_cards_and_substitutions_as_often_as_real_ones() -> None:
    counts: Counter[str] = Counter()
    matches = 0
    for seed in range(6):
        for items in finished(seed).values():
            matches += 1
            for item in items:
                if item.feed == MATCH:
                    counts[item.data["type"]["name"]] += 1
                    counts["card"] += "foul_committed" in item.data
                else:
                    counts[str(item.key)] += 1
    mean = {name: count / matches for name, count in counts.items()}
    assert matches == 120
    assert 2.2 < mean["last_goal"] < 3.2
    assert 15 < mean["Shot"] < 32
    assert 14 < mean["Foul Committed"] < 30
    assert 2 < mean["card"] < 6
    assert 3 < mean["Substitution"] < 9
    assert mean["Pass"] > mean["Shot"] + mean["Foul Committed"]


def test_a_player_who_went_off_does_not_play_on() -> None:
    for items in finished(4).values():
        gone: set[str] = set()
        for item in items:
            if item.feed == SCORE or "player" not in item.data:
                continue
            player = item.data["player"]["name"]
            assert player not in gone
            if item.data["type"]["name"] == "Substitution":
                gone.add(player)
            if item.data.get("foul_committed", {}).get("card", {}).get("name") in {"Red Card", "Second Yellow"}:
                gone.add(player)


def test_simulated_under_way_all_matches_are_played_from_the_first_second() -> None:
    history, timeline = simulate_under_way(5, 200.0, 1, MATCH_S)
    before = list(history)
    now = until(timeline, 5.0)
    assert all(item.due_s < 0 for item in before)
    assert now[0].due_s >= 0
    assert {item.room_id for item in now if item.due_s < 1} == {str(FIRST_MATCH_ID + number) for number in range(5)}
    assert len(now) == pytest.approx(5 * 200 * 5, rel=0.25)
    whole = list(islice(simulate(5, 200.0, 1, MATCH_S), len(before) + len(now)))
    assert [item._replace(due_s=0) for item in before + now] == [item._replace(due_s=0) for item in whole]


@pytest.mark.parametrize("rate_per_s", [2.0, 20.0])
def test_the_average_rate_is_the_requested_one(rate_per_s: float) -> None:
    duration_s = 10 * MATCH_S * (1 + REST_SHARE)
    items = until(simulate(4, rate_per_s, 9, MATCH_S), duration_s)
    assert len(items) / 4 / duration_s == pytest.approx(rate_per_s, rel=0.2)


def test_a_match_that_ended_is_followed_by_one_in_a_new_room() -> None:
    matches = 3
    items = until(simulate(matches, 5, 1, MATCH_S), 4 * MATCH_S)
    over: set[str] = set()
    begun: list[str] = []
    for item in items:
        assert item.room_id not in over
        if item.room_id not in begun:
            begun.append(item.room_id)
            assert len(set(begun) - over) <= matches
        if item.key == "period" and item.data["name"] == "Full-time":
            over.add(item.room_id)
    assert begun == [str(FIRST_MATCH_ID + number) for number in range(len(begun))]
    assert len(over) >= 2 * matches


def test_matches_at_the_same_time_have_different_clubs_and_kick_offs() -> None:
    opening = until(simulate(6, 5, 1), 60.0)
    scores = {item.room_id: item.data for item in opening if item.key == "score"}
    names = [score[side]["name"] for score in scores.values() for side in ("home", "away")]
    assert len(names) == len(set(names)) == 12
    kick_offs = {item.room_id: item.due_s for item in opening if item.key == "period" and item.data["number"] == 1}
    assert len(set(kick_offs.values())) == 6


@pytest.mark.parametrize(
    ("matches", "rate_per_s", "match_s"), [(0, 1.0, 60.0), (1, 0.0, 60.0), (1, float("inf"), 60.0), (1, 1.0, -1.0)]
)
def test_impossible_numbers_for_a_simulation_are_refused(matches: int, rate_per_s: float, match_s: float) -> None:
    with pytest.raises(OperatorError, match=r"\d|inf"):
        simulate(matches, rate_per_s, 1, match_s)
