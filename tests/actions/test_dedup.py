"""What is remembered of a session: each action is new once, whatever the edges wrote."""

import tracemalloc
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.thoroughness import examples
from touchline.actions import Action
from touchline.actions.dedup import BLOCKS_MAX, CLOCKS_MAX, Dedup
from touchline_protocol.limits import ACTIONS_WINDOW_MAX

LOOK_BACK_MS = 1000
ID_MAX = 2**53 - 1
SESSION_BYTES_MAX = 1_600


def action(player: str, session: str, action_id: int, clock: str = "c1") -> Action:
    return Action(player, "match:1", "tap", None, session, action_id, 0, "edge1", 0, 0, clock)


class Step(NamedTuple):
    """What an edge writes next."""

    session: str
    pause_ms: int
    what: str
    choice: int


STEPS = st.lists(
    st.builds(
        Step,
        session=st.sampled_from(["a", "b", "c"]),
        pause_ms=st.integers(-20, LOOK_BACK_MS // 4),
        what=st.sampled_from(["next", "next", "hole", "duplicate", "refused elsewhere"]),
        choice=st.integers(0, 50),
    ),
    max_size=200,
)


class Session(NamedTuple):
    """What a session has in the log: when each id first came, and the ids that one edge refused."""

    first_ms: dict[int, int]
    holes: list[int]


@given(STEPS)
def test_an_action_is_new_once(steps: list[Step]) -> None:
    dedup = Dedup(LOOK_BACK_MS)
    sessions = {name: Session({}, []) for name in "abc"}
    now_ms = 1_000_000
    for step in steps:
        now_ms += step.pause_ms
        first_ms, holes = sessions[step.session]
        next_id = max([*first_ms, *holes], default=0) + 1
        repeatable = [one for one, at_ms in first_ms.items() if now_ms - at_ms <= LOOK_BACK_MS]
        if step.what == "hole":
            holes.append(next_id)
        elif step.what == "duplicate" and repeatable:
            assert not dedup.is_new(action("player", step.session, repeatable[step.choice % len(repeatable)]), now_ms)
        elif step.what == "refused elsewhere" and holes:
            late_id = holes.pop(step.choice % len(holes))
            first_ms[late_id] = now_ms
            assert dedup.is_new(action("player", step.session, late_id), now_ms)
        else:
            first_ms[next_id] = now_ms
            assert dedup.is_new(action("player", step.session, next_id), now_ms)


ANY_IDS = st.lists(
    st.one_of(
        st.integers(1, ID_MAX),
        st.builds(
            lambda block, place: block * ACTIONS_WINDOW_MAX + place,
            st.sampled_from([0, 1, 2, 3, 7, 8, 10**6, ID_MAX // ACTIONS_WINDOW_MAX]),
            st.integers(1, 3),
        ),
    ),
    max_size=100,
)


@given(ANY_IDS)
def test_an_id_that_never_came_is_never_a_duplicate_whatever_a_player_makes_up(ids: list[int]) -> None:
    """And a duplicate is recognised as long as ids of fewer than `BLOCKS_MAX` other blocks came since."""
    dedup = Dedup(LOOK_BACK_MS)
    before: list[int] = []
    for action_id in ids:
        is_new = dedup.is_new(action("player", "s", action_id), 0)
        if action_id not in before:
            assert is_new
        elif len(blocks_since(before, action_id)) < BLOCKS_MAX:
            assert not is_new
        before.append(action_id)


def blocks_since(ids: list[int], action_id: int) -> set[int]:
    """The other blocks that ids came from since this one did."""
    newest = len(ids) - 1 - ids[::-1].index(action_id)
    return {one // ACTIONS_WINDOW_MAX for one in ids[newest:]} - {action_id // ACTIONS_WINDOW_MAX}


def test_a_jump_far_ahead_hides_nothing_and_repeats_nothing() -> None:
    dedup = Dedup(LOOK_BACK_MS)
    ids = [ID_MAX, *range(1, 101)]
    assert all(dedup.is_new(action("player", "s", action_id), 0) for action_id in ids)
    for _ in range(3):
        assert not any(dedup.is_new(action("player", "s", action_id), 0) for action_id in ids)


@settings(max_examples=examples(0.2))
@given(st.integers(1, 3 * ACTIONS_WINDOW_MAX), st.integers(0, (BLOCKS_MAX - 1) * ACTIONS_WINDOW_MAX))
def test_in_a_run_of_ids_duplicates_are_recognised_far_below_the_highest(first_id: int, below: int) -> None:
    dedup = Dedup(LOOK_BACK_MS)
    highest = first_id + below
    assert all(dedup.is_new(action("player", "s", action_id), 0) for action_id in range(first_id, highest + 1))
    assert not dedup.is_new(action("player", "s", first_id), 0)
    assert not dedup.is_new(action("player", "s", highest), 0)


def test_a_session_takes_little_memory_whatever_its_ids_are() -> None:
    dedup = Dedup(LOOK_BACK_MS)
    tracemalloc.start()
    try:
        for action_id in range(ACTIONS_WINDOW_MAX - 1, 1000 * ACTIONS_WINDOW_MAX, ACTIONS_WINDOW_MAX):
            dedup.is_new(action("player", "s", action_id), 0)
        taken_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken_bytes < SESSION_BYTES_MAX


def test_two_players_may_have_sessions_of_one_name() -> None:
    dedup = Dedup(LOOK_BACK_MS)
    assert [dedup.is_new(action(player, "s", 1), 0) for player in ("ann", "bob", "ann")] == [True, True, False]


def test_a_session_is_forgotten_after_the_look_back_and_before_twice_it() -> None:
    dedup = Dedup(LOOK_BACK_MS)
    for tick in range(100):
        dedup.is_new(action("player", f"session {tick}", 1), tick * LOOK_BACK_MS // 10)
        assert not dedup.is_new(action("player", f"session {max(0, tick - 10)}", 1), tick * LOOK_BACK_MS // 10)
    dedup.is_new(action("player", "last", 1), 12 * LOOK_BACK_MS)
    assert dedup.is_new(action("player", "session 99", 1), 14 * LOOK_BACK_MS)
    assert len(dedup) <= 3
    assert dedup.forgotten == 0


def test_beyond_the_bound_the_longest_idle_sessions_are_forgotten_and_counted() -> None:
    dedup = Dedup(LOOK_BACK_MS, sessions_max=100)
    for number in range(1000):
        assert dedup.is_new(action("player", f"session {number}", 1), 0)
        assert len(dedup) <= 100
        assert not dedup.is_new(action("player", f"session {max(0, number - 24)}", 1), 0)
    assert dedup.forgotten > 0


def test_one_clock_that_is_far_ahead_does_not_wipe_the_memory() -> None:
    dedup = Dedup(LOOK_BACK_MS)
    assert dedup.is_new(action("player", "s", 1), 1_000)
    assert dedup.is_new(action("player", "of the wrong edge", 1), 10**12)
    assert not dedup.is_new(action("player", "s", 1), 1_001)
    assert dedup.is_new(action("player", "s", 2), 1_002)
    assert not dedup.is_new(action("player", "s", 2), 1_003)


@pytest.mark.parametrize("apart_ms", [45_000, -45_000, 3_600_000])
def test_edges_with_clocks_far_apart_do_not_end_each_others_memory(apart_ms: int) -> None:
    dedup = Dedup(LOOK_BACK_MS)
    assert dedup.is_new(action("player", "s", 1), 10_000_000)
    for number in range(10):
        assert dedup.is_new(action("other", "s", 2 * number + 1, "c1"), 10_000_000 + number)
        assert dedup.is_new(action("other", "s", 2 * number + 2, "c2"), 10_000_000 + number + apart_ms)
    assert not dedup.is_new(action("player", "s", 1, "c2"), 10_000_020 + apart_ms)


def test_the_clocks_that_are_followed_are_bounded() -> None:
    dedup = Dedup(LOOK_BACK_MS)
    for number in range(1_000):
        assert dedup.is_new(action("player", "s", number + 1, f"c{number}"), number)
        assert len(dedup._offsets_ms) <= CLOCKS_MAX
