"""The session's decisions, one by one: what each code leads to, when it tries again, and what it asks for."""

import math
import re
from collections.abc import Iterable
from enum import Enum

import pytest

from sdk.scripted_server import event
from sdk.sessions import new_session, open_again, open_session, receive, sent
from touchline.client import connect
from touchline.errors import AlreadySubscribed, ConnectionRefused, Unreachable
from touchline.session import room, states
from touchline.session.items import Event, Gap, Joined, Skipped
from touchline.session.reconnect import DELAY_S_MIN, RETRY_AFTER_S_MAX, STABLE_S, Backoff, Reconnect
from touchline.session.session import Session
from touchline.session.states import State
from touchline.session.view import View
from touchline_protocol.codecs import JSON
from touchline_protocol.codes import CLOSES, ERRORS, Recovery
from touchline_protocol.cursor import Cursor
from touchline_protocol.messages import (
    Beat,
    Error,
    Goaway,
    Limits,
    RoomRequest,
    Subscribe,
    Subscribed,
    Unsubscribe,
)
from touchline_protocol.messages import Skipped as SkippedMessage


def joined(client: Session, name: str = "score:1", head: int = 0) -> room.Room:
    followed = client.subscribe(name)
    (subscribe,) = sent(client)
    assert isinstance(subscribe, Subscribe)
    receive(client, Subscribed(room=name, epoch="e", head=head, recovered=False, id=subscribe.id))
    return followed


def rows(text: str | None, states: Iterable[str]) -> set[tuple[str, str]]:
    """The rows of a docstring's table, as (from, to)."""
    names = "|".join(states)
    return set(re.findall(rf"^    ({names})\b.*?\b({names})\b", text or "", re.MULTILINE))


@pytest.mark.parametrize(
    ("text", "transitions"),
    [(states.__doc__, states.TRANSITIONS), (room.__doc__, room.TRANSITIONS)],
    ids=["session", "room"],
)
def test_the_table_in_the_docstring_matches_the_code(text: str, transitions: dict[tuple[Enum, Enum], Enum]) -> None:
    states = {before.name for before, _ in transitions}
    ends = {"CLOSED"}
    drawn = {row for row in rows(text, states) if row[1] not in ends}
    assert drawn == {(before.name, after.name) for (before, _), after in transitions.items() if after.name not in ends}


@pytest.mark.parametrize("code", CLOSES.values(), ids=lambda code: code.name)
def test_every_close_code_is_handled_as_the_table_says(code: object) -> None:
    close = next(known for known in CLOSES.values() if known is code)
    client = open_session()
    client.disconnected(0, close.code, "")
    if close.recovery is Recovery.GIVE_UP:
        assert client.state is State.CLOSED
        assert isinstance(client.failure, ConnectionRefused)
        assert client.failure.code == close.code
    else:
        assert (client.state, client.failure) == (State.WAITING, None)


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_code_of_a_room_is_handled_as_the_table_says(code: str) -> None:
    client = open_session()
    followed = client.subscribe("score:1")
    (subscribe,) = sent(client)
    assert isinstance(subscribe, Subscribe)
    receive(client, Error(code=code, message="no", room="score:1", id=subscribe.id))
    if ERRORS[code].recovery is Recovery.GIVE_UP:
        assert (followed.phase, client.rooms) == (room.Phase.CLOSED, {})
    else:
        assert followed.phase is room.Phase.WAITING
        client.tick(0.99)
        assert sent(client) == []
        client.tick(1.0)
        assert isinstance(sent(client)[0], Subscribe)


def test_an_error_about_an_older_subscribe_is_ignored() -> None:
    client = open_session()
    followed = joined(client)
    receive(client, Error(code="unavailable", message="no", room="score:1", id=77))
    assert followed.phase is room.Phase.JOINED


def test_a_joined_room_that_the_server_removes_the_client_from_is_refused_or_asked_for_again() -> None:
    client = open_session()
    followed = joined(client)
    receive(client, Error(code="unavailable", message="no", room="score:1"))
    assert followed.phase is room.Phase.WAITING
    client.tick(1.0)
    assert isinstance(sent(client)[0], Subscribe)
    receive(client, Error(code="forbidden", message="no", room="score:1"))
    assert followed.on_server  # it is about the time before
    joined_again = Subscribed(room="score:1", epoch="e", head=0, recovered=True, id=followed.request_id)
    receive(client, joined_again)
    receive(client, Error(code="forbidden", message="no", room="score:1"))
    assert (followed.phase, client.rooms) == (room.Phase.CLOSED, {})


def test_a_gap_that_occurs_again_makes_the_room_start_over_and_say_so() -> None:
    client = open_session()
    joined(client)
    assert receive(client, event(5, prev=4)) == [Gap(prev=4, seen=0)]
    leave, again = sent(client)
    assert (leave, isinstance(again, Subscribe)) == (Unsubscribe(rooms=["score:1"]), True)
    assert isinstance(again, Subscribe)
    assert receive(client, event(6, prev=5)) == []  # from the subscription that was left
    receive(client, Subscribed(room="score:1", epoch="e", head=6, recovered=True, id=again.id))
    assert receive(client, event(5, prev=4)) == [Gap(prev=4, seen=0)]
    _, fresh = sent(client)
    assert isinstance(fresh, Subscribe)
    assert fresh.rooms == [RoomRequest(room="score:1")]
    (item,) = receive(client, Subscribed(room="score:1", epoch="e", head=6, recovered=False, id=fresh.id))
    assert isinstance(item, Joined)
    assert item.restarted


def test_skipped_events_leave_no_gap_but_resuming_starts_at_the_last_event() -> None:
    client = open_session()
    joined(client)
    items = receive(client, SkippedMessage(room="score:1", from_=1, to=4, count=3), event(2, prev=1))
    assert [type(item) for item in items] == [Skipped, Event]
    client.disconnected(0, 1006, "")
    client.tick(1)
    open_again(client, 1)
    (subscribe,) = sent(client)
    assert isinstance(subscribe, Subscribe)
    assert subscribe.rooms == [RoomRequest(room="score:1", epoch="e", after=2, ts=2)]
    receive(client, Subscribed(room="score:1", epoch="e", head=9, recovered=True, id=subscribe.id))
    assert receive(client, event(5, prev=4)) == [Gap(prev=4, seen=2)]  # the server has not said so on this connection


def test_recent_events_come_before_live_ones_and_do_not_change_the_state() -> None:
    client = open_session()
    client.subscribe("score:1", last=2)
    (subscribe,) = sent(client)
    assert isinstance(subscribe, Subscribe)
    newest = event(8, key="score")
    items = receive(
        client,
        Subscribed(
            room="score:1", epoch="e", head=9, recovered=False, state=[newest],
            recent=[event(7, key="score"), newest], id=subscribe.id,
        ),
    )  # fmt: skip
    view = View(None)
    cursors = []
    for item in items:
        view.apply(item)
        cursors.append(view.cursor)
        assert view.state["score"].offset == 8
    assert cursors == [Cursor("e", 6), Cursor("e", 7, 7), Cursor("e", 9, 8)]


def test_the_waits_double_up_to_their_bound_and_start_again_after_a_connection_that_lasted() -> None:
    client = new_session(retry_first=True)
    now_s, waits = 0.0, []
    for _ in range(5):
        client.connect_failed(now_s, Unreachable("no"))
        assert client.deadline is not None
        waits.append(client.deadline - now_s)
        now_s = client.deadline
        client.tick(now_s)
    assert waits == [1, 2, 4, 8, 8]
    open_again(client, now_s)
    client.disconnected(now_s + STABLE_S, 1006, "")
    assert client.deadline == now_s + STABLE_S + 1


def test_a_wait_is_never_shorter_than_the_server_asks_for_and_has_a_bound_of_its_own() -> None:
    client = new_session(retry_first=True)
    now_s, waits = 0.0, []
    for asked_s in (5.0, 0.0, 2.0, 5.0, 1e9):
        client.connect_failed(now_s, Unreachable("later", asked_s))
        assert client.deadline is not None
        waits.append(client.deadline - now_s)
        now_s = client.deadline
        client.tick(now_s)
    assert waits == [5, 2, 4, 8, RETRY_AFTER_S_MAX]


def test_the_jitter_covers_the_whole_wait() -> None:
    assert [Backoff(1, 8).delay_s(attempt, 0.25) for attempt in (0, 2, 5)] == [0.25, 1, 2]


def test_no_backoff_makes_more_than_100_attempts_a_second() -> None:
    reconnect = Reconnect(Backoff(0.001, 0.001), lambda: 0.0)
    for now_s in range(3):
        reconnect.schedule(now_s)
        assert reconnect.at == now_s + DELAY_S_MIN


@pytest.mark.parametrize("bound_s", [-1, 0, math.nan, math.inf])
def test_a_backoff_without_a_wait_or_an_end_is_refused(bound_s: float) -> None:
    for backoff in (Backoff(base_s=bound_s), Backoff(max_s=bound_s)):
        with pytest.raises(ValueError, match=f"={bound_s}"):
            connect("ws://127.0.0.1/ws", backoff=backoff)


@pytest.mark.parametrize("name", ["events_buffer_max", "buffer_bytes_max", "actions_buffer_max"])
@pytest.mark.parametrize("limit", [0, math.nan])
def test_a_buffer_holds_something(name: str, limit: float) -> None:
    with pytest.raises(ValueError, match=name):
        connect("ws://127.0.0.1/ws", **{name: limit})  # type: ignore[arg-type]


def test_silence_counts_from_the_last_message_but_not_while_the_driver_is_paused() -> None:
    client = open_session()
    assert client.deadline == 2
    receive(client, Goaway(reconnect_ms=60_000, reason="drain"), now_s=1)
    assert client.deadline == 3
    client.pause()
    client.tick(50)
    assert client.state is State.LEAVING
    client.resume(50)
    assert client.deadline == 52
    client.tick(52)
    assert (client.state, client.deadline) == (State.WAITING, 61)


def test_before_the_first_welcome_the_user_decides() -> None:
    client = new_session()
    client.connected(0)
    client.disconnected(0, 1006, "")
    assert isinstance(client.failure, Unreachable)


def test_a_subscribe_larger_than_the_server_accepts_is_split() -> None:
    client = open_session(limits=Limits(message_bytes_max=300, rooms_max=1000))
    names = [f"score:{number:050}" for number in range(250)]
    for name in names:
        client.subscribe(name)
    payloads = client.take_output()
    assert max(len(payload) for payload in payloads) <= 300
    asked = [JSON.decode_client(payload) for payload in payloads]
    assert [
        request.room for subscribe in asked if isinstance(subscribe, Subscribe) for request in subscribe.rooms
    ] == names


def test_a_room_is_followed_once_and_can_be_left_and_followed_again() -> None:
    client = open_session()
    followed = joined(client)
    with pytest.raises(AlreadySubscribed):
        client.subscribe("score:1")
    client.unsubscribe(followed)
    client.subscribe("score:1")
    leave, again = sent(client)
    assert leave == Unsubscribe(rooms=["score:1"])
    assert isinstance(again, Subscribe)
    assert receive(client, event(1)) == []  # still from the one that was left


def test_rooms_asked_for_too_often_are_asked_for_again_when_the_server_says_so() -> None:
    client = open_session()
    rooms = [client.subscribe(name) for name in ("score:1", "score:2")]
    (asked,) = sent(client)
    assert isinstance(asked, Subscribe)
    receive(client, Error(code="too_many_subscribes", message="later", id=asked.id, retry_ms=1_840))
    assert [followed.phase for followed in rooms] == [room.Phase.WAITING] * 2
    assert client.deadline == 1.84
    client.tick(1.83)
    assert sent(client) == []
    client.tick(1.84)
    (again,) = sent(client)
    assert isinstance(again, Subscribe)
    assert again.rooms == asked.rooms


def test_a_server_cannot_keep_a_room_waiting_for_longer_than_a_minute() -> None:
    client = open_session()
    client.subscribe("score:1")
    (asked,) = sent(client)
    assert isinstance(asked, Subscribe)
    receive(client, Error(code="too_many_subscribes", message="later", id=asked.id, retry_ms=10**9), Beat(), now_s=1)
    for now_s in range(2, 61):
        receive(client, Beat(), now_s=now_s)
        client.tick(now_s)
        assert sent(client) == []
    client.tick(61)
    assert len(sent(client)) == 1
