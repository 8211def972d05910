"""Whose turn it is: rooms of any size side by side."""

from support.core_edge import CoreClient, CoreEdge, record
from touchline_protocol.messages import RoomRequest, Subscribe, Unsubscribe
from touchline_server.core.input_scheduler import InputBudget
from touchline_server.core.write_scheduler import OTHERS_S, Budget

SLICE_MAX = 256
SLICE_MIN = Budget().slice_min


class Clock:
    """The time between two turns is what the test says."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Counter(CoreClient):
    """Counts what is written to it."""

    writes = 0

    def write(self, data: bytes) -> None:
        self.writes += 1


def crowd(edge: CoreEdge, room: str, size: int) -> list[Counter]:
    clients = [Counter(edge) for _ in range(size)]
    for client in clients:
        client.greet()
        client.send(Subscribe(rooms=[RoomRequest(room=f"score:{room}")]))
    edge.run()
    for client in clients:
        client.writes = 0
    return clients


def written(clients: list[Counter]) -> int:
    return sum(client.writes for client in clients)


def large_beside_small() -> tuple[CoreEdge, Clock, list[Counter], list[Counter]]:
    clock = Clock()
    edge = CoreEdge(budget=Budget.with_slices(SLICE_MAX), clock=clock)
    return edge, clock, crowd(edge, "large", 900), crowd(edge, "small", 5)


def test_a_room_of_five_waits_one_slice_for_a_large_one() -> None:
    edge, clock, large, small = large_beside_small()

    def turn_that_others_wait_for() -> None:
        clock.now_s += 2 * OTHERS_S
        edge.turn()

    edge.ingest(record(0, room="large"), record(1, room="small"))
    turn_that_others_wait_for()
    assert (written(large), written(small)) == (SLICE_MIN, 0)
    turn_that_others_wait_for()
    assert (written(large), written(small)) == (2 * SLICE_MIN, 5)

    edge.ingest(record(2, room="small"))
    edge.flush()
    assert (written(large), written(small)) == (2 * SLICE_MIN, 10)

    edge.ingest(record(3, room="large"))
    edge.run()
    assert [client.writes for client in large] == [2] * 900
    assert written(small) == 10


def test_slices_grow_while_nobody_else_needs_the_loop() -> None:
    edge, clock, large, _ = large_beside_small()
    edge.ingest(record(0, room="large"))
    slices: list[int] = []
    while written(large) < 900:
        before = written(large)
        clock.now_s += 10 * OTHERS_S if len(slices) == 5 else 0
        edge.turn()
        slices.append(written(large) - before)
    assert slices[1:5] == [min(SLICE_MAX, 2 * size) for size in slices[:4]]
    assert slices[5:7] == [SLICE_MIN, 2 * SLICE_MIN]


def test_slices_grow_beside_a_flood_whose_share_of_a_turn_is_small() -> None:
    edge, clock, large, _ = large_beside_small()

    class Flooder(CoreClient):
        def serve_turn(self) -> None:
            clock.now_s += 10 * OTHERS_S
            super().serve_turn()

    flooder = Flooder(edge)
    flooder.greet()
    while not edge.core.input.may_serve(flooder):
        edge.turn()  # the joins of the crowds were more than a turn's work
    flooder.flood(*[Unsubscribe(rooms=["score:nowhere"])] * 900)
    edge.ingest(record(0, room="large"))
    slices: list[int] = []
    while written(large) < 900:
        before = written(large)
        edge.turn()
        slices.append(written(large) - before)
    assert slices[1:5] == [min(SLICE_MAX, 2 * size) for size in slices[:4]]
    budget = InputBudget()
    assert 0 < 900 - len(flooder.unserved) <= sum(budget[:3]) + 3 * budget.beside_flush * len(slices)
