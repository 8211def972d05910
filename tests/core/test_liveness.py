"""What time does to clients, without waiting for it: heartbeats, late clients, missing hellos, slow ends."""

from collections import Counter
from operator import sub

import pytest

from support.core_edge import LIVENESS, CoreClient, CoreEdge, record
from touchline_protocol import codes
from touchline_protocol.messages import Beat, Event, Goaway, RoomRequest
from touchline_server.config.drain import RECONNECTS_PER_SECOND, drain_time_s
from touchline_server.config.values import milliseconds
from touchline_server.core.effects import AskLogEnd
from touchline_server.core.input_scheduler import STEP_MS
from touchline_server.core.liveness import LATE_PER_STEP, LATE_SHARE, LINGER_MS, TICK_MS
from touchline_server.core.write_scheduler import Budget

HEARTBEAT_MS = LIVENESS.heartbeat_ms
LAG_MS_MAX = LIVENESS.lag_ms_max


def pass_time(edge: CoreEdge, for_ms: int) -> None:
    for _ in range(for_ms // TICK_MS):
        for _ in range(TICK_MS // STEP_MS):
            edge.loop_ms += STEP_MS
            if edge.core.wants_step:
                edge.step()
        edge.tick()


def beats(client: CoreClient) -> int:
    return sum(isinstance(message, Beat) for message in client.take())


@pytest.mark.parametrize("connections", [1, 300])
def test_a_client_hears_something_at_least_once_per_heartbeat(connections: int) -> None:
    edge = CoreEdge()
    clients = [edge.client() for _ in range(connections)]
    for _ in range(5):
        for client in clients:
            client.take()
        pass_time(edge, HEARTBEAT_MS)
        assert all(1 <= beats(client) <= 2 for client in clients)


def test_beats_come_in_time_after_most_clients_left_at_once() -> None:
    edge = CoreEdge()
    client, *others = [edge.client() for _ in range(300)]
    pass_time(edge, HEARTBEAT_MS // 4)
    for other in others:
        other.leave()
    for _ in range(3):
        client.take()
        pass_time(edge, HEARTBEAT_MS)
        assert beats(client)


def test_a_client_that_gets_events_needs_no_beats() -> None:
    edge = CoreEdge()
    client = edge.client()
    client.join()
    for offset in range(20):
        edge.ingest(record(offset))
        edge.flush()
        pass_time(edge, HEARTBEAT_MS // 3)
    assert [type(message) for message in client.take()] == [Event] * 20


def test_a_client_that_waits_for_its_room_hears_no_beat_at_once() -> None:
    edge = CoreEdge()
    edge.loop_ms = 10 * HEARTBEAT_MS
    client = CoreClient(edge)
    assert edge.core.watch(client.client, RoomRequest(room="score:1"), edge.now) is None
    edge.tick()
    assert client.take() == []


def test_a_client_that_takes_nothing_for_too_long_is_closed() -> None:
    edge = CoreEdge()
    client = edge.client()
    client.join()
    client.pause()
    pass_time(edge, LAG_MS_MAX)
    assert client.close_code is None
    pass_time(edge, HEARTBEAT_MS)
    assert client.close_code is codes.TOO_SLOW
    assert edge.hub.rooms == {}


def test_a_client_that_takes_a_little_and_is_never_live_again_is_closed() -> None:
    edge = CoreEdge()
    client = edge.client()
    client.join()
    offset = 0
    client.pause()
    for _ in range(2 * LAG_MS_MAX // 1_000):
        for _ in range(3):
            edge.ingest(record(offset, value=b'"' + b"x" * 40_000 + b'"'))
            offset += 1
        client.resume()
        edge.turn(Budget(catch_up_steps=1))
        client.pause()
        pass_time(edge, 1_000)
    assert client.close_code is codes.TOO_SLOW


def test_a_client_that_has_caught_up_has_all_its_time_again() -> None:
    edge = CoreEdge()
    client = edge.client()
    client.join()
    for offset in range(10):
        client.pause()
        edge.ingest(record(offset))
        edge.flush()
        pass_time(edge, LAG_MS_MAX - HEARTBEAT_MS)
        client.resume()
        edge.run()
    assert client.close_code is None


@pytest.mark.parametrize("has_handshake", [True, False])
def test_a_stranger_without_a_hello_is_closed_and_then_cut(has_handshake: bool) -> None:
    edge = CoreEdge()
    stranger = CoreClient(edge)
    if not has_handshake:
        edge.core._liveness.clients[stranger] = None
    pass_time(edge, LIVENESS.handshake_ms - TICK_MS)
    assert stranger.close_code is None
    pass_time(edge, TICK_MS)
    assert stranger.close_code is codes.HELLO_TIMEOUT
    assert not stranger.aborted
    pass_time(edge, LINGER_MS)
    assert stranger.aborted


@pytest.mark.parametrize(("strangers", "ends_ms"), [(50, 200), (1_000, 1_000), (10_000, 9_000)])
def test_a_flood_of_strangers_is_ended_a_few_at_each_step_and_soon(strangers: int, ends_ms: int) -> None:
    edge = CoreEdge()
    flood = [CoreClient(edge) for _ in range(strangers)]
    pass_time(edge, LIVENESS.handshake_ms - TICK_MS)
    left = [strangers, strangers]  # to be closed, to be cut
    for _ in range((2 * ends_ms + LINGER_MS) // TICK_MS):
        pass_time(edge, TICK_MS)
        before = left
        left = [sum(each.close_code is None for each in flood), sum(not each.aborted for each in flood)]
        most = max(LATE_PER_STEP, strangers // LATE_SHARE)
        assert max(map(sub, before, left)) <= (1 + TICK_MS // STEP_MS) * most
    assert left == [0, 0]
    assert not edge.core.wants_step


def test_a_step_ends_few_connections() -> None:
    edge = CoreEdge()
    flood = [CoreClient(edge) for _ in range(20)]
    edge.loop_ms += LIVENESS.handshake_ms
    edge.tick()
    closed = [sum(each.close_code is not None for each in flood)]
    while edge.core.wants_step:
        edge.step()
        closed.append(sum(each.close_code is not None for each in flood))
    assert closed == [*range(LATE_PER_STEP, 20 + 1, LATE_PER_STEP)]


def test_drain_shares_are_spread_evenly_over_the_drain_time() -> None:
    edge = CoreEdge()
    clients = [edge.client() for _ in range(4)]
    for client in clients:
        client.take()
    edge.perform(edge.core.drain(2_000, edge.now))
    shares = []
    for client in clients:
        (goaway,) = client.take()
        assert isinstance(goaway, Goaway)
        shares.append(goaway.reconnect_ms)
    assert shares == [0, 500, 1_000, 1_500]
    edge.perform(edge.core.close_all(edge.now))
    assert {client.close_code for client in clients} == {codes.GOING_AWAY}


def test_a_stream_is_ended_when_its_share_of_the_drain_has_passed() -> None:
    edge = CoreEdge()
    clients = [edge.client() for _ in range(2)]
    streams = [CoreClient(edge) for _ in range(2)]
    for watching in streams:
        assert edge.core.watch(watching.client, RoomRequest(room="score:1"), edge.now) is None
    edge.run()
    edge.perform(edge.core.drain(2_000, edge.now))
    ends: dict[int, int] = {}
    for _ in range(2_000 // TICK_MS):
        ends |= {
            number: edge.loop_ms
            for number, watching in enumerate(streams)
            if watching.close_code is codes.GOING_AWAY and number not in ends
        }
        pass_time(edge, TICK_MS)
    assert ends == {0: 1_000, 1: 1_500}
    assert [client.close_code for client in clients] == [None, None]


def test_an_edge_sends_its_clients_to_another_no_faster_than_that_one_lets_them_in() -> None:
    edge = CoreEdge()
    clients = [edge.client() for _ in range(2 * RECONNECTS_PER_SECOND + 500)]
    for client in clients:
        client.take()
    drain_s = drain_time_s("auto", edge.core.connections)
    edge.perform(edge.core.drain(milliseconds(drain_s), edge.now))
    edge.run()
    arrivals = Counter(
        goaway.reconnect_ms // 100 for client in clients for goaway in client.take() if isinstance(goaway, Goaway)
    )
    assert max(arrivals.values()) <= RECONNECTS_PER_SECOND / 10 + 1
    assert len(arrivals) == pytest.approx(drain_s * 10, abs=1)


def test_a_client_that_waits_ahead_of_its_edge_is_not_late() -> None:
    edge = CoreEdge()
    edge.ingest(record(0))
    client = edge.client()
    client.subscribe(epoch="e1-0-0", after=50)
    (ask,) = edge.requests
    assert isinstance(ask, AskLogEnd)
    edge.perform(edge.core.log_end(ask.number, 60, edge.now))
    client.pause()
    client.resume()
    pass_time(edge, LAG_MS_MAX + HEARTBEAT_MS)
    assert client.close_code is None
