"""Work that clients cause grows with what they ask for, and not with its square."""

import gc
import time
from collections.abc import Callable

import pytest

from support.access import make_access
from support.core_edge import CLIENT, RATES, CoreEdge
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import Action, RoomRequest, Subscribe, Unsubscribe
from touchline_server.core.clocks import LoopMs
from touchline_server.core.players.grants import Grant, Patterns
from touchline_server.core.rate import Rate

NO_RATES = type(RATES)(*(Rate(per_second_max=1, burst=1_000_000_000) for _ in RATES))
NEVER_MS = 1 << 50


def join_and_leave(count: int) -> Callable[[], None]:
    edge = CoreEdge(client=CLIENT._replace(rooms_max=count, rates=NO_RATES))
    client = edge.client()
    client.client.write = lambda _data: None
    rooms = [f"score:{number}" for number in range(count)]

    def work() -> None:
        for begin in range(0, count, 100):
            client.send(Subscribe(rooms=[RoomRequest(room=room) for room in rooms[begin : begin + 100]]))
        for begin in range(0, count, 100):
            client.send(Unsubscribe(rooms=rooms[-begin - 100 : count - begin]))
        edge.run()

    return work


def forget_sessions(count: int) -> Callable[[], None]:
    actions = make_access(verify=None).actions
    edge = CoreEdge()
    for number in range(count):
        grant = Grant(f"ann-{number}", Patterns(["*"]), Patterns(["*"]), NEVER_MS)
        session, _ = actions.enter(edge, grant.player, "session", continued=False)
        actions.submit(session, grant, JSON, Action(id=1, room="nowhere", kind="tap"), edge.now)
        actions.leave(session, LoopMs(number))
    return lambda: actions.evict_idle(LoopMs(NEVER_MS))


@pytest.mark.parametrize(("prepare", "count"), [(join_and_leave, 1_000), (forget_sessions, 4_000)])
def test_eight_times_as_much_takes_no_more_than_thirty_times_as_long(
    prepare: Callable[[int], Callable[[], None]], count: int
) -> None:
    """CPU time, so that it does not matter what else runs; quadratic work would take 64 times as long."""

    def cpu_s(count: int) -> float:
        work = prepare(count)
        gc.disable()  # it walks what other tests have left
        began_s = time.process_time()
        work()
        took_s = time.process_time() - began_s
        gc.enable()
        return took_s

    small_s = max(min(cpu_s(count) for _ in range(2)), 1e-3)
    assert cpu_s(8 * count) < 30 * small_s
