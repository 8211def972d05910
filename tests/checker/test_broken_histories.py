"""Each broken promise is found, and the report names the client, the room and the place."""

from itertools import count
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.faults import cursors, events, skips, states
from checker.histories import ROOM, History, right_history
from checker.spots import Expected, Fault
from support.thoroughness import examples
from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.comparison.room_traces import check_room

FAULTS: tuple[Fault, ...] = (
    events.drop,
    events.duplicate,
    events.swap,
    events.wrong_value,
    events.wrong_key,
    events.wrong_removal,
    events.wrong_prev,
    events.stranger,
    events.other_log,
    events.end_lost,
    events.before_the_answer,
    events.after_it_left,
    events.newest_missing_when_it_leaves,
    states.stale_state,
    states.state_too_new,
    states.key_missing,
    states.key_too_many,
    states.state_of_another_log,
    states.wrong_state_after_resume,
    states.wrong_recent,
    states.head_beyond_the_log,
    states.head_ahead_of_time,
    cursors.cursor_lost,
    cursors.live_client_restarted,
    cursors.other_log_honoured,
    cursors.deleted_events_honoured,
    cursors.resumed_elsewhere,
    cursors.move_unnoticed,
    cursors.never_answered,
    cursors.left_behind,
    cursors.replaced_log_honoured,
    cursors.answer_that_never_comes,
    cursors.resumed_in_vain,
    skips.skipped_too_many,
    skips.skipped_too_few,
    skips.skipped_range_too_short,
    skips.skipped_unannounced,
    skips.newest_left_out,
    skips.skipped_though_all_are_wanted,
    skips.skipped_too_early,
)


def broken_history(fault: Fault, seed: int) -> tuple[History, Expected]:
    """The first history, from a seed on, that has a place for this fault."""
    for each in count(seed):
        history = right_history(Random(each))
        expected = fault(history, Random(each))
        if expected is not None:
            return history, expected
    raise AssertionError


def is_expected(breach: Breach, expected: Expected) -> bool:
    return (
        (breach.client, breach.room) == (expected.client, ROOM)
        and breach.kind in expected.kinds
        and (not expected.offsets or breach.offset in expected.offsets)
    )


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@settings(max_examples=examples(0.2))
@given(st.integers(0, 1 << 40))
def test_each_fault_is_found(fault: Fault, seed: int) -> None:
    history, expected = broken_history(fault, seed)
    breaches = check_room(history.room, history.traces)
    assert any(is_expected(breach, expected) for breach in breaches), (expected, breaches)


@settings(max_examples=examples(0.2))
@given(st.integers(0, 1 << 40))
def test_a_fault_is_not_blamed_on_others(seed: int) -> None:
    fault = Random(seed).choice([fault for fault in FAULTS if fault is not events.other_log])
    history, expected = broken_history(fault, seed)
    assert {breach.client for breach in check_room(history.room, history.traces)} == {expected.client}
