"""What was seen of a session: each action is new once, whatever the edges made of it."""

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from touchline.actions.seen import IDS_REMEMBERED, Seen

LOOK_BACK_MS = 1000


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
        what=st.sampled_from(["next", "next", "hole", "copy", "refused elsewhere"]),
        choice=st.integers(0, 50),
    ),
    max_size=200,
)


class Session(NamedTuple):
    """What a session has in the log: the time of each id's first copy, and the ids that one edge refused."""

    first_ms: dict[int, int]
    holes: list[int]


@settings(deadline=None)
@given(STEPS)
def test_an_action_is_new_once(steps: list[Step]) -> None:
    seen = Seen(LOOK_BACK_MS)
    sessions = {name: Session({}, []) for name in "abc"}
    now_ms = 1_000_000
    for step in steps:
        now_ms += step.pause_ms
        first_ms, holes = sessions[step.session]
        next_id = max([*first_ms, *holes], default=0) + 1
        copyable = [one for one, at_ms in first_ms.items() if now_ms - at_ms <= LOOK_BACK_MS]
        if step.what == "hole":
            holes.append(next_id)
        elif step.what == "copy" and copyable:
            assert not seen.is_new("player", step.session, copyable[step.choice % len(copyable)], now_ms)
        elif step.what == "refused elsewhere" and holes:
            late_id = holes.pop(step.choice % len(holes))
            first_ms[late_id] = now_ms
            assert seen.is_new("player", step.session, late_id, now_ms)
        else:
            first_ms[next_id] = now_ms
            assert seen.is_new("player", step.session, next_id, now_ms)


@settings(deadline=None)
@given(st.lists(st.integers(1, 3 * IDS_REMEMBERED), max_size=100))
def test_ids_in_any_order_are_new_once_within_the_window(ids: list[int]) -> None:
    seen = Seen(LOOK_BACK_MS)
    before: set[int] = set()
    for action_id in ids:
        far_below = before and action_id <= max(before) - IDS_REMEMBERED
        assert seen.is_new("player", "s", action_id, 0) == (action_id not in before and not far_below)
        before.add(action_id)


def test_two_players_may_have_sessions_of_one_name() -> None:
    seen = Seen(LOOK_BACK_MS)
    assert [seen.is_new(player, "s", 1, 0) for player in ("ann", "bob", "ann")] == [True, True, False]


def test_a_session_is_forgotten_after_the_look_back_and_before_twice_it() -> None:
    seen = Seen(LOOK_BACK_MS)
    for tick in range(100):
        seen.is_new("player", f"session {tick}", 1, tick * LOOK_BACK_MS // 10)
        assert not seen.is_new("player", f"session {max(0, tick - 10)}", 1, tick * LOOK_BACK_MS // 10)
    seen.is_new("player", "last", 1, 12 * LOOK_BACK_MS)
    assert seen.is_new("player", "session 99", 1, 14 * LOOK_BACK_MS)
    assert len(seen) <= 3
    assert seen.forgotten == 0


def test_beyond_the_bound_the_sessions_that_rested_longest_are_forgotten_and_counted() -> None:
    seen = Seen(LOOK_BACK_MS, sessions_max=100)
    for number in range(1000):
        assert seen.is_new("player", f"session {number}", 1, 0)
        assert len(seen) <= 100
        assert not seen.is_new("player", f"session {max(0, number - 24)}", 1, 0)
    assert seen.forgotten > 0


def test_one_clock_that_is_far_ahead_does_not_wipe_the_memory() -> None:
    seen = Seen(LOOK_BACK_MS)
    assert seen.is_new("player", "s", 1, 1_000)
    assert seen.is_new("player", "of the wrong edge", 1, 10**12)
    assert not seen.is_new("player", "s", 1, 1_001)
    assert seen.is_new("player", "s", 2, 1_002)
    assert not seen.is_new("player", "s", 2, 1_003)
