"""Opening requests that come in pieces: answered however they are cut, at once if they cannot become valid, and read
from a few at a time when there are many."""

import asyncio

import pytest
from websockets.frames import Opcode

from support.node_fixture import RawClient, RunningNode, client_frame, running_node
from support.waiting import eventually
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import Event, Hello, Welcome
from touchline_server.edge.requests.opening import LINE_BYTES_MAX

REQUEST = (
    b"GET /ws HTTP/1.1\r\nHost: %b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SLOW = 40


async def send_in_pieces(client: RawClient, data: bytes, piece_bytes: int) -> None:
    for start in range(0, len(data), piece_bytes):
        await client.send_bytes(data[start : start + piece_bytes])
        await asyncio.sleep(0)


@pytest.mark.parametrize("piece_bytes", [1, 3, 50, 1_000])
async def test_a_request_is_answered_however_it_is_cut(node: RunningNode, piece_bytes: int) -> None:
    async with node.raw() as client:
        await send_in_pieces(client, REQUEST % client.host.encode(), piece_bytes)
        assert await client.status() == 101
        await client.send(Hello())
        assert isinstance(await client.next(), Welcome)


async def test_what_follows_a_slow_request_in_the_same_piece_is_served(node: RunningNode) -> None:
    async with node.raw() as client:
        request = REQUEST % client.host.encode()
        await send_in_pieces(client, request[:-10], 20)
        await client.send_bytes(request[-10:] + client_frame(Opcode.TEXT, JSON.encode(Hello())))
        assert await client.status() == 101
        assert isinstance(await client.next(), Welcome)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /ws HTTP/2.0\r\n",
        b"GET /ws HTTP/1.1\n",
        b"GET /ws\r\n",
        b"GET /ws HTTP/1.1\r\nHost: x\n",
        b"GET /ws HTTP/1.1\r\nHost: x\n\n",
        b"GET /" + b"x" * LINE_BYTES_MAX,
    ],
    ids=["version", "line feed", "no version", "line feed after a header", "line feeds at the end", "long line"],
)
@pytest.mark.parametrize("piece_bytes", [7, 100_000])
async def test_a_request_that_cannot_become_valid_is_refused_before_its_end(
    node: RunningNode, sent: bytes, piece_bytes: int
) -> None:
    async with node.raw() as client:
        await send_in_pieces(client, sent, piece_bytes if len(sent) < LINE_BYTES_MAX else 100_000)
        answer = await client.read_all()
        assert 400 <= int(answer.split()[1]) < 600
    await eventually(lambda: node.node.core.connections == 0)


async def test_many_slow_requests_are_answered_and_delay_nobody(node: RunningNode) -> None:
    async def open_slowly() -> None:
        async with node.raw() as client:
            await send_in_pieces(client, REQUEST % client.host.encode(), 10)
            assert await client.status() == 101

    async with node.client() as honest:
        await honest.join("score:1")
        async with asyncio.TaskGroup() as group:
            slow = [group.create_task(open_slowly()) for _ in range(SLOW)]
            while not all(task.done() for task in slow):
                ((_, offset),) = await node.publish("score:1", 1)
                assert (await honest.expect(Event)).offset == offset
        await eventually(lambda: node.node.core.connections == 1)


async def test_the_end_of_a_request_that_waits_to_be_read_is_noticed() -> None:
    async with running_node(handshake_timeout_s=1.0) as node, node.raw() as client:
        for byte in REQUEST[:20]:
            await client.send_bytes(bytes((byte,)))
        await eventually(lambda: node.node.core.connections == 1)
        client.sock.close()
        await eventually(lambda: node.node.core.connections == 0)
