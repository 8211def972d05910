"""A connection that ended leaves nothing that only the cycle collector could free, however it ended."""

import gc
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator

import pytest

from node_fixture import RunningNode, eventually, running_node
from touchline_protocol import codes
from touchline_protocol.messages import RoomRequest, Subscribe, Subscribed

ROUNDS = 3


@pytest.fixture
def garbage() -> Iterator[list[object]]:
    """What the collector found while a test ran, and would have freed."""
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield gc.garbage
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


def ours_in(garbage: list[object]) -> Counter[str]:
    """The kinds of objects that belong to connections."""
    gc.collect()
    kinds = Counter(f"{type(found).__module__}.{type(found).__name__}" for found in garbage)
    names = ("touchline_server.edge", "touchline_server.core", "websockets.server", "websockets.http11")
    return Counter({kind: count for kind, count in kinds.items() if kind.startswith(names)})


async def leave_after_joining(node: RunningNode) -> None:
    async with node.raw() as client:
        await client.open()
        await client.send(Subscribe(rooms=[RoomRequest(room="score:1")]))
        assert isinstance(await client.next(), Subscribed)


async def be_closed(node: RunningNode) -> None:
    async with node.raw() as client:
        await client.request()
        assert await client.status() == 101
        await client.send(Subscribe(rooms=[RoomRequest(room="score:1")]))
        assert await client.close_code() == codes.HELLO_EXPECTED.code


async def be_refused(node: RunningNode) -> None:
    async with node.raw() as client:
        await client.request("/nothing")
        assert await client.status() == 404


async def leave_before_the_request_is_whole(node: RunningNode) -> None:
    async with node.raw() as client:
        await client.send_bytes(b"GET /ws HTTP/1.1\r\n")
        await eventually(lambda: node.edge.connections > 0)


async def watch_a_stream(node: RunningNode) -> None:
    async with node.raw() as client:
        await client.request("/v1/rooms/score:1/events", {"Upgrade": ""})
        assert await client.status() == 200


@pytest.mark.parametrize(
    "visit", [leave_after_joining, be_closed, be_refused, leave_before_the_request_is_whole, watch_a_stream]
)
async def test_a_connection_that_ended_leaves_no_cycle(
    visit: Callable[[RunningNode], Awaitable[None]], garbage: list[object]
) -> None:
    async with running_node() as node:
        for _ in range(ROUNDS):
            await visit(node)
            await eventually(lambda: node.edge.connections == 0)
        assert not ours_in(garbage)


async def test_a_room_that_is_forgotten_leaves_no_cycle(garbage: list[object]) -> None:
    async with running_node(room_idle_seconds=0.05, window_seconds=0.05) as node:
        async with node.client() as client:
            await client.join("score:1")
            await node.publish("score:1", 1, key="score")
            await client.events(1)
        node.node.hub._forget_again_ms = 0
        await eventually(lambda: not node.node.hub.rooms)
        assert not ours_in(garbage)
