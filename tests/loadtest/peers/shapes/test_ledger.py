"""The bookkeeping of what clients received, against a plain model of it."""

from hypothesis import given
from hypothesis import strategies as st

from touchline_loadtest.peers.shapes.ledger import ClientLedger, RoomLedger

ROOM, OTHER = "match:1", "match:2"


@given(arrivals=st.lists(st.integers(1, 30)), first=st.integers(1, 30), length=st.integers(0, 30))
def test_what_is_missing_twice_or_late_is_counted_in_any_order_of_arrival(
    arrivals: list[int], first: int, length: int
) -> None:
    ledger = RoomLedger(0)
    new = [ledger.note(number) for number in arrivals]
    seen: set[int] = set()
    late = 0
    for number, is_new in zip(arrivals, new, strict=True):
        assert is_new == (number not in seen)
        late += is_new and number < max(seen, default=0)
        seen.add(number)
    assert ledger.duplicates == len(arrivals) - len(seen)
    assert ledger.swaps == late
    last = first + length
    assert ledger.lacking((first, last)) == len(set(range(first, last + 1)) - seen)


@given(missed=st.integers(1, 20), order=st.randoms(use_true_random=False), live=st.integers(0, 5))
def test_a_replay_ends_when_the_last_missed_event_arrives_whatever_else_does(
    missed: int, order: object, live: int
) -> None:
    ledger = ClientLedger({ROOM: 0})
    ledger.note([(ROOM, 1)], 1)
    ledger.came_back({ROOM: 1 + missed}, 100)
    numbers = list(range(2, 2 + missed + live))
    order.shuffle(numbers)  # type: ignore[attr-defined]
    for at, number in enumerate(numbers, 101):
        ledger.note([(ROOM, number)], at)
    (replay,) = ledger.replays
    last = max(at for at, number in enumerate(numbers, 101) if number <= 1 + missed)
    assert replay.duration_ns == last - 100
    assert ledger.lacking({ROOM: (1, 1 + missed + live)}) == 0


def test_a_replay_that_leaves_something_out_has_no_duration() -> None:
    ledger = ClientLedger({ROOM: 0, OTHER: 0})
    ledger.came_back({ROOM: 2, OTHER: 1}, 100)
    ledger.note([(ROOM, 1), (ROOM, 2), (ROOM, 3)], 200)
    assert ledger.replays[0].duration_ns is None
    assert ledger.lacking({ROOM: (1, 3), OTHER: (1, 1)}) == 1


def test_a_return_that_missed_nothing_is_not_a_replay() -> None:
    ledger = ClientLedger({ROOM: 0})
    ledger.note([(ROOM, 1)], 1)
    ledger.came_back({ROOM: 1}, 100)
    assert ledger.replays == []


def test_an_event_that_was_missing_before_the_client_left_is_not_part_of_its_replay() -> None:
    ledger = ClientLedger({ROOM: 0})
    ledger.note([(ROOM, 2)], 1)
    ledger.came_back({ROOM: 3}, 100)
    ledger.note([(ROOM, 1)], 200)
    assert ledger.replays[0].duration_ns is None
    ledger.note([(ROOM, 3)], 300)
    assert ledger.replays[0].duration_ns == 200


def test_a_phase_does_not_count_what_an_earlier_one_lost() -> None:
    ledger = ClientLedger({ROOM: 0})
    ledger.note([(ROOM, 2), (ROOM, 2)], 1)
    ledger.begin({ROOM: 4})
    ledger.note([(ROOM, 5)], 2)
    assert (ledger.duplicates, ledger.swaps, ledger.lacking({ROOM: (5, 5)})) == (0, 0, 0)
    ledger.came_back({ROOM: 5}, 100)
    assert ledger.replays == []
