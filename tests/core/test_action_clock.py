"""The clock that stamps actions: even, never set back, and near the time of day."""

from hypothesis import given
from hypothesis import strategies as st

from touchline_server.core.clocks import ClockWatch, LoopMs, Now, UnixMs
from touchline_server.core.players.action_clock import SLEW, STEP_MS, ActionClock

NOON_MS = 1_700_000_000_000


def now(loop_ms: int, unix_ms: int) -> Now:
    return Now(LoopMs(loop_ms), UnixMs(unix_ms))


turns = st.tuples(st.integers(0, 100_000), st.integers(-50, 50) | st.integers(-4_000_000, 4_000_000))
"""How much time passes, and by how much the computer's clock is set meanwhile."""


@given(st.lists(turns, max_size=40))
def test_times_of_one_clock_can_be_subtracted_however_the_computers_clock_is_set(steps: list[tuple[int, int]]) -> None:
    clock, loop_ms, unix_ms = ActionClock("a"), 0, NOON_MS
    before, before_ms, stamped_ms = "", 0, 0
    names = set()
    for passed_ms, set_by_ms in steps:
        loop_ms += passed_ms
        unix_ms += passed_ms + set_by_ms
        at_ms = clock.read(now(loop_ms, unix_ms))
        assert abs(at_ms - unix_ms) <= STEP_MS
        if clock.name == before:
            assert abs(at_ms - stamped_ms - (loop_ms - before_ms)) <= SLEW * (loop_ms - before_ms) + 1
            assert at_ms >= stamped_ms
        else:
            assert clock.name not in names, "a name stands for one clock for ever"
        names.add(clock.name)
        before, before_ms, stamped_ms = clock.name, loop_ms, at_ms


def test_a_clock_follows_small_corrections_and_keeps_its_name() -> None:
    clock = ActionClock("a")
    clock.read(now(0, NOON_MS))
    assert clock.read(now(100_000, NOON_MS + 100_500)) == NOON_MS + 100_100
    assert clock.read(now(700_000, NOON_MS + 700_500)) == NOON_MS + 700_500
    assert clock.name == "a"


def test_a_clock_that_is_set_is_another_clock() -> None:
    clock = ActionClock("a")
    clock.read(now(0, NOON_MS))
    assert (clock.read(now(1_000, NOON_MS - 45_000)), clock.name) == (NOON_MS - 45_000, "a.1")
    assert (clock.read(now(2_000, NOON_MS + 2_000)), clock.name) == (NOON_MS + 2_000, "a.2")


def test_setting_the_computers_clock_is_noticed_once() -> None:
    watch = ClockWatch()
    times = [(0, 0), (100, 100), (200, -44_800), (300, -44_700), (400, -44_100), (500, 500)]
    noticed = [watch.set_by_ms(now(loop_ms, NOON_MS + unix_ms)) for loop_ms, unix_ms in times]
    assert noticed == [0, 0, -45_000, 0, 0, 44_500]
