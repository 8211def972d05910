"""The checker of the cluster run finds each kind of breach, and nothing where there is none."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from touchline_loadtest.checks.closes import Close
from touchline_loadtest.checks.comparison.close_check import Causes
from touchline_loadtest.checks.comparison.excuses import NO_EXCUSES, PATIENCE_MS, Excuses, NoExcuses
from touchline_loadtest.checks.comparison.room_traces import check_room
from touchline_loadtest.checks.comparison.run_check import RunCheck
from touchline_loadtest.checks.comparison.trace_check import TraceCheck
from touchline_loadtest.checks.comparison.waits import DELETED_MS, LONG_MS
from touchline_loadtest.checks.partition_log import Entry, LogId
from touchline_loadtest.checks.room_log import RoomLog, TopicFacts
from touchline_loadtest.checks.run_log import RunLog
from touchline_loadtest.checks.trace import Asked, Gap, Item, Joined, Left, Received, Refused, Settled, Skipped, Trace
from touchline_protocol.messages import Deliver

KEYS = ("score", None, "clock", "score", None, "score")
"""The keys of the events at the offsets 0, 2, 4, 6, 8 and 10, whose numbers are 100 to 105."""


ROOM = "score:1"
STEADY = TopicFacts()
FRAIL = TopicFacts(lossy=True)


def entries(keys: Sequence[str | None] = KEYS, first: int = 100, begin: int = 0) -> list[Entry]:
    return [Entry(begin + 2 * index, first + index, key, order=first + index) for index, key in enumerate(keys)]


def log_id(partition: int) -> LogId:
    return LogId("score-events", 0, partition)


def room_log(
    *logs: list[Entry],
    facts: TopicFacts = STEADY,
    lost: Sequence[Entry] = (),
    start: int = 0,
    generations: bool = False,
) -> RoomLog:
    """One log, and more if ``logs`` are given: partitions, or ``generations`` of the topic."""
    ids = [LogId("score-events", each, 0) if generations else log_id(each) for each in range(len(logs) or 1)]
    room = RoomLog.of(ROOM, dict(zip(ids, logs or [entries()], strict=True)), facts)
    room.sent.update((entry.value, entry.key, entry.removal) for entry in lost)
    room.starts.add(ids[0], 0.0, start)
    return room


def joined(head: int = -1, state: dict[str, int] | None = None, epoch: str = "e") -> Joined:
    return Joined(epoch, head, recovered=False, state=state or {})


def received(*numbers: int, log: list[Entry] | None = None, epoch: str = "e") -> list[Item]:
    """The events with these numbers, as an edge would send them."""
    log = entries() if log is None else log
    found: list[Item] = []
    for index, entry in enumerate(log):
        if entry.value in numbers:
            prev = log[index - 1].offset if index else None
            found.append(Received(epoch, entry.offset, prev, entry.value, entry.key, entry.removal))
    return found


def check(room: RoomLog, *items: Item, deliver: Deliver = "all", others: Sequence[Trace] = ()) -> set[str]:
    """The kinds of breaches in a trace of these items."""
    trace = Trace("a client", room.room, deliver)
    for item in [*items, Settled()]:
        trace.add(item)
    return {breach.kind for breach in check_room(room, [trace, *others])}


def test_a_client_that_received_everything_is_right() -> None:
    assert check(room_log(), joined(), *received(*range(100, 106))) == set()
    assert check(room_log(), joined(6, {"clock": 102, "score": 103}), *received(104, 105)) == set()


def test_a_client_that_resumes_is_right() -> None:
    resumed = Joined("e", 10, recovered=True, state={}, after=("e", 2))
    assert check(room_log(), joined(), *received(100, 101), resumed, *received(102, 103, 104, 105)) == set()


def test_with_latest_superseded_events_may_be_skipped_and_no_others() -> None:
    begin = [joined(), *received(100, 101)]
    end = received(104, 105)
    assert check(room_log(), *begin, Skipped(4, 6, 2), *end, deliver="latest") == {"missing"}
    end = [received(102)[0], received(104)[0], received(105)[0]]
    assert check(room_log(), *begin, Skipped(6, 6, 1), *end, deliver="latest") == set()
    assert check(room_log(), *begin, Skipped(6, 6, 1), *end, deliver="all") == {"missing", "wrong_skip"}
    assert "missing" in check(room_log(), *begin, *end, deliver="latest")


@pytest.mark.parametrize(
    ("kind", "items"),
    [
        ("missing", received(100, 101, 103, 104, 105)),
        ("doubled", [*received(100, 101), *received(101, 102, 103, 104, 105)]),
        ("reordered", [*received(100, 102), *received(101), *received(103, 104, 105)]),
        ("wrong_prev", [*received(100), Received("e", 2, -1, 101, None, False), *received(102, 103, 104, 105)]),
        ("wrong_event", [*received(100), Received("e", 2, 0, 101, "score", False)]),
        ("not_in_log", [*received(100), Received("e", 3, 0, 101, None, False)]),
        ("gap", [*received(100), Gap(4, 0)]),
        ("refused", [Refused("internal_error")]),
        ("missing_at_end", received(100, 101)),
        ("lost_cursor", [*received(100), replace(joined(2, {"score": 100}), live=True)]),
        ("lost_cursor", [*received(100), replace(joined(2, {"score": 100}), after=("e", 0))]),
        ("resumed_elsewhere", [*received(100), Joined("e", 10, recovered=True, state={}, after=("e", 4))]),
        ("wrong_state", [joined(6, {"score": 100, "clock": 102}), *received(104, 105)]),
        ("wrong_state", [joined(6, {"clock": 102}), *received(104, 105)]),
        ("wrong_state", [joined(6, {"score": 103, "clock": 102, "period": 101}), *received(104, 105)]),
    ],
)
def test_each_breach_is_found(kind: str, items: list[Item]) -> None:
    assert kind in check(room_log(), joined(), *items)


def test_a_stream_that_received_no_event_since_it_resumed_still_presents_the_id_of_its_last_event() -> None:
    again = Joined("f", 2, recovered=True, after=("e", 0))
    assert "resumed_elsewhere" not in check(room_log(), joined(), *received(100), again, again)
    assert "resumed_elsewhere" in check(
        room_log(), joined(), *received(100), again, Received("f", 1, 0, 101, None, False), again
    )


def test_a_client_may_resume_behind_records_of_other_rooms_that_a_replay_has_covered() -> None:
    """Events are at the even offsets: there is none at 5, and one at 6."""
    begin = [joined(), *received(100, 101, 102)]
    ahead, too_far = (Joined("e", 10, recovered=True, state={}, after=("e", after)) for after in (5, 6))
    assert check(room_log(), *begin, ahead, *received(103, 104, 105)) == set()
    assert "resumed_elsewhere" in check(room_log(), *begin, too_far, *received(103, 104, 105))
    assert "resumed_elsewhere" in check(room_log(), *begin, too_far, *received(104, 105))


@pytest.mark.parametrize("number", [100, 101])
def test_a_room_that_moves_before_it_has_a_record_there_begins_with_its_first_one(number: int) -> None:
    """As in a simulation, which checks while the log grows."""
    room = room_log(entries(), [])
    check = TraceCheck(room, {"e": log_id(0), "f": log_id(1)}.get, "a client")
    for item in (joined(), *received(*range(100, 106)), joined(epoch="f")):
        check.take(item)
    for entry in entries(begin=50):
        room.append(log_id(1), entry)
    check.take(Received("f", 52 if number == 101 else 50, None, number, KEYS[number - 100], False))
    assert [breach.kind for breach in check.breaches if breach.kind != "lost_cursor"] == ["missing"][: number - 100]


@pytest.mark.parametrize(
    "before",
    [[replace(joined(0), complete=False)], [joined(0, {"score": 100}), Joined("e", 2, recovered=True, after=("e", 0))]],
    ids=["incomplete", "resumed"],
)
def test_a_state_that_was_incomplete_may_be_sent_again_but_no_event_left_out(before: list[Item]) -> None:
    full = {"score": 103, "clock": 102}
    events = received(101, 102, 103)
    assert check(room_log(), *before, *events, replace(joined(7, full), live=True), *received(104, 105)) == set()
    late = replace(joined(8, full), live=True)
    assert check(room_log(), *before, *events, late, *received(105)) == {"lost_cursor"}
    assert check(room_log(), *before, *events, replace(late, complete=False), *received(105)) == {"lost_cursor"}


def test_a_state_may_be_sent_again_in_a_room_of_which_nobody_has_an_event() -> None:
    incomplete = replace(joined(10, {"score": 105}), complete=False)
    full = {"score": 105, "clock": 102}
    assert check(room_log(), incomplete, replace(joined(10, full), live=True)) == set()
    assert "lost_cursor" in check(room_log(), replace(incomplete, head=8), replace(joined(10, full), live=True))


def test_an_event_before_the_answer_is_found() -> None:
    assert check(room_log(), *received(100), joined(0, {"score": 100}), *received(*range(101, 106))) == {
        "before_joined"
    }


def test_before_an_event_that_the_log_has_lost_none_may_be_missing_by_its_prev() -> None:
    log = entries()
    lost = Entry(12, 200, "score")
    events = [*received(*range(100, 105), log=log), Received("e", 12, 10, 200, "score", False)]
    over = Joined("f", 10, recovered=False, state={"score": 105, "clock": 102}, live=True)
    room = room_log(log, facts=FRAIL, lost=[lost])
    assert check(room, joined(), *events, over) == {"missing"}
    whole = [*events[:-1], *received(105, log=log), events[-1]]
    assert check(room, joined(), *whole, over) == set()
    assert check(room, joined(), *whole) == {"left_behind"}


def test_a_room_that_never_answers_is_found() -> None:
    assert check(room_log()) == {"never_joined"}


def test_a_state_that_is_marked_incomplete_may_lack_keys_but_not_have_others() -> None:
    def begin(state: dict[str, int]) -> Joined:
        return Joined("e", 6, recovered=False, state=state, complete=False)

    assert check(room_log(), begin({"clock": 102}), *received(104, 105)) == set()
    assert "wrong_state" in check(room_log(), begin({"score": 100}), *received(104, 105))


def test_deleted_state_may_be_missing_but_not_be_older() -> None:
    log = entries()
    room = room_log(log, start=8)
    right = received(105, log=log)
    assert check(room, joined(8, {"score": 103, "clock": 102}), *right) == set()
    assert check(room, joined(8), *right) == set()
    assert "wrong_state" in check(room, joined(8, {"score": 100}), *right)


def test_two_clients_with_different_events_at_one_place_are_found() -> None:
    log = entries()
    lost = Entry(10, 200, "score")
    other = Trace("another client", ROOM)
    for item in [joined(), *received(*range(100, 105), log=log), Received("e", 10, 8, 200, "score", False)]:
        other.add(item)
    kinds = check(
        room_log(log, facts=FRAIL, lost=[lost]), joined(), *received(*range(100, 106), log=log), others=[other]
    )
    assert "different_events" in kinds


def test_a_client_that_goes_on_over_other_events_is_found() -> None:
    """The client has an event that was cut off, and resumes behind it as if its log were the same."""
    log = entries()
    lost = Entry(8, 200, "score")
    room = room_log(log, facts=FRAIL, lost=[lost])
    begin = [joined(), *received(100, 101, 102, 103, log=log), Received("e", 8, 6, 200, "score", False)]
    resumed = Joined("e", 10, recovered=True, state={}, after=("e", 8))
    assert "over_other_events" in check(room, *begin, resumed, *received(105, log=log))
    over = Joined("f", 8, recovered=False, state={"score": 103, "clock": 102})
    assert check(room, *begin, over, *received(105, log=log, epoch="f")) == set()


def test_a_lost_key_that_stays_in_the_state_is_found() -> None:
    log = entries()
    lost = Entry(8, 200, "home")
    room = room_log(log, facts=FRAIL, lost=[lost])
    over = joined(8, {"score": 103, "clock": 102, "home": 200})
    assert "wrong_state_at_end" in check(room, over, *received(105, log=log))


@pytest.mark.parametrize(("reach", "kinds"), [(8, {"lost_cursor"}), (7, set())])
def test_a_client_that_stays_starts_over_if_it_is_too_far_behind_where_it_joined(reach: int, kinds: set[str]) -> None:
    """It resumes at 2, receives the event at 4, and is then given up: the head is at 10."""
    room = room_log(facts=TopicFacts(reach=reach))
    resumed = Joined("e", 10, recovered=True, state={}, after=("e", 2))
    over = Joined("e", 10, recovered=False, state={"score": 105, "clock": 102}, live=True)
    assert check(room, joined(), *received(100, 101), resumed, *received(102), over) == kinds


def test_a_moved_room_keeps_its_state_and_starts_over() -> None:
    before, after = entries(), entries(("clock", None), first=5300, begin=40)
    room = room_log(before, after)
    moved = Joined("f", 40, recovered=False, state={"score": 105, "clock": 5300})
    begin = [joined(), *received(*range(100, 106), log=before)]
    assert check(room, *begin, moved, *received(5301, log=after, epoch="f")) == set()
    lacking = replace(moved, state={"clock": 5300})
    assert "wrong_state" in check(room, *begin, lacking, *received(5301, log=after, epoch="f"))
    assert "left_behind" in check(room, *begin)


def test_a_client_may_join_a_moved_room_before_its_edge_has_read_the_end_of_the_old_partition() -> None:
    before, after = entries(), entries(("clock", None), first=300, begin=40)
    room = room_log(before, after)
    begin = joined(40, {"clock": 300, "score": 103}, epoch="f")
    assert check(room, begin, *received(301, log=after, epoch="f")) == {"wrong_state_at_end"}
    assert check(room, begin, joined(42, {"clock": 300, "score": 105}, epoch="f")) == set()


def test_another_leader_changes_the_epoch_and_another_partition_needs_a_start() -> None:
    items = [joined(), *received(100, 101), Joined("f", 10, recovered=True, state={}, after=("e", 2))]
    assert check(room_log(), *items, *received(102, 103, epoch="f"), *received(104, 105, epoch="g")) == set()
    before, after = entries(), entries(("clock", None), first=300, begin=40)
    room = room_log(before, after)
    assert "wrong_epoch" in check(room, joined(), *received(100, log=before), *received(300, 301, log=after, epoch="f"))


def test_an_epoch_of_two_logs_is_found() -> None:
    before, after = entries(), entries(first=300)
    room = room_log(before, after, generations=True)
    items = [joined(), *received(100, log=before), joined(), *received(*range(300, 306), log=after)]
    assert "ambiguous_epoch" in check(room, *items)


class Delayed(NoExcuses):
    """Events were held up."""

    def explains_delay(self, client: str, since_ms: float, at_ms: float) -> bool:
        return True


def stalled(seen: int, left_ms: float, joined_ms: float = 1.0, excuses: Excuses = NO_EXCUSES) -> list[str]:
    """What is found if a client sees so many of three events, of 1,000, 2,000 and 3,000 ms, until it leaves."""
    log = [Entry(offset, 100 + offset, order=1000 * (offset + 1)) for offset in range(3)]
    check = TraceCheck(room_log(log), {"e": log_id(0)}.get, "a client", excuses=excuses)
    check.take(Joined("e", -1, recovered=False, at_ms=joined_ms))
    for item in received(*range(100, 100 + seen), log=log):
        check.take(item)
    check.take(Left(left_ms))
    return [breach.kind for breach in check.breaches]


@pytest.mark.parametrize(
    ("last", "departures"),
    [
        (Left(2_000 + PATIENCE_MS), 1),
        (Settled(), 1),
        (Left(0.0), 0),  # it reads slowly
        (Left(PATIENCE_MS), 0),  # all that it lacks may be on its way
        (Received("e", 9, 8, 109), 0),  # its process was killed
    ],
)
def test_the_ends_that_could_be_judged_are_counted(last: Item, departures: int) -> None:
    run = RunCheck(RunLog())
    log = [Entry(offset, 100 + offset, order=1000 * (offset + 1)) for offset in range(3)]
    trace = TraceCheck(room_log(log), {"e": log_id(0)}.get, "a client")
    for item in [Joined("e", -1, recovered=False, at_ms=1.0), *received(100, 101, 102, log=log), last]:
        trace.take(item)
    run.end(trace, 2_000.0)
    assert run.finish([], {}, all_known=True, ended_ms=2_000.0).counts.get("departures", 0) == departures


def test_a_client_that_waits_in_vain_is_found_when_it_leaves() -> None:
    late = 2_000 + PATIENCE_MS
    assert stalled(1, late) == ["stalled"]
    assert stalled(0, late + 10_000) == ["stalled"]
    assert stalled(1, late - 1) == [], "the event may still be on its way"
    assert stalled(2, late) == []
    assert stalled(3, late + 10_000) == []
    assert stalled(1, 0.0) == [], "the client reads slowly"
    assert stalled(1, late, joined_ms=2_500.0) == [], "the client may still be catching up"
    assert stalled(1, late, excuses=Delayed()) == []


def test_state_and_recent_events_that_nobody_published_are_found_in_a_room_without_records() -> None:
    empty = RoomLog(ROOM)
    assert check(empty, joined(70)) == set(), "the head is where the partition is"
    assert check(empty, joined(70, {"score": 1})) == {"wrong_state"}
    assert check(empty, replace(joined(70), recent=((7, 7),))) == {"wrong_recent"}
    empty.starts.ends[log_id(0)] = 7
    assert check(empty, joined(7)) == set()
    assert check(empty, joined(1_000)) == {"wrong_head"}


def test_the_head_of_a_log_whose_end_was_cut_off_may_have_another_record_now() -> None:
    late = [Entry(8, 104, None, order=10_000)]
    log = room_log([*entries()[:4], *late])
    assert check(log, replace(joined(8, {"clock": 102, "score": 103}), at_ms=500)) == {"wrong_head"}
    cut = room_log(entries()[:5])
    cut.append(log_id(0), late[0]._replace(value=204))
    assert check(cut, replace(joined(8, {"clock": 102, "score": 103}), at_ms=500)) == set()


def test_recent_events_have_to_be_right_in_a_log_even_if_nobody_knows_in_which() -> None:
    unknown = joined(10, {"score": 105, "clock": 102}, epoch="an epoch without events")
    assert check(room_log(), replace(unknown, recent=((8, 104), (10, 105)))) == set()
    assert check(room_log(), replace(unknown, recent=((8, 104), (10, 106)))) == {"wrong_recent"}


def test_a_compacted_log_may_lack_what_the_room_had_a_newer_record_for_when_it_was_skipped() -> None:
    """Compaction is by the record's key, which is the room: so it takes events without keys too, but not the newest."""
    room = room_log(facts=TopicFacts(compacted=True, lag=0))
    end = received(105)
    assert check(room, joined(), Skipped(0, 8, 0), *end) == set()
    assert check(room, joined(), Skipped(0, 8, 0, at_ms=105), *end) == set()
    assert check(room, joined(), Skipped(0, 8, 0, at_ms=104), *end) == {"missing"}
    assert check(room, joined(), *received(*range(100, 105)), Skipped(10, 10, 0)) == {"missing_at_end"}


def test_an_event_of_a_compacted_log_may_follow_one_that_nobody_read_for_the_checker() -> None:
    log = entries()
    read = room_log([*log[:2], *log[4:]], facts=TopicFacts(compacted=True, lag=0))
    begin = [joined(), *received(100, 101), Skipped(4, 6, 0)]
    assert check(read, *begin, *received(104, 105)) == set()
    wrong = Received("e", 8, 0, 104, None, False)
    assert "wrong_prev" in check(read, *begin, wrong, *received(105))


def resumed_below_the_log(begin_ms: float, left_ms: float) -> set[str]:
    """What is found if all behind the first event is deleted, and the client comes back, and leaves without it."""
    log = [Entry(offset, 100 + offset, order=1000 * (offset + 1)) for offset in range(3)]
    room = room_log(log)
    room.starts.add(log_id(0), 9_000.0, 3)
    trace = Trace("a client", ROOM)
    for item in [
        Joined("e", -1, recovered=False, at_ms=1.0),
        *received(100, log=log),
        Joined("e", 2, recovered=True, after=("e", 0), at_ms=begin_ms),
        Left(left_ms),
    ]:
        trace.add(item)
    return {breach.kind for breach in check_room(room, [trace])}


def test_a_cursor_from_before_the_log_is_honoured_only_with_the_deleted_events() -> None:
    assert resumed_below_the_log(9_500.0, 9_500.0 + DELETED_MS) == {"recovered_wrongly"}
    assert resumed_below_the_log(9_500.0, 9_499.0 + DELETED_MS) == set()
    assert resumed_below_the_log(8_500.0, 8_500.0 + DELETED_MS) == set(), "they were not deleted yet"


def test_a_cursor_is_not_excused_by_records_that_were_deleted_much_later() -> None:
    log = [Entry(offset, 100 + offset, order=1000 * (offset + 1)) for offset in range(3)]
    for seen_ms, kinds in ((30_000.0, set[str]()), (900_000.0, {"lost_cursor"})):
        room = room_log(log)
        room.starts.add(log_id(0), seen_ms, 3)
        again = Joined("e", 2, recovered=False, after=("e", 0), at_ms=9_500.0)
        assert check(room, joined(), *received(100, log=log), again) == kinds


def at_the_end(*items: Item, closed_ms: float | None = None, ended_ms: float = 10 * LONG_MS) -> set[str]:
    """What is found about a client that never said that it left, in a room with one event, of 1,000 ms."""
    trace = Trace("a client", ROOM)
    for item in items:
        trace.add(item)
    closes = [] if closed_ms is None else [Close("a client", 1006, closed_ms)]
    room = room_log([Entry(0, 100, order=1_000)])
    found = check_room(room, [trace], excuses=Causes((), (), closes), ended_ms=ended_ms)
    return {breach.kind for breach in found}


def test_a_client_that_never_says_that_it_left_was_there_until_its_connection_ended() -> None:
    begin = Joined("e", -1, recovered=False, at_ms=500.0)
    late_ms = 1_000 + LONG_MS
    assert at_the_end(begin) == {"stalled"}
    assert at_the_end(begin, closed_ms=late_ms) == {"stalled"}
    assert at_the_end(begin, closed_ms=late_ms - 1) == set()
    assert at_the_end(begin, ended_ms=late_ms - 1) == set()
    assert at_the_end(Asked(400.0, prompt=False), begin) == set(), "it reads slowly"
    assert at_the_end(begin, *received(100, log=[Entry(0, 100)])) == set()


def test_a_client_that_is_never_answered_is_found_when_its_connection_or_the_run_ends() -> None:
    assert at_the_end(Asked(500.0)) == {"never_joined"}
    assert at_the_end(Asked(500.0, prompt=False)) == {"never_joined"}
    assert at_the_end(Asked(500.0), closed_ms=500.0 + LONG_MS) == {"never_joined"}
    assert at_the_end(Asked(500.0), closed_ms=499.0 + LONG_MS) == set()
    assert at_the_end(*(Asked(500.0 + 1_000 * index) for index in range(61))) == {"never_joined"}
    assert at_the_end(Asked(500.0), Asked(700.0), Refused("unavailable", 800.0)) == {"refused"}
    assert at_the_end(Left(3_600_000.0)) == {"never_joined"}


def test_a_client_that_neither_asks_nor_leaves_is_found_unless_it_had_no_connection() -> None:
    assert at_the_end() == {"never_joined"}
    assert at_the_end(Left()) == set()
    assert at_the_end(closed_ms=1.0) == set()
