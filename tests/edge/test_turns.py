"""Whose turn it is: rooms of any size side by side."""

import asyncio
from collections.abc import Callable

from edge.logs import TOPIC, ScriptedRecord
from support.doors import a_door
from support.waiting import eventually
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import Hello, RoomRequest, Subscribe
from touchline_server.core.client import Session, SessionLimits
from touchline_server.core.feed import Feed
from touchline_server.core.hub import Hub, HubLimits
from touchline_server.edge.scheduler import OTHERS_S, SLICE_CLIENTS_MIN, Turns

SLICE = 256


class Writes:
    """Counts what is written to the clients of each room."""

    def __init__(self) -> None:
        self.count = {"score:large": 0, "score:small": 0}

    def to(self, room: str) -> Callable[[bytes], None]:
        def write(data: bytes) -> None:
            self.count[room] += 1

        return write


def join(hub: Hub, room: str, writes: Writes) -> None:
    session = Session(hub, a_door(), JSON, SessionLimits("e", 1_000, 65_536, 10, 100, 100), writes.to(room), None, "s")
    for message in (Hello(), Subscribe(rooms=[RoomRequest(room=room)])):
        session.receive(JSON.encode(message), now_ms=0)
    subscription = session.next_behind()
    assert subscription is not None
    session.stepped(subscription, subscription.catch_up())


class Clock:
    """The time between two turns is what the test says."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def large_beside_small(writes: Writes, clock: Clock) -> tuple[Hub, Turns]:
    hub = Hub([Feed("score", TOPIC)], HubLimits(1 << 20, 10_000, 1 << 20, 10_000), lambda key, partitions: 0)
    hub.opened(TOPIC, "e", {0: 0})
    hub.caught_up(TOPIC)
    for room, clients in (("score:large", 2_000), ("score:small", 5)):
        for _ in range(clients):
            join(hub, room, writes)
    fetch = failed = lambda *_: None
    return hub, Turns(hub, clients_max=SLICE, now_ms=lambda: 0, fetch=fetch, failed=failed, clock=clock)


async def test_a_room_of_five_waits_one_slice_for_a_room_of_two_thousand() -> None:
    writes, clock = Writes(), Clock()
    hub, turns = large_beside_small(writes, clock)

    def turn_that_others_wait_for() -> None:
        clock.now_s += 2 * OTHERS_S
        turns._turn()

    hub.ingest(TOPIC, 0, [ScriptedRecord(0, b"large", b"1"), ScriptedRecord(1, b"small", b"1")], 2, 0)
    turn_that_others_wait_for()
    assert writes.count == {"score:large": SLICE_CLIENTS_MIN, "score:small": 0}
    turn_that_others_wait_for()
    assert writes.count == {"score:large": 2 * SLICE_CLIENTS_MIN, "score:small": 5}

    hub.ingest(TOPIC, 0, [ScriptedRecord(2, b"small", b"2")], 3, 0)
    turns.flush()
    assert writes.count == {"score:large": 2 * SLICE_CLIENTS_MIN, "score:small": 10}

    for _ in range(3):
        await asyncio.sleep(0)  # turns that were scheduled above are over: from here on they come by themselves
    hub.ingest(TOPIC, 0, [ScriptedRecord(3, b"large", b"3")], 4, 0)
    turns.wake()
    await eventually(lambda: writes.count == {"score:large": 4_000, "score:small": 10})


async def test_slices_grow_while_nobody_else_needs_the_loop() -> None:
    writes, clock = Writes(), Clock()
    hub, turns = large_beside_small(writes, clock)
    hub.ingest(TOPIC, 0, [ScriptedRecord(0, b"large", b"1")], 1, 0)
    slices: list[int] = []
    while writes.count["score:large"] < 2_000:
        before = writes.count["score:large"]
        clock.now_s += 10 * OTHERS_S if len(slices) == 6 else 0
        turns._turn()
        slices.append(writes.count["score:large"] - before)
    assert slices[:9] == [32, 64, 128, 256, 256, 256, 16, 32, 64]
