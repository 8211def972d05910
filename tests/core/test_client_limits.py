"""What a client may send how often, and what it is answered beyond that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.core_edge import CLIENT, CoreClient, CoreEdge
from touchline_protocol import codes
from touchline_protocol.messages import (
    Action,
    ClientMessage,
    Error,
    Hello,
    Nack,
    Refresh,
    RoomRequest,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
)
from touchline_server.core.clients.limits import RateLimits
from touchline_server.core.clocks import LoopMs
from touchline_server.core.rate import Rate


def edge_with(**rates: Rate) -> CoreEdge:
    generous = Rate(per_second_max=1_000, burst=1_000)
    limits = RateLimits(generous, generous, generous, generous, CLIENT.rates.messages, CLIENT.rates.payload_bytes)
    limits = limits._replace(**rates)
    return CoreEdge(client=CLIENT._replace(rates=limits))


def rooms(*numbers: int) -> list[RoomRequest]:
    return [RoomRequest(room=f"score:{number}") for number in numbers]


def errors(client: CoreClient) -> list[Error]:
    return [message for message in client.take() if isinstance(message, Error)]


def test_rooms_beyond_the_rate_are_refused_with_the_time_when_they_will_be_taken() -> None:
    edge = edge_with(subscribes=Rate(per_second_max=2, burst=5))
    client = edge.client()
    client.send(Subscribe(rooms=rooms(1, 2, 3)), Subscribe(rooms=rooms(4, 5, 6, 7), id=8))
    edge.run()
    (error,) = errors(client)
    assert (error.code, error.room, error.id) == (codes.TOO_MANY_SUBSCRIBES.code, None, 8)
    assert error.retry_ms is not None
    assert set(client.client.subscriptions) == {"score:1", "score:2", "score:3"}
    edge.loop_ms += error.retry_ms - 2
    client.send(Subscribe(rooms=rooms(4, 5, 6, 7)))
    assert [error.code for error in errors(client)] == [codes.TOO_MANY_SUBSCRIBES.code]
    edge.loop_ms += 2
    client.send(Subscribe(rooms=rooms(4, 5, 6, 7)))
    edge.run()
    assert [type(message) for message in client.take()] == [Subscribed] * 4


def test_leaving_rooms_is_never_refused() -> None:
    edge = edge_with(subscribes=Rate(per_second_max=1, burst=3))
    client = edge.client()
    client.send(Subscribe(rooms=rooms(1, 2, 3)))
    edge.run()
    client.take()
    client.send(Unsubscribe(rooms=["score:1", "score:2", "score:3"]))
    assert [type(message) for message in client.take()] == [Unsubscribed] * 3


def test_tokens_beyond_the_rate_are_not_looked_at() -> None:
    edge = edge_with(refreshes=Rate(per_second_max=0.5, burst=2))
    client = edge.client()
    client.take()
    client.send(*(Refresh(token="no token", id=number) for number in range(4)))
    answers = [(error.code, error.id, error.retry_ms) for error in errors(client)]
    assert [answer[:2] for answer in answers[2:]] == [(codes.TOO_MANY_REFRESHES.code, number) for number in (2, 3)]
    edge.loop_ms += answers[3][2] or 0
    client.send(Refresh(token="no token", id=9))
    assert [error.code for error in errors(client)] == [answers[0][0]]


def test_pings_and_pongs_beyond_the_rate_close_the_connection() -> None:
    edge = edge_with(pings=Rate(per_second_max=1, burst=3))
    client = edge.client()
    for _ in range(3):
        edge.perform(edge.core.control_frame_received(client.client, edge.now))
    edge.loop_ms += 1_000
    edge.perform(edge.core.control_frame_received(client.client, edge.now))
    assert client.close_code is None
    edge.perform(edge.core.control_frame_received(client.client, edge.now))
    assert client.close_code is codes.TOO_MANY_PINGS


@given(
    st.lists(
        st.sampled_from(
            [
                Hello(),
                Unsubscribe(rooms=["score:1"]),
                Subscribe(rooms=[RoomRequest(room="nowhere")]),
                Action(id=1, room="score:1", kind="tap"),
                Refresh(token="x"),
            ]
        ),
        min_size=10,
        max_size=30,
    )
)
def test_whatever_is_refused_the_answers_come_to_an_end(messages: list[ClientMessage]) -> None:
    edge = edge_with(refusals=Rate(per_second_max=1, burst=9), refreshes=Rate(per_second_max=1, burst=1))
    client = edge.client()
    client.take()
    client.send(*messages)
    assert client.close_code is codes.TOO_MANY_ERRORS
    refusals = client.take()
    assert len(refusals) == 10
    assert all(isinstance(refusal, Error | Nack) for refusal in refusals)


@given(
    st.floats(0.1, 1_000),
    st.integers(1, 100),
    st.lists(st.tuples(st.integers(1, 100), st.integers(0, 5_000)), max_size=30),
)
def test_a_rate_is_never_exceeded_and_what_waits_as_long_as_it_is_told_is_taken(
    per_second_max: float, burst: int, requests: list[tuple[int, int]]
) -> None:
    rate, full_ms, now_ms, taken = Rate(per_second_max=per_second_max, burst=burst), 0.0, LoopMs(0), 0
    for count, later_ms in requests:
        now_ms = LoopMs(now_ms + later_ms)
        full_ms, wait_ms = rate.take(full_ms, count, now_ms)
        if wait_ms and count <= burst:
            now_ms = LoopMs(now_ms + wait_ms)
            full_ms, wait_ms = rate.take(full_ms, count, now_ms)
            assert not wait_ms
        taken += 0 if wait_ms else count
        assert taken <= burst + per_second_max * now_ms / 1_000 + 1e-6


@pytest.mark.parametrize(
    ("rates", "code"),
    [
        ({"messages": Rate(per_second_max=1, burst=5)}, codes.TOO_MANY_MESSAGES),
        ({"payload_bytes": Rate(per_second_max=1, burst=500)}, codes.TOO_MANY_BYTES),
    ],
)
def test_a_client_that_sends_far_too_much_is_closed_and_its_message_not_served(
    rates: dict[str, Rate], code: codes.CloseCode
) -> None:
    edge = edge_with(**rates)
    client = edge.client()
    for number in range(10):
        client.send(Subscribe(rooms=[RoomRequest(room=f"score:{'x' * 100}{number}")]))
        edge.run()
    assert client.close_code is code
    assert edge.hub.rooms == {} or all(not room.members for room in edge.hub.rooms.values())
    assert 3 <= len([each for each in client.take() if isinstance(each, Subscribed)]) <= 5
