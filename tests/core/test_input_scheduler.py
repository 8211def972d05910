"""Input is served in turns: whatever one client sends, the others are answered after a bounded number of turns."""

from collections import Counter, deque
from collections.abc import Sequence
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.core_edge import CLIENT, RATES, CoreClient, CoreEdge, record
from touchline_protocol.messages import Action, ClientMessage, Error, Refresh, RoomRequest, Subscribe, Unsubscribe
from touchline_server.core.clocks import LoopMs
from touchline_server.core.input_scheduler import CALM_UNITS, DECAY_MS, SLOW_READS_PER_STEP, InputBudget, InputScheduler
from touchline_server.core.rate import Rate

TURN, SHARE = 8, 3
LARGEST = 205
"""The work of a message that names a hundred rooms, each of which is refused."""
ROOMS = [f"score:{number}" for number in range(20)]
NO_RATES = type(RATES)(*(Rate(per_second_max=1, burst=1_000_000) for _ in RATES))

FLOODS: dict[str, Sequence[ClientMessage]] = {
    "joins and leaves": [Subscribe(rooms=[RoomRequest(room=room) for room in ROOMS]), Unsubscribe(rooms=ROOMS)],
    "rooms that it is not in": [Unsubscribe(rooms=ROOMS * 5)],
    "refused actions": [Action(id=1, room="score:1", kind="tap")],
    "refreshes": [Refresh(token="no token")],
}


def flooded_edge(messages: Sequence[ClientMessage], flooders: int) -> tuple[CoreEdge, list[CoreClient]]:
    edge = CoreEdge(client=CLIENT._replace(rates=NO_RATES), input_budget=InputBudget(TURN, TURN, TURN, TURN, SHARE))
    clients = [edge.client() for _ in range(flooders)]
    for client in clients:
        client.take()
        client.flood(*list(messages) * 200)
    return edge, clients


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
@pytest.mark.parametrize("flooders", [1, 20])
def test_an_honest_client_is_answered_within_a_number_of_turns_that_the_flooders_decide(
    flood: Sequence[ClientMessage], flooders: int
) -> None:
    edge, clients = flooded_edge(flood, flooders)
    honest = edge.client()
    edge.turn()
    honest.take()
    honest.flood(Unsubscribe(rooms=["score:1"], id=7))
    turns = 0
    while not (answers := honest.take()):
        edge.turn()
        edge.step()
        turns += 1
    assert isinstance(answers[0], Error)
    assert answers[0].id == 7
    assert turns <= 1 + (flooders + 1) * (SHARE + LARGEST) / TURN
    assert all(client.unserved for client in clients)


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
@pytest.mark.parametrize("flooders", [1, 20])
def test_a_client_that_sends_little_is_answered_in_the_next_turn_however_many_flood(
    flood: Sequence[ClientMessage], flooders: int
) -> None:
    edge, clients = flooded_edge(flood, flooders)
    sent = 200 * len(flood)
    honest = edge.client()
    while any(sent - len(client.unserved) <= CALM_UNITS for client in clients):
        edge.turn()
        edge.step()
    honest.take()
    for number in range(5):
        edge.turn()
        honest.flood(Unsubscribe(rooms=["score:1"], id=number))
        edge.turn()
        (answer,) = honest.take()
        assert isinstance(answer, Error)
        assert answer.id == number
    assert all(client.unserved for client in clients)


def test_newcomers_delay_each_other_and_nobody_who_is_there_already() -> None:
    turns: InputScheduler[str] = InputScheduler(InputBudget(calm=1, newcomers=1, busy=1, beside_flush=1, connection=10))
    calm = []
    for second in range(4):
        turns.accepted(f"came in {second}")
        turns.spend(f"came in {second}", 10)
        list(turns.take_turn(beside_flush=False))
        calm.append([name for name in ("there before", "came in 0", "came in 1") if turns.may_serve(name)])
        turns.tick(LoopMs((second + 1) * DECAY_MS))
    there = "there before"
    assert calm == [[there, "came in 1"], [there], [there, "came in 0"], [there, "came in 0", "came in 1"]]


def test_a_client_that_has_flooded_is_calm_again_after_some_seconds() -> None:
    turns: InputScheduler[str] = InputScheduler(
        InputBudget(calm=CALM_UNITS, newcomers=1, busy=1, beside_flush=1, connection=10)
    )
    calm_at = []
    for second in range(1, 10):
        for name in ("floods", "flooded") if second == 1 else ("floods",):
            turns.spend(name, 2 * CALM_UNITS)
            turns.spend(name, 5 * CALM_UNITS)
        for _ in range(10):
            assert not list(turns.take_turn(beside_flush=False))
            assert not list(turns.take_step(beside_flush=False))
        assert not turns.may_serve("floods")
        if turns.may_serve("flooded"):
            calm_at.append(second)
        turns.tick(LoopMs(second * DECAY_MS))
    assert calm_at == [4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_a_flood_is_answered_in_order_to_its_last_message(flood: Sequence[ClientMessage]) -> None:
    edge, (client,) = flooded_edge(flood, 1)
    client.flood(Unsubscribe(rooms=["score:x"], id=9))
    edge.run()
    *_, last = client.take()
    assert isinstance(last, Error)
    assert last.id == 9
    assert not client.unserved


def test_events_go_out_in_every_turn_of_a_flood() -> None:
    edge, _ = flooded_edge(FLOODS["rooms that it is not in"], 20)
    watcher = edge.client()
    watcher.join()
    for offset in range(10):
        watcher.take()
        edge.ingest(record(offset))
        edge.flush()
        assert [getattr(message, "offset", None) for message in watcher.take()] == [offset]
        edge.turn()


class Sender:
    """A connection with input of given works, as a shell serves it."""

    def __init__(self, turns: InputScheduler["Sender"], works: Sequence[int]) -> None:
        self.turns = turns
        self.works = deque(works)

    def serve(self) -> int:
        served = 0
        while self.works:
            if not self.turns.may_serve(self):
                self.turns.wait(self)
                break
            work = self.works.popleft()
            self.turns.spend(self, work)
            served += work
        return served


@given(
    st.lists(st.lists(st.integers(1, 100), max_size=30), min_size=1, max_size=8),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 40),
    st.booleans(),
)
def test_a_turn_exceeds_its_budget_and_a_share_by_one_frame_at_most_and_everybody_comes_to_an_end(
    all_works: list[list[int]], turn: int, beside_flush: int, share: int, is_beside_flush: bool
) -> None:
    turns: InputScheduler[Sender] = InputScheduler(InputBudget(turn, turn, turn, beside_flush, share))
    senders = [Sender(turns, works) for works in all_works]
    largest = max((work for works in all_works for work in works), default=0)
    waited: Counter[Sender] = Counter()
    served = sum(sender.serve() for sender in senders)
    assert served < 2 * (turn + largest)
    all_served, most = served, turn
    for take in cycle((turns.take_turn, turns.take_step)):
        if not turns.has_waiting and not turns.wants_step:
            break
        total = 0
        waiting = [sender for sender in senders if sender.works]
        budget = beside_flush if is_beside_flush else turn
        most += budget
        for effect in take(beside_flush=is_beside_flush):
            served = effect.owner.serve()
            assert served < share + largest
            if served:  # not one that has become busy, and waits with the others that are
                waited[effect.owner] = 0
                waiting.remove(effect.owner)
            total += served
        all_served += total
        assert all_served < 2 * (most + largest)  # in both lanes
        for sender in waiting:
            waited[sender] += 1
            assert waited[sender] <= 3 + 2 * len(senders) * (share + largest) / budget
    assert not any(sender.works for sender in senders)


def test_a_connection_that_is_gone_is_not_served_any_more() -> None:
    turns: InputScheduler[Sender] = InputScheduler(InputBudget(1, 1, 1, 1, 1))
    gone, other = Sender(turns, [1, 1]), Sender(turns, [1])
    gone.serve()
    other.serve()
    turns.lost(gone)
    assert [effect.owner for effect in turns.take_turn(beside_flush=False)] == [other]
    assert not turns.has_waiting


def test_slow_requests_are_read_from_a_few_at_each_step_in_their_order() -> None:
    turns: InputScheduler[int] = InputScheduler(InputBudget())
    for owner in range(20):
        turns.wait_for_rest(owner)
    turns.lost(0)
    assert not turns.has_waiting
    read: list[int] = []
    while turns.wants_step:
        step = [effect.owner for effect in turns.take_step(beside_flush=False)]
        assert 0 < len(step) <= SLOW_READS_PER_STEP
        read += step
    assert read == [*range(1, 20)]


def test_a_flood_waits_for_steps_and_turns_are_for_the_others() -> None:
    turns: InputScheduler[str] = InputScheduler(InputBudget(calm=4, newcomers=4, busy=4, beside_flush=4, connection=9))
    turns.spend("flood", CALM_UNITS + 1)
    for _ in range(CALM_UNITS):
        assert not list(turns.take_turn(beside_flush=False))
    turns.spend("flood", 4 * 10)
    turns.wait("flood")
    assert turns.wants_step
    assert not turns.has_waiting
    for _ in range(100):
        assert not list(turns.take_turn(beside_flush=False))
        assert turns.may_serve("calm")
    steps = 1
    while not [effect.owner for effect in turns.take_step(beside_flush=False)]:
        steps += 1
    assert steps == 10
