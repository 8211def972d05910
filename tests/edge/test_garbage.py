"""However a connection ends, it leaves nothing behind that only the cycle collector could free."""

import contextlib
import gc
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator

import pytest
from websockets.frames import Opcode

from edge.players import AUTH, TOKEN_S, bearer, token, watcher
from edge.streams import request, response_to, target_of
from support.node_fixture import RawClient, RunningNode, client_frame, running_node
from support.waiting import eventually
from touchline_protocol import codes
from touchline_protocol.frames import RSV1
from touchline_protocol.messages import (
    Action,
    Hello,
    Refresh,
    RoomRequest,
    Subscribe,
    Subscribed,
    Welcome,
)
from touchline_protocol.server_codecs import deflate
from touchline_protocol.verdicts import VERDICT_HEADERS, VerdictRecord, encode_verdict
from touchline_server.core.log import Entry

ROUNDS = 3


@pytest.fixture(autouse=True, scope="module")
def without_older_objects() -> Iterator[None]:
    """Hide what other modules have left from the collector: to look through it takes long."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def without_the_collector() -> Iterator[None]:
    """Disable the collector. `gc.DEBUG_SAVEALL` would not find objects held by a suspended generator."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def of_connections() -> Counter[str]:
    """The number of objects of each type that belongs to connections and rooms."""
    kinds = Counter(f"{type(found).__module__}.{type(found).__name__}" for found in gc.get_objects())
    names = (
        "touchline_server.edge.connection",
        "touchline_server.edge.requests",
        "touchline_server.core",
        "websockets",
    )
    log_events = "touchline_server.core.log"  # from the latest poll, and released by the next
    return Counter({kind: n for kind, n in kinds.items() if kind.startswith(names) and not kind.startswith(log_events)})


async def assert_nothing_is_left(before: Counter[str]) -> None:
    """Wait for objects that a task or callback still holds. Without the collector, cycles would stay forever."""
    with contextlib.suppress(TimeoutError):
        await eventually(lambda: not of_connections() - before)
    assert of_connections() - before == Counter()


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


async def be_refused_by_websockets(node: RunningNode) -> None:
    """Cause exceptions within the handshake, which the request keeps."""
    for headers, status in (
        ({"Upgrade": ""}, 426),
        ({"Sec-WebSocket-Version": "12"}, 400),
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Sec-WebSocket-Protocol": "other"}, 400),
        ({"Sec-WebSocket-Extensions": "=,;"}, 400),
    ):
        async with node.raw() as client:
            await client.request(headers=headers)
            assert await client.status() == status


async def leave_before_the_request_is_whole(node: RunningNode) -> None:
    async with node.raw() as client:
        await client.send_bytes(b"GET /ws HTTP/1.1\r\n")
        await eventually(lambda: node.node.core.connections > 0)


async def watch_a_stream(node: RunningNode) -> None:
    async with node.raw() as client:
        await client.request("/v1/rooms/score:1/events", {"Upgrade": ""})
        assert await client.status() == 200


async def ask_for_a_stream_that_is_refused(node: RunningNode) -> None:
    for target in ("/v1/rooms/chat:1/events", "/v1/rooms/score/events", "/v1/rooms/score:1/events?after=x"):
        assert (await response_to(node, request(target))).status in (400, 404)


async def send_http_that_cannot_be_read(node: RunningNode) -> None:
    assert (await response_to(node, b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")).status == 400


async def compress(node: RunningNode) -> None:
    async with node.raw() as client:
        await client.open(**{"Sec-WebSocket-Extensions": "permessage-deflate"})
        hello = bytearray(client_frame(Opcode.TEXT, deflate(bytes(100_000))))
        hello[0] |= RSV1
        await client.send_bytes(bytes(hello))
        assert await client.close_code() == codes.TOO_BIG.code


async def say_hello(client: RawClient, jwt: str, session: str | None = None) -> None:
    """Say hello on a bare socket: the library's own clients would leave cycles."""
    await client.request()
    assert await client.status() == 101
    await client.send(Hello(token=jwt, session=session))
    assert isinstance(await client.next(), Welcome)


async def act_as_a_player(node: RunningNode) -> None:
    async with node.raw() as client:
        await say_hello(client, token(), "s")
        await client.send(Subscribe(rooms=[RoomRequest(room="score:1")]))
        await client.send(Action(id=1, room="score:1", kind="tap"))
        await client.send(Action(id=2, room="nowhere", kind="tap"))
        await client.send(Refresh(token=token()))
        assert len([await client.next() for _ in range(4)]) == 4


async def take_a_session_over(node: RunningNode) -> None:
    async with node.raw() as client, node.raw() as newer:
        await say_hello(client, token(), "t")
        await say_hello(newer, token(), "t")
        assert await client.close_code() == codes.SESSION_REPLACED.code


async def leave_with_actions_under_way(node: RunningNode) -> None:
    async with node.raw() as client:
        await say_hello(client, token("bob"), "u")
        await client.send(Action(id=1, room="score:1", kind="tap"))
    await eventually(lambda: node.node.core.access.actions.waiting == 0)


async def show_a_token_that_is_refused(node: RunningNode) -> None:
    async with node.raw() as client:
        await client.request()
        assert await client.status() == 101
        await client.send(Hello(token=token(lasts_s=-1)))
        assert await client.close_code() == codes.UNAUTHORIZED.code
    async with node.raw() as client:
        await client.request(headers=bearer("nonsense"))
        assert await client.status() == 401
    assert (await response_to(node, request(target_of(), bearer("nonsense")))).status == 401


async def stay_until_the_token_is_over(node: RunningNode) -> None:
    async with watcher(node, bearer(token())) as stream, node.raw() as client:
        await say_hello(client, token())
        with node.clocks_ahead(TOKEN_S):
            assert await client.close_code() == codes.CLOSE_TOKEN_EXPIRED.code
            await stream.rest()


async def be_banned(node: RunningNode) -> None:
    async with node.raw() as client, watcher(node, bearer(token("eve"))) as stream:
        await say_hello(client, token("eve"), "v")
        ban = encode_verdict(VerdictRecord(kind="ban", reason=""))
        await node.node.log.append("cheat-verdicts", [Entry(b"eve", ban, VERDICT_HEADERS)])
        assert await client.close_code() == codes.BANNED.code
        await stream.rest()
    await node.node.log.append("cheat-verdicts", [Entry(b"eve", None, VERDICT_HEADERS)])
    await eventually(lambda: not len(node.node.core.access.verdicts))


@pytest.mark.parametrize(
    "visit",
    [
        act_as_a_player,
        take_a_session_over,
        leave_with_actions_under_way,
        show_a_token_that_is_refused,
        stay_until_the_token_is_over,
        be_banned,
        leave_after_joining,
        be_closed,
        be_refused,
        be_refused_by_websockets,
        leave_before_the_request_is_whole,
        watch_a_stream,
        ask_for_a_stream_that_is_refused,
        send_http_that_cannot_be_read,
        compress,
    ],
)
async def test_a_closed_connection_leaves_no_reference_cycle(visit: Callable[[RunningNode], Awaitable[None]]) -> None:
    async with running_node(compression=True, auth=AUTH) as node:
        await visit(node)  # creates whatever is created only once
        await eventually(lambda: node.node.core.connections == 0)
        before = of_connections()
        for _ in range(ROUNDS):
            await visit(node)
            await eventually(lambda: node.node.core.connections == 0)
        await assert_nothing_is_left(before)


async def test_a_room_without_events_is_forgotten_with_its_last_client() -> None:
    async with running_node() as node, node.client() as client, node.client() as other:
        for number in range(50):
            await client.join(f"score:{number}")
            await client.leave(f"score:{number}")
        assert not node.node.core.hub.rooms
        await client.join("score:1")
        await other.join("score:1")
        await other.leave("score:1")
        positions = await node.publish("score:1", "kick-off")
        assert [event.offset for event in await client.events(1)] == [positions[0].offset]
        await client.leave("score:1")
        assert list(node.node.core.hub.rooms) == ["score:1"]


async def test_a_forgotten_room_leaves_no_reference_cycle() -> None:
    async with running_node(room_idle_s=0.05, window_s=0.05) as node:
        before = of_connections()
        await node.publish("score:1", 1, key="score")

        def is_forgotten() -> bool:
            node.node.core.hub._forget_again_ms = 0  # check for idle rooms now
            return not node.node.core.hub.rooms

        await eventually(is_forgotten)
        await assert_nothing_is_left(before)
