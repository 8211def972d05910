"""The checker judges clients that go on in another log: a right place passes, and each wrong one has its breach."""

import pytest

from touchline_loadtest.checks.comparison.move_check import wrong_move
from touchline_loadtest.checks.comparison.trace_check import TraceCheck
from touchline_loadtest.checks.partition_log import Entry, LogId
from touchline_loadtest.checks.room_log import RoomLog
from touchline_loadtest.checks.trace import Joined, Received, Settled, Shown

SOURCE = LogId("t", 0, 0)
MIRROR = LogId("t", 1, 0)
LOGS = {"source": SOURCE, "mirror": MIRROR}
KEYS = {value: "score" if value % 2 else None for value in range(100)}


def entries(values: list[int], first: int) -> list[Entry]:
    return [Entry(first + 2 * n, value, KEYS[value], order=1_000 * value) for n, value in enumerate(values)]


def moved(mirror: list[int], place: int, then: list[int], *, state: dict[str, int] | None = None) -> list[str]:
    """The breaches of a client that had the events 1 to 6 of the source, went on at ``place`` in a mirror with these
    events at the offsets 100, 102…, and then received some of them."""
    room = RoomLog.of("score:1", {SOURCE: entries([*range(1, 7)], 0), MIRROR: entries(mirror, 100)})
    check = TraceCheck(room, LOGS.get, "a client")
    check.take(Joined("source", -1, recovered=False))
    for entry in entries([*range(1, 7)], 0):
        check.take(Received("source", entry.offset, None, entry.value, entry.key))
    head = 100 + 2 * len(mirror) - 2
    replaced = state is not None
    check.take(Joined("mirror", head, True, state or {}, after=("mirror", place), moved=True, replaces=replaced))
    offsets = {value: 100 + 2 * n for n, value in enumerate(mirror)}
    for value in then:
        check.take(Received("mirror", offsets[value], None, value, KEYS[value]))
    check.take(Shown("mirror", offsets[then[-1]] if then else place, dict(check.state)))
    check.take(Settled())
    return [breach.kind for breach in check.breaches]


WHOLE = [*range(1, 9)]
"""The mirror has all, and two events more: 6 is at 110, 7 at 112."""
BEHIND = [1, 2, 3, 4, 7, 8]
"""The mirror lacks 5 and 6: 4 is at 106."""


def test_a_client_that_goes_on_behind_its_last_event_is_right() -> None:
    assert moved(WHOLE, 110, [7, 8]) == []
    assert moved(WHOLE, 111, [7, 8]) == []


def test_a_client_of_a_mirror_that_lacks_events_goes_on_behind_the_last_one_with_the_state_of_the_mirror() -> None:
    assert moved(BEHIND, 106, [7, 8], state={"score": 7}) == []
    assert moved([*range(1, 5)], 106, [], state={"score": 3}) == []


@pytest.mark.parametrize("replaces", [False, True])
def test_a_client_that_begins_with_a_cursor_has_no_state_to_keep(replaces: bool) -> None:
    """It goes on behind 7, the newest event with a key. If the mirror gives it a state, that has to be right."""
    room = RoomLog.of("score:1", {SOURCE: entries([*range(1, 8)], 0), MIRROR: entries(WHOLE, 100)})
    check = TraceCheck(room, LOGS.get, "a client")
    check.take(Joined("mirror", 114, True, {}, after=("mirror", 112), moved=True, replaces=replaces))
    check.take(Received("mirror", 114, None, 8, KEYS[8]))
    check.take(Settled())
    assert [breach.kind for breach in check.breaches] == ["wrong_state", "wrong_state_at_end"][: 2 * replaces]


def test_a_state_that_the_mirror_does_not_have_is_found() -> None:
    assert moved([*range(1, 5)], 106, []) == ["wrong_state_at_end", "wrong_state_at_end"]
    assert moved([*range(1, 5)], 106, [], state={"score": 5})[0] == "wrong_state"


@pytest.mark.parametrize(
    ("mirror", "place", "then", "kind"),
    [
        (WHOLE, 112, [8], "missing"),
        (WHOLE, 110, [8], "missing"),
        (WHOLE, 108, [6, 7, 8], "doubled"),
        (BEHIND, 108, [8], "missing"),
        ([50, 51], 102, [], "recovered_wrongly"),
        ([50, 51], 99, [50, 51], "recovered_wrongly"),
        (WHOLE, 110, [7], "missing_at_end"),
    ],
)
def test_a_wrong_place_is_found(mirror: list[int], place: int, then: list[int], kind: str) -> None:
    assert kind in moved(mirror, place, then)


REMOVALS = {5: "score", 6: "clock"}
"""These follow the event 4, in the source and in its mirror."""


def with_removals(values: list[int], first: int) -> list[Entry]:
    return [
        Entry(first + n, 0 if n in REMOVALS else value, REMOVALS.get(n, KEYS[value]), removal=n in REMOVALS)
        for n, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("place", "kinds"), [(104, []), (105, []), (106, []), (107, ["missing"]), (103, ["doubled"])], ids=str
)
def test_removals_are_the_same_only_where_they_follow_the_same_event(place: int, kinds: list[str]) -> None:
    logs = {SOURCE: with_removals([*range(7)], 0), MIRROR: with_removals([*range(8)], 100)}
    wrong = wrong_move(RoomLog.of("score:1", logs), SOURCE, 6, MIRROR, place)
    assert [wrong.kind for wrong in [wrong] if wrong is not None] == kinds


def test_a_removal_in_the_partition_that_a_room_moved_to_is_a_new_one() -> None:
    partition = LogId("t", 0, 1)
    removal = Entry(0, 0, "score", removal=True, order=9_000)
    room = RoomLog.of("score:1", {SOURCE: with_removals([*range(7)], 0), partition: [removal]})
    assert wrong_move(room, SOURCE, 6, partition, -1) is None


def test_a_start_over_in_a_mirror_is_still_counted() -> None:
    room = RoomLog.of("score:1", {SOURCE: entries([1, 2], 0), MIRROR: entries([1, 2, 3], 100)})
    check = TraceCheck(room, LOGS.get, "a client")
    check.take(Joined("source", -1, recovered=False))
    check.take(Joined("mirror", 104, False, {"score": 3}, after=("source", -1)))
    assert check.starts_over == 1


def test_a_replay_is_checked_from_its_place_on() -> None:
    room = RoomLog.of("score:1", {MIRROR: entries([1, 2, 3], 100)})
    check = TraceCheck(room, LOGS.get, "a client")
    check.take(Joined("mirror", 104, False, {"score": 3}, place=101))
    for entry in entries([1, 2, 3], 100)[1:]:
        check.take(Received("mirror", entry.offset, None, entry.value, entry.key))
    check.take(Settled())
    assert check.breaches == []
    other = TraceCheck(room, LOGS.get, "a client")
    other.take(Joined("mirror", 104, False, {"score": 3}, place=101))
    other.take(Received("mirror", 104, None, 3, "score"))
    assert [breach.kind for breach in other.breaches] == ["missing"]
