"""Reading recorded matches: every event in order, with the real score; and which files are refused."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from matches.known import KNOWN, MADE_UP, Known
from touchline_demo.matches.statsbomb import BREAK_S, Match, read_match
from touchline_demo.matches.timeline import MATCH, SCORE
from touchline_protocol.errors import OperatorError

every_match = pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.path.name)


def elements(known: Known = MADE_UP) -> list[dict[str, Any]]:
    parsed: list[dict[str, Any]] = json.loads(known.path.read_text("utf-8"))
    return parsed


def keyed(match: Match, key: str) -> list[Any]:
    return [item.data for item in match.timeline if item.key == key]


def written(tmp_path: Path, content: object, name: str = "match-7.json") -> Path:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


@every_match
def test_every_event_of_the_file_is_there_unchanged_and_in_order(known: Known) -> None:
    happened = [item for item in read_match(known.path).timeline if item.feed == MATCH]
    assert len(happened) == known.events
    assert [item.data for item in happened] == elements(known)
    assert {item.key for item in happened} == {None}


@every_match
def test_the_goals_are_those_of_the_real_match(known: Known) -> None:
    match = read_match(known.path)
    assert (match.home, match.away) == (known.home, known.away)
    assert [(goal["team"], goal["minute"]) for goal in keyed(match, "last_goal")] == list(known.goals)
    scorers = [team for team, _ in known.goals]
    assert keyed(match, "score")[-1] == {
        "home": {"name": known.home, "goals": scorers.count(known.home)},
        "away": {"name": known.away, "goals": scorers.count(known.away)},
    }
    assert len(match.notes) == known.notes


@every_match
def test_times_never_go_back_and_breaks_are_short(known: Known) -> None:
    due = [item.due_s for item in read_match(known.path).timeline]
    assert due == sorted(due)
    assert due[0] == 0
    longest_period_s = 60 * 60
    assert 45 * 60 * 2 < due[-1] < 2 * longest_period_s + BREAK_S


@every_match
def test_the_periods_come_in_order_and_the_clock_ticks_each_minute_at_most(known: Known) -> None:
    match = read_match(known.path)
    names = [(period["name"], period["playing"]) for period in keyed(match, "period")]
    assert names == [
        ("Before kick-off", False),
        ("First half", True),
        ("Half-time", False),
        ("Second half", True),
        ("Full-time", False),
    ]
    clocks = [(clock["period"], clock["minute"]) for clock in keyed(match, "clock")]
    assert all(one < other for one, other in pairwise(clocks))
    assert clocks[0] == (1, 0)
    assert (2, 45) in clocks


@every_match
def test_the_score_of_a_goal_follows_the_goal_at_once(known: Known) -> None:
    timeline = read_match(known.path).timeline
    goals = [at for at, item in enumerate(timeline) if item.key == "last_goal"]
    for at in goals:
        cause = max(before for before in range(at) if timeline[before].feed == MATCH)
        assert timeline[cause].data["type"]["name"] in {"Shot", "Own Goal For"}
        assert {item.feed for item in timeline[cause + 1 : at + 1]} == {SCORE}
        assert {item.due_s for item in timeline[cause : at + 1]} == {timeline[at].due_s}
        assert timeline[at - 1].key == "score"


def test_an_own_goal_that_contradicts_itself_is_not_counted_and_noted() -> None:
    [note] = read_match(MADE_UP.path).notes
    assert "element 17, an own goal for Alder Vale, is not counted" in note


def test_an_honest_own_goal_names_the_player_who_put_it_in() -> None:
    goal = keyed(read_match(MADE_UP.path), "last_goal")[1]
    assert goal == {
        "team": "Alder Vale",
        "player": "Dee Hill",
        "minute": 55,
        "own_goal": True,
        "score": {"home": 1, "away": 1},
    }


def test_penalties_of_a_shoot_out_do_not_count(tmp_path: Path) -> None:
    penalty = elements()[6] | {"period": 5, "timestamp": "00:01:00.000", "minute": 121, "second": 0}
    match = read_match(written(tmp_path, [*elements(), penalty]))
    assert len(keyed(match, "last_goal")) == len(MADE_UP.goals)
    assert [period["name"] for period in keyed(match, "period")][-2:] == ["Before extra time", "Penalty shoot-out"]


@pytest.mark.parametrize(
    ("name", "room_id"),
    [("match-15946.events.json", "15946"), ("3788741.json", "3788741"), ("cup final.json", "cup-final")],
)
def test_the_rooms_id_comes_from_the_files_name(tmp_path: Path, name: str, room_id: str) -> None:
    path = written(tmp_path, elements(), name)
    assert {item.room_id for item in read_match(path).timeline} == {room_id}
    assert {item.room_id for item in read_match(path, "given").timeline} == {"given"}


def without(field: str) -> list[dict[str, Any]]:
    broken = elements()
    del broken[3][field]
    return broken


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("goal!", "JSON"),
        ("[" * 100_000, "JSON"),
        ({"events": []}, "JSON array"),
        ([], "match-7.json"),
        ([1, 2], "element 0 "),
        *((without(field), f"element 3 .*{field}") for field in ("period", "timestamp", "minute", "type", "team")),
        ([elements()[0] | {"timestamp": "noon"}], "element 0 .*timestamp"),
        ([elements()[0] | {"period": 9}], "element 0 .*period"),
        ([elements()[0]], r" 1 .*\(Birch End\)"),
        ([*elements(), elements()[0] | {"team": {"name": "Third"}}], r" 3 .*\(Birch End, Alder Vale, Third\)"),
    ],
)
def test_a_file_that_is_not_a_match_is_refused_with_the_reason(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(OperatorError, match=message):
        read_match(written(tmp_path, content))


def test_a_file_that_is_missing_or_a_folder_is_refused_with_its_name(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.json", tmp_path):
        with pytest.raises(OperatorError, match=str(path)):
            read_match(path)
