"""The schedules of the load shapes, and the choice of one by name."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_loadtest.locust.shapes.choice import UnknownShape, schedule_named
from touchline_loadtest.locust.shapes.schedule import CueKind, Schedule
from touchline_loadtest.locust.shapes.schedules import KICK_OFF_S, SCHEDULES

NAMES = st.sampled_from(sorted(SCHEDULES))
USERS = st.integers(1, 100_000)
SECONDS = st.floats(1, 10_000)


def arrived_s(schedule: Schedule) -> float:
    """When the last user has arrived."""
    before = 0
    done_s = 0.0
    for step in schedule.steps:
        done_s = step.at_s + abs(step.users - before) / step.per_s
        before = step.users
    return done_s


@given(NAMES, USERS, SECONDS)
def test_every_shape_has_all_its_users_in_the_end_and_stops_in_time(name: str, users: int, seconds: float) -> None:
    schedule = SCHEDULES[name](users, seconds)
    last = schedule.step(seconds * 0.999)
    assert last is not None
    assert last.users == users
    assert schedule.step(seconds) is None
    assert arrived_s(schedule) <= seconds


@given(NAMES, USERS, SECONDS)
def test_every_step_is_complete_before_the_next_one(name: str, users: int, seconds: float) -> None:
    steps = SCHEDULES[name](users, seconds).steps
    assert steps[0].at_s == 0
    before = 0
    for step, following in pairwise(steps):
        assert step.at_s + (step.users - before) / step.per_s <= following.at_s
        before = step.users


@given(NAMES, USERS, SECONDS, st.lists(st.floats(0, 1.1), max_size=50).map(sorted))
def test_each_moment_comes_once_however_often_it_is_asked_for(
    name: str, users: int, seconds: float, shares: list[float]
) -> None:
    schedule = SCHEDULES[name](users, seconds)
    looks = [-1.0, *(share * seconds for share in shares), seconds]
    looks.sort()
    seen = [cue for after, until in pairwise(looks) for cue in schedule.cues_between(after, until)]
    assert seen == list(schedule.cues)


@given(NAMES, USERS, SECONDS)
def test_moments_come_when_everybody_is_there_and_leave_time_for_what_follows(
    name: str, users: int, seconds: float
) -> None:
    schedule = SCHEDULES[name](users, seconds)
    for cue in schedule.cues:
        assert arrived_s(schedule) <= cue.at_s <= seconds * (0.9 if cue.kind is CueKind.NEWCOMERS else 0.75)
        assert 0 < cue.share <= 1


def test_at_kick_off_ten_thousand_users_arrive_within_thirty_seconds() -> None:
    (step,) = SCHEDULES["kick-off"](10_000, 180).steps
    assert (step.users, step.users / step.per_s) == (10_000, KICK_OFF_S)


def test_a_ramp_of_three_users_has_three_steps() -> None:
    assert [step.users for step in SCHEDULES["ramp"](3, 100).steps] == [1, 2, 3]


def test_at_half_time_users_are_back_before_the_end() -> None:
    leave, come_back = SCHEDULES["half-time"](100, 60).cues
    assert (leave.kind, come_back.kind) == (CueKind.LEAVE, CueKind.RETURN)
    assert leave.at_s + leave.within_s <= come_back.at_s
    assert come_back.at_s + come_back.within_s < 60


@pytest.mark.parametrize("typed", ["kick-off", "kickoff", "KickOff", "kick_off"])
def test_a_shape_is_found_however_it_is_written(typed: str) -> None:
    assert schedule_named(typed) is SCHEDULES["kick-off"]


def test_a_misspelt_shape_is_an_error_that_names_the_nearest_one() -> None:
    with pytest.raises(UnknownShape, match=r"gaol.*\bgoal\b"):
        schedule_named("gaol")


def test_a_name_that_resembles_none_is_an_error_that_names_all() -> None:
    with pytest.raises(UnknownShape, match=", ".join(SCHEDULES)):
        schedule_named("xyz")
