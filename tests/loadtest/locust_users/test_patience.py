"""What users report that does not happen: answers, and the events that others receive."""

import msgspec
import pytest

from support.observed_process import NOW_MS, ROOM, Process, event, join
from touchline_loadtest.locust.observe.observer import Observer
from touchline_loadtest.locust.observe.patience import Patience
from touchline_protocol.codes import ABNORMAL, UNAVAILABLE
from touchline_protocol.messages import Ack, Action, Error, Hello, Nack, RoomRequest, Subscribe

LIMIT_S = 10.0
LATER_S = 1.2 + LIMIT_S + 1


def look(process: Process, now_s: float, *observers: Observer, patience: Patience | None = None) -> list[Observer]:
    """Look at the clock, and report what nothing explains."""
    given_up = (patience or Patience()).look(observers, now_s)
    process.surprises.judge(NOW_MS)
    return given_up


def ask(observer: Observer) -> None:
    observer.sent(Subscribe([RoomRequest(ROOM)], 1))


def unavailable(observer: Observer) -> None:
    observer.received(Error(UNAVAILABLE.code, "not now", room=ROOM, id=1), 40)


def test_a_server_that_does_not_answer_hello_is_reported_once() -> None:
    process = Process()
    observer = process.observer(answer_s_max=LIMIT_S)
    observer.connecting(1.0)
    observer.connected(1.2)
    observer.sent(Hello())
    assert look(process, 1.2 + LIMIT_S, observer) == []
    assert look(process, LATER_S, observer) == [observer]
    assert look(process, LATER_S + 60, observer) == []
    assert process.notes.kinds == ["no_welcome"]


def test_a_connection_that_ends_without_an_answer_to_hello_is_reported_as_that() -> None:
    process = Process()
    observer = process.observer()
    observer.connecting(1.0)
    observer.connected(1.2)
    observer.closed(ABNORMAL.code, by_us=False)
    look(process, 2.0)
    process.surprises.judge(float("inf"))
    assert process.notes.kinds == ["no_welcome"]


@pytest.mark.parametrize("says_unavailable", [False, True])
def test_a_room_that_nobody_is_let_into_is_reported_once(says_unavailable: bool) -> None:
    process = Process()
    observer = process.client(answer_s_max=LIMIT_S)
    ask(observer)
    if says_unavailable:
        unavailable(observer)
        observer.asking(LATER_S - 1)
        ask(observer)
    assert look(process, LATER_S, observer) == [observer]
    assert look(process, LATER_S + 60, observer) == []
    assert [(breach.kind, breach.room) for breach in process.notes.breaches] == [("never_joined", ROOM)]


def test_nothing_is_awaited_of_a_server_that_has_answered_or_is_gone() -> None:
    process = Process()
    joined = process.joined(answer_s_max=LIMIT_S)
    refused, cut, left = (process.client(answer_s_max=LIMIT_S) for _ in range(3))
    for observer in (refused, cut, left):
        ask(observer)
    refused.received(Error("not_permitted", "no", room=ROOM, id=1), 40)
    cut.closed(ABNORMAL.code, by_us=True)
    left.closed(1000, by_us=True)
    assert look(process, LATER_S, joined, refused, cut, left) == []
    assert process.notes.kinds == ["refused"]


def test_actions_that_nobody_answers_are_reported() -> None:
    process = Process()
    silent, slow = (process.joined(answer_s_max=LIMIT_S) for _ in range(2))
    for observer in (silent, slow):
        observer.asking(2.0)
        observer.sent(Action(1, ROOM, "tap", msgspec.Raw(b"null")))
        observer.sent(Action(2, ROOM, "tap", msgspec.Raw(b"null")))
    slow.arrived(2.0 + LIMIT_S, round(NOW_MS * 1e6))
    slow.received(Nack(1, "rate_limited", "later", retry_ms=1000), 40)  # it lets actions wait, and says so
    assert look(process, 2.5 + LIMIT_S, silent, slow) == [silent]
    slow.arrived(3.0 + LIMIT_S, round(NOW_MS * 1e6))
    slow.received(Ack(1), 40)
    slow.received(Ack(2), 40)
    assert look(process, 100.0, slow) == []
    assert process.notes.kinds == ["no_ack"]


def test_a_client_that_joins_a_quiet_room_later_does_not_show_that_others_are_behind() -> None:
    """Its head is where the partition is: the records since the room's newest event are those of other rooms."""
    process, patience = Process(), Patience()
    early = process.joined(answer_s_max=LIMIT_S)
    late = process.joined(1_000, answer_s_max=LIMIT_S)
    for second in range(60):
        look(process, 2.0 + second, early, late, patience=patience)
    assert process.notes.kinds == []


def test_a_client_that_stays_behind_the_others_is_reported_once_until_it_moves() -> None:
    process, patience = Process(), Patience()
    ahead, behind = (process.joined(answer_s_max=LIMIT_S) for _ in range(2))
    kinds = []
    for second in range(60):
        if second < 15 or second >= 40:
            ahead.received(event(ahead_of(ahead) + 1), 40)
        if second in (30, 31):
            behind.received(event(ahead_of(behind) + 1), 40)
        look(process, 2.0 + second, ahead, behind, patience=patience)
        kinds.append(process.notes.kinds.copy())
    assert kinds[9] == []
    assert kinds[20] == kinds[29] == ["stalled"]
    assert kinds[59] == ["stalled"] * 3
    assert {(breach.room, breach.client) for breach in process.notes.breaches} == {(ROOM, "ada")}


def ahead_of(observer: Observer) -> int:
    return next(observer.places()).covered


def test_nobody_is_behind_in_a_quiet_room_after_a_late_join_or_while_reading_slowly() -> None:
    process, patience = Process(), Patience()
    ahead = process.joined(answer_s_max=LIMIT_S)
    slow = process.joined(answer_s_max=LIMIT_S, slow_reader=True)
    late = process.client(answer_s_max=LIMIT_S)
    for second in range(40):
        if second < 20:
            ahead.received(event(second + 1), 40)
        if second == 25:
            late.arrived(2.0 + second, round(NOW_MS * 1e6))
            join(late, 5)
        if second == 30:
            for offset in range(6, 21):
                late.received(event(offset), 40)
        look(process, 2.0 + second, ahead, slow, late, patience=patience)
    assert process.notes.kinds == []


def test_a_fault_explains_that_nothing_comes() -> None:
    process = Process()
    observer = process.client(answer_s_max=LIMIT_S)
    ask(observer)
    process.surprises.fault(NOW_MS - LIMIT_S * 1000, NOW_MS)
    assert look(process, LATER_S, observer) == [observer]
    assert process.notes.kinds == []
