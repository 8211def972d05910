"""How clients are sent away: each once, evenly over the drain, however many there are, and whenever they came."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from support.core_edge import CoreClient, CoreEdge, record
from touchline_protocol import codes
from touchline_protocol.messages import Beat, Event, Goaway, RoomRequest, Subscribe, Welcome
from touchline_server.core.drain import TOLD_PER_TURN
from touchline_server.core.liveness import TICK_MS


def goaways(client: CoreClient) -> list[int]:
    """When the client was asked to leave, by each goaway since the last call."""
    return [message.reconnect_ms for message in client.take() if isinstance(message, Goaway)]


@given(clients=st.integers(1, 3 * TOLD_PER_TURN), drain_ms=st.integers(2_000, 20_000), turn_ms=st.integers(0, 20))
def test_everybody_is_told_once_and_leaves_evenly_over_the_drain(clients: int, drain_ms: int, turn_ms: int) -> None:
    edge = CoreEdge()
    everybody = [edge.client() for _ in range(clients)]
    for client in everybody:
        client.take()
    began_ms = edge.loop_ms
    edge.perform(edge.core.drain(drain_ms, edge.now))
    leaves: list[int] = []
    while len(leaves) < clients:
        told = [edge.loop_ms - began_ms + delay for client in everybody for delay in goaways(client)]
        assert told, "a turn tells somebody, or there is no turn to be taken"
        leaves += told
        edge.loop_ms += turn_ms
        edge.turn()
    edge.run()
    assert not any(goaways(client) for client in everybody)
    assert all(0 <= leave < drain_ms + turn_ms for leave in leaves)
    in_each_tenth = Counter(min(9, leave * 10 // drain_ms) for leave in leaves)
    late = turn_ms * (1 + clients // TOLD_PER_TURN)  # what had passed before the first could be told
    assert max(in_each_tenth.values()) <= clients * (0.1 + late / drain_ms) + 2


def test_telling_thousands_delays_no_event_by_more_than_a_slice() -> None:
    edge = CoreEdge()
    everybody = [edge.client() for _ in range(10 * TOLD_PER_TURN)]
    watching = everybody[-1]
    watching.send(Subscribe(rooms=[RoomRequest(room="score:1")]))
    edge.run()
    for client in everybody:
        client.take()
    edge.perform(edge.core.drain(10_000, edge.now))
    assert sum(len(goaways(client)) for client in everybody) == TOLD_PER_TURN
    edge.ingest(record(0))
    edge.flush()
    assert [type(message) for message in watching.take()] == [Event]


@given(st.lists(st.integers(0, 2_000), min_size=1, max_size=30))
def test_a_client_in_the_middle_of_its_handshake_is_let_in_and_given_a_moment_of_its_own(after_ms: list[int]) -> None:
    edge = CoreEdge()
    strangers = [CoreClient(edge) for _ in after_ms]
    edge.perform(edge.core.drain(2_000, edge.now))
    leaves: list[int] = []
    for stranger, at_ms in zip(strangers, sorted(after_ms), strict=True):
        edge.loop_ms = at_ms
        stranger.greet()
        welcome, goaway = stranger.take()
        assert isinstance(welcome, Welcome)
        assert isinstance(goaway, Goaway)
        assert 0 <= goaway.reconnect_ms <= 2_000 - at_ms
        leaves.append(at_ms + goaway.reconnect_ms)
        stranger.greet()  # a mistake, which changes nothing
        assert not goaways(stranger)
    edge.run()
    if len(set(after_ms)) == 1 and after_ms[0] < 1_000 and len(leaves) >= 10:
        in_halves = Counter(leave >= (after_ms[0] + 2_000) / 2 for leave in leaves)
        assert max(in_halves.values()) <= 0.7 * len(leaves)


def test_a_client_that_left_before_it_could_be_told_is_not_written_to() -> None:
    edge = CoreEdge()
    everybody = [edge.client() for _ in range(TOLD_PER_TURN + 2)]
    for client in everybody:
        client.take()
    edge.perform(edge.core.drain(10_000, edge.now))
    gone = everybody[-1]
    edge.core.left(gone.client, edge.now)
    edge.run()
    assert goaways(gone) == []
    assert len(goaways(everybody[-2])) == 1


def test_an_announced_drain_changes_nothing_for_clients() -> None:
    edge = CoreEdge()
    before = edge.client()
    edge.core.announce_drain()
    assert edge.core.takes_clients
    after = edge.client()
    for _ in range(3):
        edge.loop_ms += TICK_MS
        edge.tick()
    assert {type(message) for client in (before, after) for message in client.take()} <= {Welcome, Beat}
    assert before.close_code is after.close_code is None
    edge.perform(edge.core.drain(1_000, edge.now))
    assert not edge.core.takes_clients
    assert len(goaways(before)) == len(goaways(after)) == 1
    edge.perform(edge.core.close_all(edge.now))
    assert before.close_code is after.close_code is codes.GOING_AWAY
