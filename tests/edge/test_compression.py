"""permessage-deflate: when it is negotiated, which messages are compressed, and what clients may send."""

import contextlib
import json
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Opcode

from support.client_model import inflated
from support.node_fixture import Client, RawClient, RunningNode, client_frame, running_node
from touchline_protocol import codes
from touchline_protocol.codecs import CODECS, JSON, MSGPACK, Codec
from touchline_protocol.frames import OP_CLOSE, RSV1
from touchline_protocol.messages import Error, Event, Hello, RoomRequest, Subscribe, Subscribed, Welcome
from touchline_protocol.server_codecs import deflate

ROOM = "score:1"
LONG = {"text": "a goal in the last minute " * 40}
OFFER = "permessage-deflate; client_max_window_bits"


@pytest.fixture
async def compressing() -> AsyncIterator[RunningNode]:
    async with running_node(compression=True) as node:
        yield node


def offer(**parameters: Any) -> dict[str, Any]:
    """Options for a client that offers compression."""
    return {"extensions": [ClientPerMessageDeflateFactory(**parameters)]}


def negotiated(client: Client) -> str | None:
    assert client.websocket.response is not None
    return client.websocket.response.headers.get("Sec-WebSocket-Extensions")


@contextlib.asynccontextmanager
async def raw(node: RunningNode, offer: str = OFFER) -> AsyncIterator[RawClient]:
    """A client that sees raw frames."""
    async with node.raw() as client:
        await client.open(**{"Sec-WebSocket-Extensions": offer})
        yield client


async def join(client: RawClient, room: str = ROOM) -> bytes:
    """The frame that answers a subscribe."""
    await client.send(Subscribe(rooms=[RoomRequest(room=room)]))
    return await client.next_frame()


@pytest.mark.parametrize("codec", CODECS, ids=repr)
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"client_max_window_bits": None},
        {"client_max_window_bits": 9},
        {"server_no_context_takeover": True, "client_no_context_takeover": True},
        {"server_max_window_bits": 15},
        {"server_max_window_bits": 10},
    ],
    ids=str,
)
async def test_every_compression_offer_works_in_both_directions(
    compressing: RunningNode, codec: Codec, parameters: dict[str, Any]
) -> None:
    async with compressing.client(codec, **offer(**parameters)) as client:  # it compresses what it sends
        assert "permessage-deflate" in (negotiated(client) or "")
        assert "server_no_context_takeover" in (negotiated(client) or "")
        await client.join(ROOM)
        await compressing.publish(ROOM, LONG, 1, LONG)
        assert [event.data for event in await client.events(3)] == [LONG, 1, LONG]


async def test_a_client_without_an_offer_gets_plain_frames(compressing: RunningNode) -> None:
    async with compressing.client() as plain, compressing.client(**offer()) as other:
        assert negotiated(plain) is None
        for client in (plain, other):
            await client.join(ROOM)
        await compressing.publish(ROOM, LONG)
        assert await plain.events(1) == await other.events(1)


async def test_compression_is_off_by_default() -> None:
    async with running_node() as node, node.client(**offer()) as client:
        assert negotiated(client) is None


@pytest.mark.parametrize("codec", CODECS, ids=repr)
async def test_an_event_is_the_same_bytes_for_all_compressing_clients(compressing: RunningNode, codec: Codec) -> None:
    headers = {"Sec-WebSocket-Protocol": codec.subprotocol, "Sec-WebSocket-Extensions": OFFER}
    async with compressing.raw() as one, compressing.raw() as two:
        for client in (one, two):
            client.codec = codec
            await client.request(headers=headers)
            assert await client.status() == 101
            kind = Opcode.TEXT if codec is JSON else Opcode.BINARY
            await client.send_frame(kind, codec.encode(Hello()))
            await client.next_frame()
            await client.send_frame(kind, codec.encode(Subscribe(rooms=[RoomRequest(room=ROOM)])))
            await client.next_frame()
        await compressing.publish(ROOM, LONG, LONG)
        frames = [[await client.next_frame() for _ in range(2)] for client in (one, two)]
        assert frames[0] == frames[1]
        for frame in frames[0]:  # each on its own: the second does not depend on the first
            assert frame[0] & RSV1
            assert len(frame) < 200
            message = codec.decode_server(inflated(frame))
            assert isinstance(message, Event)
            assert message.data == LONG


async def test_a_client_with_a_small_window_gets_plain_frames(compressing: RunningNode) -> None:
    async with raw(compressing, "permessage-deflate; server_max_window_bits=10") as client:
        assert "server_max_window_bits=10" in client.response_head
        frame = await join(client)
        await compressing.publish(ROOM, LONG)
        for received in (frame, await client.next_frame()):
            assert not received[0] & RSV1


async def test_the_first_acceptable_offer_is_chosen(compressing: RunningNode) -> None:
    offers = (
        "x-webkit-deflate-frame, permessage-deflate; server_max_window_bits=7, permessage-deflate, permessage-deflate"
    )
    async with raw(compressing, offers) as client:
        assert client.response_head.count("permessage-deflate") == 1
        await join(client)
        await compressing.publish(ROOM, LONG)
        assert (await client.next_frame())[0] & RSV1


async def test_a_malformed_offer_is_a_bad_request(compressing: RunningNode) -> None:
    async with compressing.raw() as client:
        await client.request(headers={"Sec-WebSocket-Extensions": "permessage-deflate; ="})
        assert await client.status() == 400


async def test_state_is_compressed_and_short_messages_are_not(compressing: RunningNode) -> None:
    for number in range(20):
        await compressing.publish(ROOM, LONG, key=f"k{number}")
    async with raw(compressing) as client:
        frame = await join(client)
        assert frame[0] & RSV1
        joined = JSON.decode_server(inflated(frame))
        assert isinstance(joined, Subscribed)
        assert [event.data for event in joined.state] == [LONG] * 20
        assert len(frame) < len(inflated(frame)) // 5
        await compressing.publish(ROOM, 1)
        assert not (await client.next_frame())[0] & RSV1


async def test_missed_events_are_compressed_too(compressing: RunningNode) -> None:
    async with compressing.client() as client:
        joined = await client.join(ROOM)
    await compressing.publish(ROOM, *[LONG] * 3)
    async with raw(compressing) as back:
        await back.send(Subscribe(rooms=[RoomRequest(room=ROOM, epoch=joined.epoch, after=joined.head)]))
        assert isinstance(await back.next(), Subscribed)
        frames = [await back.next_frame() for _ in range(3)]
        assert all(frame[0] & RSV1 for frame in frames)


async def test_no_compression_state_is_kept_between_messages(compressing: RunningNode) -> None:
    async with compressing.client(**offer()) as client:
        await client.join(ROOM)
        [connection] = compressing.connections
        assert connection._protocol is not None
        [extension] = connection._protocol.extensions
        assert not hasattr(extension, "encoder")
        assert not hasattr(extension, "decoder")


async def test_a_compressed_message_can_be_fragmented(compressing: RunningNode) -> None:
    async with raw(compressing) as client:
        payload = deflate(JSON.encode(Subscribe(rooms=[RoomRequest(room=ROOM)])))
        await client.send_bytes(compressed_frame(Opcode.TEXT, payload[:9], fin=False))
        await client.send_frame(Opcode.CONT, b"", fin=False)
        await client.send_frame(Opcode.CONT, payload[9:])
        assert isinstance(JSON.decode_server(inflated(await client.next_frame())), Subscribed)


def compressed_frame(opcode: Opcode, payload: bytes, *, fin: bool = True) -> bytes:
    framed = bytearray(client_frame(opcode, payload, fin=fin))
    framed[0] |= RSV1
    return bytes(framed)


def bomb(megabytes: int) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"".join(compressor.compress(b" " * 2**20) for _ in range(megabytes))
    return packed + compressor.flush(zlib.Z_SYNC_FLUSH)[:-4]


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (lambda: [compressed_frame(Opcode.TEXT, bomb(50))], codes.TOO_BIG),
        (lambda: [compressed_frame(Opcode.TEXT, bomb(50)[:60_000], fin=False)] * 2, codes.TOO_BIG),
        (lambda: [compressed_frame(Opcode.TEXT, deflate(b" " * 70_000))], codes.TOO_BIG),
        (lambda: [compressed_frame(Opcode.TEXT, b"this is not deflate")], codes.PROTOCOL_ERROR),
        (lambda: [compressed_frame(Opcode.PING, deflate(b"x"))], codes.PROTOCOL_ERROR),
        (lambda: [compressed_frame(Opcode.TEXT, deflate(b"\xff" * 200))], codes.INVALID_TEXT),
    ],
    ids=["bomb", "bomb in fragments", "a little too long", "not deflate", "a ping", "not UTF-8"],
)
async def test_a_harmful_compressed_message_closes_the_connection(
    compressing: RunningNode, frames: Callable[[], list[bytes]], code: codes.CloseCode
) -> None:
    async with raw(compressing) as client, compressing.client() as witness:
        await client.send_bytes(b"".join(frames()))
        assert await client.close_code() == code.code
        await witness.join(ROOM)


async def test_an_invalid_compressed_message_is_an_ordinary_error(compressing: RunningNode) -> None:
    async with raw(compressing) as client:
        await client.send_bytes(compressed_frame(Opcode.TEXT, deflate(b'"' + b" " * 60_000 + b'"')))
        assert isinstance(await client.next(), Error)


async def test_a_client_without_an_offer_must_not_compress(compressing: RunningNode) -> None:
    async with compressing.raw() as client:
        await client.request()
        assert await client.status() == 101
        await client.send_bytes(compressed_frame(Opcode.TEXT, deflate(JSON.encode(Hello()))))
        assert await client.close_code() == codes.PROTOCOL_ERROR.code


async def test_the_first_message_may_be_compressed_and_arrive_with_the_request(compressing: RunningNode) -> None:
    hello = compressed_frame(Opcode.TEXT, deflate(json.dumps({"type": "hello", "agent": "a" * 100}).encode()))
    async with compressing.raw() as client:
        await client.request(headers={"Sec-WebSocket-Extensions": OFFER})
        await client.send_bytes(hello)
        assert await client.status() == 101
        frame = await client.next_frame()
        assert frame[0] & 0xF != OP_CLOSE
        assert isinstance(JSON.decode_server(inflated(frame)), Welcome)


def test_msgpack_has_its_own_compressed_frames() -> None:
    message = Event(room=ROOM, offset=1, prev=None, ts=1, data=LONG, key=None)
    assert inflated(MSGPACK.frame(message)) == MSGPACK.encode(message)
