"""The check of a client as it goes finds each broken rule at once, and nothing where there is none."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from touchline_loadtest.checks.live_check import LiveCheck
from touchline_loadtest.checks.room_follower import RoomFollower
from touchline_loadtest.checks.trace import Asked, Gap, Item, Joined, Received, Refused, Skipped, Trace
from touchline_protocol.messages import Deliver, Error, Event, RoomRequest, ServerMessage, Subscribed
from touchline_protocol.messages import Skipped as SkippedMessage

ROOM = "match:1"


def joined(head: int, *, recovered: bool = False, after: tuple[str, int] | None = None, epoch: str = "e") -> Joined:
    return Joined(epoch, head, recovered, {}, after)


def event(
    offset: int, prev: int | None, *, key: str | None = None, epoch: str = "e", removal: bool = False
) -> Received:
    return Received(epoch, offset, prev, 100 + offset, key, removal)


def kinds(check: LiveCheck, items: Sequence[Item]) -> list[str]:
    return [breach.kind for item in items if (breach := check.take(item)) is not None]


def found(*items: Item, deliver: Deliver = "all", restarts: bool = False) -> list[str]:
    """The kinds of breaches that a client finds which begins without a cursor."""
    return kinds(LiveCheck("a client", ROOM, deliver, restarts=restarts), items)


def test_a_client_that_follows_the_room_finds_nothing() -> None:
    assert found(joined(3), event(5, 3), event(6, 5), event(9, 6, epoch="f"), event(12, None)) == []
    assert found(joined(3), event(5, 2)) == [], "the head is beyond the room's newest event"


def test_a_client_that_stays_may_get_the_state_that_was_incomplete_before() -> None:
    incomplete = replace(joined(3), complete=False)
    assert found(incomplete, event(5, 3), joined(5), event(6, 5)) == []
    assert found(incomplete, event(5, 3), joined(4)) == ["lost_cursor"]
    assert found(incomplete, event(5, 3), incomplete) == ["lost_cursor"]
    assert found(incomplete, joined(3), joined(3)) == ["lost_cursor"]


@pytest.mark.parametrize(
    ("kind", "items"),
    [
        ("missing", [event(5, 4)]),
        ("missing", [event(4, 3), event(7, 6), event(8, 7)]),
        ("doubled", [event(4, 3), event(5, 4), event(4, 3)]),
        ("reordered", [event(4, 3), event(8, 4), event(6, 4)]),
        ("reordered", [event(2, 1)]),
        ("wrong_prev", [event(4, 3), event(6, 3)]),
        ("wrong_skip", [Skipped(4, 6, 2)]),
        ("wrong_skip", [Skipped(6, 4, 0)]),
        ("lost_cursor", [joined(9)]),
        ("resumed_elsewhere", [joined(9, recovered=True, after=("e", 3))]),
        ("gap", [Gap(4, 3)]),
        ("refused", [Refused("internal_error")]),
    ],
)
def test_each_broken_rule_is_found_once(kind: str, items: list[Item]) -> None:
    assert found(joined(3), *items) == [kind]


def test_what_comes_before_the_join_is_found() -> None:
    assert found(event(5, 4)) == ["before_joined"]
    assert found(Skipped(4, 5, 0)) == ["before_joined"]
    assert found(joined(3, recovered=True)) == ["resumed_elsewhere"]


def test_a_breach_names_the_client_the_room_and_the_offset() -> None:
    check = LiveCheck("fan 7", ROOM)
    check.take(joined(3))
    breach = check.take(event(9, 8))
    assert breach is not None
    for part in ("fan 7", ROOM, "9"):
        assert part in str(breach)


def test_what_the_server_has_left_out_is_not_missing() -> None:
    assert found(joined(1), Skipped(2, 5, 3), event(4, 3), event(6, 5), deliver="latest") == []
    assert found(joined(1), Skipped(2, 3, 2), event(6, 5), deliver="latest") == ["missing"]
    assert found(joined(1), Skipped(2, 5, 0), event(6, 5)) == [], "the log was compacted"


def test_a_room_may_start_over_only_where_something_happens_to_its_log() -> None:
    items: list[Item] = [joined(3), event(4, 3), joined(1, epoch="f"), event(2, 1, epoch="f")]
    assert found(*items) == ["lost_cursor"]
    assert found(*items, restarts=True) == []


def test_a_client_resumes_from_the_last_event_it_received_not_from_a_skipped_one() -> None:
    check = LiveCheck("a client", ROOM, "latest")
    assert kinds(check, [joined(1), event(2, 1), Skipped(3, 5, 3)]) == []
    assert check.request() == RoomRequest(room=ROOM, epoch="e", after=2, deliver="latest")
    assert not check.joined
    assert kinds(check, [joined(9, recovered=True, after=("e", 2)), event(9, 8)]) == ["missing"]


def test_a_resume_at_another_cursor_than_the_one_presented_is_found() -> None:
    check = LiveCheck("a client", ROOM, after=("e", 4))
    assert kinds(check, [joined(9, recovered=True, after=("e", 2))]) == ["resumed_elsewhere"]
    check = LiveCheck("a client", ROOM, after=("e", 4))
    assert kinds(check, [joined(9)]) == ["lost_cursor"]
    check = LiveCheck("a client", ROOM, after=("e", 4))
    assert kinds(check, [joined(9, recovered=True, after=("e", 4)), event(5, 4)]) == []


def test_a_stream_that_received_no_event_since_it_resumed_still_presents_the_id_of_its_last_event() -> None:
    again = joined(9, epoch="f", recovered=True, after=("e", 4))
    for items, kind in (([], []), ([event(5, 4, epoch="f")], ["resumed_elsewhere"])):
        check = LiveCheck("a client", ROOM, after=("e", 4))
        assert kinds(check, [again, *items]) == []
        check.request()
        assert kinds(check, [again]) == kind


def test_the_state_is_that_of_the_join_and_the_events_after_it() -> None:
    check = LiveCheck("a client", ROOM)
    check.take(Joined("e", 3, recovered=False, state={"score": 1, "clock": 2, "card": 3}))
    check.take(event(4, 3, key="score"))
    check.take(event(5, 4, key="card", removal=True))
    check.take(event(4, 3, key="clock"))  # a duplicate, which clients ignore
    assert check.state == {"score": 104, "clock": 2}


def message(offset: int, prev: int | None, key: str | None = None) -> Event:
    return Event(room=ROOM, offset=offset, prev=prev, ts=0, data={"n": offset}, key=key)


def follower(*received: ServerMessage) -> tuple[RoomFollower, list[str]]:
    """A follower with these messages, and the kinds of what it found."""
    return follow(Trace("a client", ROOM), *received)


def follow(trace: Trace, *received: ServerMessage) -> tuple[RoomFollower, list[str]]:
    follower = RoomFollower(trace, lambda event: int(event.data["n"]))
    follower.request()
    breaches = [follower.receive(each) for each in received]
    return follower, [breach.kind for breach in breaches if breach is not None]


def test_a_follower_writes_what_it_receives_into_its_trace() -> None:
    begin = Subscribed(room=ROOM, epoch="e", head=3, recovered=False, state=[message(3, None, "score")])
    trace = Trace("a client", ROOM)
    one, breaches = follow(trace, begin, message(4, 3), SkippedMessage(ROOM, 5, 6, 0), message(7, 6, "score"))
    assert breaches == []
    assert trace.items == [
        Asked(),
        Joined("e", 3, recovered=False, state={"score": 3}),
        Received("e", 4, 3, 4, None, removal=False),
        Skipped(5, 6, 0),
        Received("e", 7, 6, 7, "score", removal=False),
    ]
    assert one.request() == RoomRequest(room=ROOM, epoch="e", after=7)


def test_a_follower_does_not_take_an_event_after_a_gap() -> None:
    one, breaches = follower(Subscribed(room=ROOM, epoch="e", head=3, recovered=False), message(9, 8))
    assert breaches == ["gap"]
    assert one.request() == RoomRequest(room=ROOM, epoch="e", after=3)


def test_a_refused_room_is_found_and_one_that_is_not_ready_is_not() -> None:
    assert follower(Error(code="unavailable", message="later", room=ROOM))[1] == []
    assert follower(Error(code="bad_room", message="no", room=ROOM))[1] == ["refused"]


@pytest.mark.parametrize(
    "answer",
    [
        Subscribed(room=ROOM, epoch="e", head=3, recovered=False, state=[message(4, None, "score")]),
        Subscribed(room=ROOM, epoch="e", head=3, recovered=False, state=[message(1, None, "a"), message(2, 1, "a")]),
        Subscribed(room=ROOM, epoch="e", head=3, recovered=False, recent=[message(2, None), message(1, None)]),
    ],
)
def test_an_answer_that_contradicts_itself_is_found(answer: Subscribed) -> None:
    assert follower(answer)[1] == ["wrong_join"]
