"""What a user observes, from the messages alone: times, and promises that were broken."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.observed_process import ADDRESS, EPOCH, NOW_MS, ROOM, WELCOME, Process, event, join
from touchline.errors import ConnectionRefused, Unreachable
from touchline_loadtest.checks.trace import Asked, Item, Joined, Left, Received
from touchline_loadtest.locust.observe import rows
from touchline_loadtest.locust.observe.latency import LatencyMeter
from touchline_loadtest.locust.observe.observer import Observer
from touchline_loadtest.locust.observe.surprises import GRACE_MS
from touchline_protocol.codes import BANNED, TOO_SLOW
from touchline_protocol.messages import (
    Ack,
    Action,
    Event,
    Goaway,
    RoomRequest,
    Skipped,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
    Verdict,
)


def test_times_are_measured_from_when_to_when_they_matter() -> None:
    process = Process()
    observer = process.client()
    observer.asking(2.0)
    observer.sent(Subscribe([RoomRequest(ROOM)], 1))
    observer.arrived(2.5, round(NOW_MS * 1e6))
    observer.received(Subscribed(ROOM, EPOCH, 7, recovered=False, id=1), 100)
    observer.received(event(8, 7), 40)
    assert process.notes.times == [(rows.CONNECT, 200.0), (rows.FIRST_STATE, 500.0), (rows.EVENT, 5.0)]


def test_a_return_is_timed_from_the_attempt_to_connect_and_missed_events_are_counted_apart() -> None:
    process = Process()
    observer = process.joined(5)
    observer.received(event(6, 5), 40)
    observer.closed(1006, by_us=True)
    process.notes.times.clear()
    observer.connecting(10.0)
    observer.connected(10.1)
    observer.arrived(10.2, round(NOW_MS * 1e6))
    observer.received(WELCOME, 50)
    observer.arrived(10.4, round(NOW_MS * 1e6))
    join(observer, 8, after=6, number=2)
    for offset in (7, 8, 9):
        observer.received(event(offset), 40)
    names = [rows.CONNECT, rows.RETURN, rows.REPLAY, rows.REPLAY, rows.EVENT]
    assert [name for name, _ in process.notes.times] == names
    assert dict(process.notes.times)[rows.RETURN] == 400.0
    assert process.notes.kinds == []


def gap(observer: Observer) -> None:
    observer.received(event(2, 1), 40)


def doubled(observer: Observer) -> None:
    observer.received(event(1), 40)
    observer.received(event(1), 40)


def reordered(observer: Observer) -> None:
    observer.received(event(3, 0), 40)
    observer.received(event(2, 0), 40)


def wrong_prev(observer: Observer) -> None:
    observer.received(event(1), 40)
    observer.received(event(2, 0), 40)


def wrong_skip(observer: Observer) -> None:
    observer.received(Skipped(ROOM, 1, 2, 2), 40)


def before_joined(observer: Observer) -> None:
    observer.received(msgspec.structs.replace(event(1), room="score:2"), 40)


def after_leaving(observer: Observer) -> None:
    observer.sent(Unsubscribe([ROOM]))
    observer.received(event(1), 40)  # on its way already
    observer.received(Unsubscribed(ROOM), 40)
    observer.received(event(2), 40)


def wrong_join(observer: Observer) -> None:
    observer.received(Subscribed(ROOM, EPOCH, 1, recovered=False, id=77), 40)


def lost_cursor(observer: Observer) -> None:
    observer.closed(1006, by_us=True)
    observer.connected(3.0)
    join(observer, 9, after=0, number=2, recovered=False)


def phantom_ack(observer: Observer) -> None:
    observer.sent(Action(1, ROOM, "tap"))
    observer.received(Ack(1), 40)
    observer.received(Ack(1), 40)


def unexpected_verdict(observer: Observer) -> None:
    observer.received(Verdict("mute", "too fast", None), 40)


def unexplained_close(observer: Observer) -> None:
    observer.closed(TOO_SLOW.code, by_us=False)


@pytest.mark.parametrize(
    ("breaks", "kind"),
    [
        (gap, "gap"),
        (doubled, "doubled"),
        (reordered, "reordered"),
        (wrong_prev, "wrong_prev"),
        (wrong_skip, "wrong_skip"),
        (before_joined, "before_joined"),
        (after_leaving, "before_joined"),
        (wrong_join, "wrong_join"),
        (lost_cursor, "lost_cursor"),
        (phantom_ack, "phantom_ack"),
        (unexpected_verdict, "unexpected_verdict"),
        (unexplained_close, "unexplained_close"),
    ],
)
def test_each_broken_promise_is_found_once_under_its_name(breaks: Callable[[Observer], None], kind: str) -> None:
    process = Process()
    breaks(process.joined())
    assert process.notes.kinds == [kind]


def test_after_a_gap_the_client_asks_again_and_nothing_more_is_wrong() -> None:
    process = Process()
    observer = process.joined()
    observer.received(event(1), 40)
    observer.received(event(3), 40)
    observer.received(event(4), 40)  # of the subscription that is being left
    observer.sent(Unsubscribe([ROOM]))
    observer.sent(Subscribe([RoomRequest(ROOM, EPOCH, 1)], 2))
    observer.received(event(5), 40)
    observer.received(Unsubscribed(ROOM), 40)
    observer.received(Subscribed(ROOM, EPOCH, 5, recovered=True, id=2), 40)
    for offset in range(2, 7):
        observer.received(event(offset), 40)
    assert process.notes.kinds == ["gap"]


@given(st.lists(st.integers(1, 3), min_size=1, max_size=20), st.data())
def test_events_in_order_are_never_reported_wherever_connections_break(steps: list[int], data: st.DataObject) -> None:
    process = Process()
    observer = process.joined()
    offset, number = 0, 2
    for step in steps:
        observer.received(event(offset + step, offset), 40)
        offset += step
        if data.draw(st.booleans(), label="break"):
            observer.closed(1006, by_us=True)
            observer.connected(2.0)
            join(observer, offset + data.draw(st.integers(0, 2)), after=offset, number=number)
            number += 1
    assert process.notes.kinds == []


def test_a_latest_reader_may_be_spared_events() -> None:
    process = Process()
    observer = process.client()
    observer.sent(Subscribe([RoomRequest(ROOM, deliver="latest")], 1))
    observer.received(Subscribed(ROOM, EPOCH, 0, recovered=False, id=1), 40)
    observer.received(Skipped(ROOM, 1, 2, 2), 40)
    observer.received(event(3, 2, key="score"), 40)
    assert process.notes.kinds == []


# Ends of connections.


def test_a_goaway_explains_the_close_that_follows() -> None:
    process = Process()
    observer = process.joined()
    observer.received(Goaway(reconnect_ms=0, reason="stopping"), 40)
    observer.closed(1001, by_us=False)
    process.surprises.judge(float("inf"))
    assert process.notes.kinds == []
    assert process.notes.open == 0


@pytest.mark.parametrize(
    ("reconnect_ms", "by_us", "sent_away"), [(0, True, True), (500, True, False), (500, False, True)]
)
def test_a_visit_that_ends_before_its_turn_to_reconnect_was_not_sent_away(
    reconnect_ms: int, by_us: bool, sent_away: bool
) -> None:
    process = Process()
    observer = process.joined()
    observer.received(Goaway(reconnect_ms=reconnect_ms, reason="stopping"), 40)
    observer.closed(1000, by_us=by_us)
    assert [close.sent_away for close in process.notes.closes] == [sent_away]


def test_behaviour_explains_its_own_closes_and_verdicts() -> None:
    process = Process()
    process.joined(slow_reader=True).closed(TOO_SLOW.code, by_us=False)
    cheater = process.joined(verdicts_expected=True)
    cheater.received(Verdict("ban", "too fast", None), 40)
    cheater.closed(BANNED.code, by_us=False)
    assert process.notes.kinds == []
    assert cheater.banned
    assert [cause.kind for cause in process.notes.causes] == ["client_slow"]


def test_a_ban_without_a_verdict_is_unexplained_even_for_a_cheater() -> None:
    process = Process()
    process.joined(verdicts_expected=True).closed(BANNED.code, by_us=False)
    assert process.notes.kinds == ["unexplained_close"]


def test_a_fault_that_is_told_of_later_explains_lost_connections() -> None:
    process = Process()
    process.joined().closed(1006, by_us=False)
    failing = process.client()
    failing.connecting(5.0)
    failing.connect_failed(5.1, Unreachable("nobody listens"))
    process.surprises.judge(NOW_MS + GRACE_MS - 1)
    process.surprises.fault(NOW_MS + 500, None)
    process.surprises.judge(NOW_MS + GRACE_MS)
    assert (process.notes.kinds, process.notes.failures) == ([], [])


def test_without_a_fault_a_lost_connection_is_reported_after_a_grace() -> None:
    process = Process()
    process.joined().closed(1006, by_us=False)
    failing = process.client()
    failing.connecting(5.0)
    failing.connect_failed(5.1, Unreachable("nobody listens"))
    assert process.notes.kinds == []
    process.surprises.judge(NOW_MS + GRACE_MS)
    assert process.notes.kinds == ["unexplained_close"]
    [(row, text)] = process.notes.failures
    assert row == rows.CONNECT
    assert ADDRESS in text


def test_a_refusal_is_a_failure_at_once_and_no_fault_explains_it() -> None:
    process = Process()
    process.surprises.fault(NOW_MS, None)
    observer = process.client()
    observer.connecting(5.0)
    observer.connect_failed(5.1, ConnectionRefused(403, "no"))
    [(row, text)] = process.notes.failures
    assert row == rows.CONNECT
    assert ADDRESS in text
    assert "403" in text


# What is recorded for the checker.


def test_the_checker_gets_what_the_client_saw_and_why_it_left() -> None:
    process = Process()
    observer = process.joined(4, state=[event(3, key="score")])
    observer.received(event(5), 40)
    observer.closed(1000, by_us=True)
    items: list[Item] = process.notes.traces[ROOM].items
    assert [type(item) for item in items] == [Asked, Joined, Received, Left]
    assert [close.code for close in process.notes.closes] == [1000]
    assert process.notes.closes[0].edge == "edge-1"
    assert [(cause.kind, cause.client) for cause in process.notes.causes] == [("client_left", "ada")]


# States.


def keyed(offset: int, key: str, data: Any = 1, prev: int | None = None) -> Event:
    return event(offset, prev, key=key, data=data)


@pytest.mark.parametrize(
    "state",
    [
        [keyed(1, "a"), keyed(2, "b")],  # a is older than the event that the first client received
        [keyed(3, "a")],  # b is missing
        [keyed(3, "a"), keyed(2, "b"), keyed(1, "c")],  # c was never set
        [keyed(3, "a", 7), keyed(2, "b")],  # a has another value
    ],
)
@pytest.mark.parametrize("later", [0, 1], ids=["at the newest event", "behind the newest event"])
def test_a_state_that_is_not_what_others_received_is_found(state: list[Event], later: int) -> None:
    process = Process()
    first = process.joined(0)
    for each in (keyed(1, "a"), keyed(2, "b"), keyed(3, "a"), keyed(4, "b"))[: 3 + later]:
        first.received(each, 40)
    join(process.client(), 3, state=state)
    assert process.notes.kinds == ["wrong_state"]


def test_a_right_state_is_never_reported_wherever_the_client_joins() -> None:
    process = Process()
    first = process.joined(0)
    for each in (keyed(1, "a"), keyed(2, "b"), keyed(3, "a"), keyed(4, "b", None)):
        first.received(each, 40)
    states = {0: [], 1: [keyed(1, "a")], 3: [keyed(2, "b"), keyed(3, "a")], 4: [keyed(3, "a")], 6: [keyed(3, "a")]}
    for head, state in states.items():
        join(process.client(), head, state=state)
    first.received(keyed(7, "c", prev=4), 40)
    assert process.notes.kinds == []


def test_a_join_ahead_of_all_events_is_judged_by_the_next_one() -> None:
    process = Process()
    first = process.joined(0)
    first.received(keyed(1, "a"), 40)
    join(process.client(), 5, state=[])
    assert process.notes.kinds == []
    first.received(keyed(6, "a", prev=1), 40)
    assert process.notes.kinds == ["wrong_state"]


# Latency.


def test_a_publish_time_in_the_data_counts_before_the_timestamp() -> None:
    meter = LatencyMeter("sent_ns")
    sent = event(1, data={"sent_ns": 1_000_000_000})
    assert meter.latency_ms(sent, 1_002_500_000) == 2.5
    assert meter.latency_ms(event(1, data={}), round(NOW_MS) * 1_000_000) == 5.0


def test_events_from_the_future_count_as_zero_and_prove_a_skew() -> None:
    meter = LatencyMeter()
    assert meter.latency_ms(event(1), (round(NOW_MS) - 30) * 1_000_000) == 0.0
    assert (meter.early_count, meter.early_ms_max) == (1, 25.0)
