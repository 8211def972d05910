"""Where every promise was kept, the checker finds nothing."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from checker.histories import right_history
from support.thoroughness import examples
from touchline_loadtest.checks.comparison.room_traces import check_room


@settings(max_examples=examples(0.5))
@given(st.randoms(use_true_random=False))
def test_nothing_is_found_in_a_right_history(random: Random) -> None:
    history = right_history(random)
    assert check_room(history.room, history.traces) == [], [trace.items for trace in history.traces]
