"""Messages from clients and their answers, including errors and closes, and that nobody else is harmed."""

from typing import Any

import pytest
from websockets.frames import Opcode

from support.node_fixture import RunningNode, client_frame, running_node
from support.waiting import eventually
from touchline_protocol import codes
from touchline_protocol.codecs import CODECS, JSON, MSGPACK, Codec
from touchline_protocol.frames import payload_of
from touchline_protocol.messages import Error, Event, RoomRequest, Subscribe, Subscribed, Unsubscribe, Unsubscribed
from touchline_server.core.liveness import LINGER_MS


def subscribe(*rooms: str, **more: Any) -> Subscribe:
    return Subscribe(rooms=[RoomRequest(room=room) for room in rooms], **more)


MISTAKES: list[tuple[Any, codes.ErrorCode]] = [
    ({"type": "subscribe"}, codes.BAD_MESSAGE),
    ({"type": "subscribe", "rooms": []}, codes.BAD_MESSAGE),
    ({"type": "subscribe", "rooms": [{"room": "score:1"}] * 101}, codes.BAD_MESSAGE),
    ({"type": "subscribe", "rooms": [{"room": "score:1", "last": 1001}]}, codes.BAD_MESSAGE),
    ({"type": "subscribe", "rooms": [{"room": "score:1", "after": -2, "epoch": "x"}]}, codes.BAD_MESSAGE),
    ({"type": "subscribe", "rooms": [{"room": "score:1", "after": 1}]}, codes.BAD_MESSAGE),
    ({"type": "subscribe", "rooms": [{"room": "score:1", "epoch": "x"}]}, codes.BAD_MESSAGE),
    ({"rooms": []}, codes.BAD_MESSAGE),
    ([], codes.BAD_MESSAGE),
    ("hello", codes.BAD_MESSAGE),
    ({"type": "welcome"}, codes.UNKNOWN_TYPE),
    ({"type": "subscribe", "rooms": [{"room": "score"}]}, codes.BAD_ROOM),
    ({"type": "subscribe", "rooms": [{"room": ":"}]}, codes.BAD_ROOM),
    ({"type": "subscribe", "rooms": [{"room": "score:" + "x" * 129}]}, codes.BAD_ROOM),
    ({"type": "subscribe", "rooms": [{"room": "chat:1"}]}, codes.UNKNOWN_FEED),
    ({"type": "unsubscribe", "rooms": ["score:1"]}, codes.NOT_SUBSCRIBED),
    ({"type": "unsubscribe", "rooms": ["nonsense"]}, codes.NOT_SUBSCRIBED),
    ({"type": "hello"}, codes.OUT_OF_ORDER),
]


@pytest.mark.parametrize("codec", CODECS)
async def test_each_invalid_message_gets_its_error_code_and_the_connection_stays_open(
    node: RunningNode, codec: Codec
) -> None:
    async with node.client(codec) as client:
        for number, (sent, code) in enumerate(MISTAKES):
            await client.send_bytes(codec._encoder.encode(sent))
            error = await client.expect(Error)
            assert error.code == code.code, sent
            assert error.message
            await client.join(f"match:{number}")


async def test_each_room_of_a_subscribe_is_answered_with_its_id(node: RunningNode) -> None:
    async with node.client() as client:
        await client.send(subscribe("score:1", "score:1", "chat:1", "match:1", "x" * 500, id=7))
        answers = [await client.next() for _ in range(5)]
        assert {(type(answer).__name__, str(answer.room)[:8], answer.id) for answer in answers} == {  # type: ignore[union-attr]
            ("Subscribed", "score:1", 7),
            ("Error", "score:1", 7),
            ("Error", "chat:1", 7),
            ("Subscribed", "match:1", 7),
            ("Error", "xxxxxxxx", 7),
        }
        found = {answer.code for answer in answers if isinstance(answer, Error)}
        assert found == {codes.ALREADY_SUBSCRIBED.code, codes.UNKNOWN_FEED.code, codes.BAD_ROOM.code}
        await client.send(Unsubscribe(rooms=["score:1"], id=8))
        assert await client.expect(Unsubscribed) == Unsubscribed(room="score:1", id=8)


async def test_rooms_per_client_are_limited_and_leaving_one_allows_another() -> None:
    async with running_node(rooms_max=2) as node, node.client() as client:
        await client.join("score:1")
        await client.join("score:2")
        await client.send(subscribe("score:3"))
        assert (await client.expect(Error)).code == codes.TOO_MANY_ROOMS.code
        await client.leave("score:1")
        await client.join("score:3")


async def test_no_events_follow_unsubscribed_until_the_room_is_joined_again(node: RunningNode) -> None:
    async with node.client() as client:
        await client.join("score:1")
        await client.join("score:2")
        await node.publish("score:1", 1)
        await client.events(1)
        await client.leave("score:1")
        await node.publish("score:1", 2, key="k")
        await node.publish("score:2", 3)
        assert [event.room for event in await client.events(1)] == ["score:2"]
        joined = await client.join("score:1")
        assert [event.data for event in joined.state] == [2]
        await node.publish("score:1", 4)
        assert [event.data for event in await client.events(1)] == [4]


async def test_both_codecs_see_the_same_events(node: RunningNode) -> None:
    values = [{"a": [1, 2.5, None, True, "ü€😀"]}, "text", 0, None, [], {"n": -(2**63), "m": 2**64 - 1}]
    async with node.client(JSON) as first, node.client(MSGPACK) as second:
        for client in (first, second):
            await client.join("score:1")
        for value in values:
            await node.publish("score:1", value, key="k")
        events = await first.events(len(values))
        assert events == await second.events(len(values))
        assert [event.data for event in events] == values
        assert [event.prev for event in events[1:]] == [event.offset for event in events[:-1]]


@pytest.mark.parametrize(
    ("codec", "opcode", "code"),
    [(JSON, Opcode.BINARY, codes.WRONG_FRAME), (MSGPACK, Opcode.TEXT, codes.WRONG_FRAME)],
)
async def test_a_frame_of_the_wrong_kind_closes_with_1003(
    node: RunningNode, codec: Codec, opcode: Opcode, code: codes.CloseCode
) -> None:
    async with node.client(codec) as client:
        await client.websocket.send(b"{}", text=opcode is Opcode.TEXT)
        assert (await client.closed())[0] == code.code


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (client_frame(Opcode.TEXT, b'{"type":"\xff"}'), codes.INVALID_TEXT),
        (client_frame(Opcode.TEXT, b"\xc3", fin=False) + client_frame(Opcode.CONT, b"("), codes.INVALID_TEXT),
        (client_frame(Opcode.TEXT, b"x" * 65_537), codes.TOO_BIG),
        (client_frame(Opcode.TEXT, b"x" * 40_000, fin=False) + client_frame(Opcode.CONT, b"x" * 40_000), codes.TOO_BIG),
        (b"\x81\x02{}", codes.PROTOCOL_ERROR),
        (client_frame(Opcode.CONT, b"x"), codes.PROTOCOL_ERROR),
        (b"\xf1" + client_frame(Opcode.TEXT, b"x")[1:], codes.PROTOCOL_ERROR),
        (b"\x83" + client_frame(Opcode.TEXT, b"x")[1:], codes.PROTOCOL_ERROR),
        (b"\x89\xfe\x00\x7e" + bytes(130), codes.PROTOCOL_ERROR),
        (client_frame(Opcode.TEXT, b"", fin=False) + client_frame(Opcode.CONT, b"", fin=False) * 1_024, codes.TOO_BIG),
        (client_frame(Opcode.CLOSE, b"\x03\xe8"), codes.NORMAL),
    ],
    ids=[
        "not utf-8",
        "a character cut in fragments",
        "too big",
        "too big in fragments",
        "not masked",
        "nothing to continue",
        "reserved bits",
        "reserved opcode",
        "long ping",
        "endless empty fragments",
        "close",
    ],
)
async def test_each_protocol_violation_closes_with_its_code(frames: bytes, code: codes.CloseCode) -> None:
    async with running_node() as node, node.raw() as client:
        await client.open()
        await client.send_bytes(frames)
        assert await client.close_code() == code.code
        client.sock.close()
        await eventually(lambda: node.node.core.connections == 0)


async def test_a_message_of_the_maximum_size_is_accepted(node: RunningNode) -> None:
    async with node.client() as client:
        message = b'{"type":"subscribe","rooms":[{"room":"score:1"}]}'
        await client.send_bytes(message + b" " * (65_536 - len(message)))
        await client.expect(Subscribed)


async def test_a_message_may_be_fragmented_with_a_ping_in_between(node: RunningNode) -> None:
    async with node.raw() as client:
        await client.open()
        message = JSON.encode(subscribe("score:ü"))
        await client.send_frame(Opcode.TEXT, b"", fin=False)
        for byte in message:
            await client.send_frame(Opcode.CONT, bytes((byte,)), fin=False)
        await client.send_frame(Opcode.PING, b"between")
        await client.send_frame(Opcode.CONT, b"")
        assert await client.next_frame() == b"\x8a\x07between"
        assert (await client.next()).room == "score:ü"  # type: ignore[union-attr]
        await client.send(Unsubscribe(rooms=["score:ü"]))
        assert isinstance(await client.next(), Unsubscribed)


async def test_several_messages_in_one_write_are_answered_in_order(node: RunningNode) -> None:
    async with node.raw() as client:
        await client.open()
        await client.send_bytes(
            client_frame(Opcode.TEXT, JSON.encode(Unsubscribe(rooms=["score:1"], id=1)))
            + client_frame(Opcode.PING, b"p")
            + client_frame(Opcode.TEXT, JSON.encode(Unsubscribe(rooms=["score:1"], id=2)))
        )
        frames = [await client.next_frame() for _ in range(3)]
        frames.remove(b"\x8a\x01p")  # the pong may come at any point
        answers = [JSON.decode_server(payload_of(frame)) for frame in frames]
        assert [answer.id for answer in answers if isinstance(answer, Error)] == [1, 2]


@pytest.mark.parametrize(
    "end", [client_frame(Opcode.CLOSE, b"\x03\xe8"), b"\xff\xff", b""], ids=["close", "mistake", "end"]
)
async def test_a_message_sent_right_before_the_end_is_answered(
    node: RunningNode, end: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with node.raw() as client:
        await client.open()
        await client.send_bytes(client_frame(Opcode.TEXT, JSON.encode(Unsubscribe(rooms=["score:1"]))) + end)
        if not end:
            client.sock.shutdown(1)
        assert isinstance(await client.next(), Error)
        assert (await client.close_code() is None) == (not end)
    assert not caplog.records


async def test_a_half_closed_connection_is_closed(node: RunningNode) -> None:
    async with node.raw() as client:
        await client.open()
        client.sock.shutdown(1)
        await client.read_all()
    await eventually(lambda: node.node.core.connections == 0)


async def test_a_close_frame_leaves_all_rooms_even_while_the_socket_stays_open(node: RunningNode) -> None:
    async with node.raw() as client, node.client() as other:
        await client.open()
        await client.send(subscribe("score:1"))
        await client.next()
        await client.send_frame(Opcode.CLOSE, b"\x03\xe8")
        assert await client.close_code() == codes.NORMAL.code
        await other.join("score:1")
        await node.publish("score:1", 1)
        await other.expect(Event)
        assert await client.read_some() == b""
        assert node.node.core.hub.rooms["score:1"].members == 1
        assert node.node.core.connections == 2
        with node.clocks_ahead(LINGER_MS / 1000 + 1):
            node.tick()
        await eventually(lambda: node.node.core.connections == 1)  # disconnected though it never closes
