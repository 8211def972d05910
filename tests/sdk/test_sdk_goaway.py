"""A server sends its clients away: from when the delay counts, who closes, and what if nobody answers afterwards."""

import pytest

from sdk.sessions import (
    PLAYER,
    act,
    new_session,
    open_again,
    open_session,
    outcomes,
    player,
    receive,
    sent,
    sent_actions,
)
from touchline.errors import Unreachable
from touchline.session import items
from touchline.session.pending_action import Receipt
from touchline.session.states import State
from touchline_protocol.cursor import Cursor
from touchline_protocol.messages import Ack, Beat, Error, Event, Goaway, Subscribe, Subscribed, Unsubscribe

ARRIVAL_S = 10
HEARTBEAT_S = 1


def goaway(delay_s: float) -> Goaway:
    return Goaway(reconnect_ms=int(delay_s * 1000), reason="this edge is stopping")


def event(offset: int) -> Event:
    return Event(room="score:1", offset=offset, prev=None, ts=0, data=1)


def test_the_delay_counts_from_the_arrival_and_the_client_leaves_by_itself() -> None:
    client = open_session()
    receive(client, goaway(1.5), now_s=ARRIVAL_S)
    states = []
    for passed_s in (0, 1.4, 1.5):
        client.tick(ARRIVAL_S + passed_s)
        states.append(client.state)
    assert states == [State.LEAVING, State.LEAVING, State.CONNECTING]


def test_until_then_the_connection_works_as_before() -> None:
    client = player()
    receive(client, goaway(1.5), now_s=ARRIVAL_S)
    client.subscribe("score:1")
    act(client, "tap")
    messages = sent(client)
    (subscribe,) = [message for message in messages if isinstance(message, Subscribe)]
    assert len(messages) == 2
    joined = Subscribed(room="score:1", epoch="e", head=0, recovered=False, id=subscribe.id)
    assert len(receive(client, joined, event(1), Ack(id=1), now_s=ARRIVAL_S + 1)) == 2
    assert {kind: type(outcome) for kind, outcome in outcomes(client).items()} == {"tap": Receipt}


@pytest.mark.parametrize("code", [1001, 1006, 1011])
def test_a_connection_that_ends_earlier_does_not_bring_the_client_back_earlier(code: int) -> None:
    client = open_session()
    receive(client, goaway(5), now_s=ARRIVAL_S)
    client.disconnected(ARRIVAL_S + 1, code, "")
    assert (client.state, client.deadline) == (State.WAITING, ARRIVAL_S + 5)
    client.tick(ARRIVAL_S + 5)
    assert client.state is State.CONNECTING


def test_the_close_at_the_end_of_the_drain_adds_no_wait() -> None:
    client = open_session()
    receive(client, goaway(5), now_s=ARRIVAL_S)
    client.disconnected(ARRIVAL_S + 5.1, 1001, "")  # its loop was busy, and the server was faster
    client.tick(ARRIVAL_S + 5.1)
    assert client.state is State.CONNECTING


def test_a_single_server_that_restarts_is_tried_with_the_usual_backoff() -> None:
    client = open_session()
    receive(client, Beat(), goaway(0), now_s=ARRIVAL_S)
    now_s, waits = float(ARRIVAL_S), []
    client.tick(now_s)
    for _ in range(4):
        assert client.state is State.CONNECTING
        client.connect_failed(now_s, Unreachable("nobody listens"))
        assert client.deadline is not None
        waits.append(client.deadline - now_s)
        now_s = client.deadline
        client.tick(now_s)
    assert waits == [1, 2, 4, 8]
    open_again(client, now_s)
    assert client.state is State.OPEN


def test_the_newest_goaway_counts() -> None:
    client = open_session()
    receive(client, goaway(60), now_s=ARRIVAL_S)
    receive(client, goaway(0.5), now_s=ARRIVAL_S + 0.2)
    client.tick(ARRIVAL_S + 0.7)
    assert client.state is State.CONNECTING


def test_unanswered_actions_are_sent_again_to_the_next_server() -> None:
    client = player()
    act(client, "tap", "tap")
    assert [action[0] for action in sent_actions(client)] == [1, 2]
    receive(client, goaway(0), Ack(id=1), now_s=ARRIVAL_S)
    client.tick(ARRIVAL_S)
    client.connected(ARRIVAL_S)
    sent(client)
    receive(client, PLAYER, now_s=ARRIVAL_S)
    assert [action[0] for action in sent_actions(client)] == [2]


def test_instead_of_a_welcome_it_is_a_reason_to_wait() -> None:
    client = new_session(retry_first=True)
    client.connected(0)
    receive(client, goaway(3), now_s=0)
    assert (client.state, client.deadline) == (State.WAITING, 3)


def test_an_answer_to_an_older_request_leaves_the_room_as_it_is() -> None:
    client = open_session()
    client.subscribe("score:1")
    (subscribe,) = sent(client)
    assert isinstance(subscribe, Subscribe)
    receive(client, Subscribed(room="score:1", epoch="e", head=0, recovered=False, id=subscribe.id))
    for code in ("already_subscribed", "not_subscribed"):
        assert receive(client, Error(code=code, message="no", room="score:1", id=2**40)) == []
    (item,) = receive(client, event(1))
    assert isinstance(item, items.Event)


def test_a_room_that_is_left_before_its_answer_is_never_answered_and_can_be_joined_again() -> None:
    client = open_session()
    first = client.subscribe("score:1")
    sent(client)
    client.unsubscribe(first)
    second = client.subscribe("score:1")
    leave, join = sent(client)
    assert leave == Unsubscribe(rooms=["score:1"])
    assert isinstance(join, Subscribe)
    receive(client, Subscribed(room="score:1", epoch="e", head=7, recovered=False, id=join.id))
    assert second.cursor == Cursor("e", 7)
