"""The largest messages and data that a server says it takes are taken, and a byte more is not; in every encoding."""

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

import touchline
from edge.players import AUTH, player, token
from support.node_fixture import running_node
from touchline.session.action_data import encode_data
from touchline.session.pending_action import PendingAction
from touchline_protocol.actions import json_data
from touchline_protocol.codecs import CODECS, JSON, MSGPACK, Codec
from touchline_protocol.messages import Ack, Action, Error, Hello, Nack

MESSAGE_BYTES_MAX = 9_000
DATA_BYTES_MAX = 300
FILLS = ['"', "😀", *(pytest.param(fill, marks=pytest.mark.long) for fill in ("\\", "\x01", "\n", "é", "€"))]
NASTY = ['"', "\\", "\x01", "\n", "é", "€", "😀"]


def unsubscribe(codec: Codec, size: int, fill: str) -> bytes:
    """An `unsubscribe` of exactly that many bytes, with a field that the server does not know."""
    encode = msgspec.json.encode if codec is JSON else msgspec.msgpack.encode
    message: dict[str, Any] = {"type": "unsubscribe", "rooms": ["score:1"], "x": fill * 1_000}
    message["y"] = "x" * (size - len(encode(message | {"y": "x" * 300})) + 300)
    payload = encode(message)
    assert len(payload) == size
    return payload


async def answer_to(websocket: ClientConnection, codec: Codec, payload: bytes, pieces: int) -> str:
    """How the server takes a message: the code of its error, or of its close."""
    message: bytes | str = payload.decode() if codec is JSON else payload
    step = math.ceil(len(message) / pieces)
    await websocket.send([message[at : at + step] for at in range(0, len(message), step)])
    try:
        answer = codec.decode_server(_bytes(await websocket.recv()))
    except ConnectionClosed as closed:
        return str(closed.rcvd and closed.rcvd.code)
    assert isinstance(answer, Error)
    return answer.code


@pytest.mark.parametrize("fill", FILLS, ids=ascii)
@pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=repr)
async def test_a_message_may_be_as_long_as_the_welcome_says(codec: Codec, fill: str) -> None:
    async with running_node(message_bytes_max=MESSAGE_BYTES_MAX, compression=True) as node:
        for compression in (None, "deflate"):
            for pieces in (1, 3):
                async with connect(
                    node.url, subprotocols=[Subprotocol(codec.subprotocol)], compression=compression, proxy=None
                ) as websocket:
                    await websocket.send(codec.encode(Hello()), text=codec is JSON)
                    await websocket.recv()
                    for size, expected in ((0, "not_subscribed"), (1, "1009")):
                        payload = unsubscribe(codec, MESSAGE_BYTES_MAX + size, fill)
                        assert await answer_to(websocket, codec, payload, pieces) == expected


def _bytes(message: str | bytes) -> bytes:
    return message.encode() if isinstance(message, str) else message


@pytest.mark.parametrize("fill", FILLS, ids=ascii)
@pytest.mark.parametrize("codec", CODECS, ids=repr)
async def test_an_actions_data_may_be_as_long_as_the_welcome_says(codec: Codec, fill: str) -> None:
    data = fill * 40
    data += "x" * (DATA_BYTES_MAX - len(msgspec.json.encode(data)))
    async with running_node(auth=AUTH, actions={"data_bytes_max": DATA_BYTES_MAX}) as node:
        async with player(node, codec=codec) as (client, welcome):
            assert welcome.limits.action_bytes_max == DATA_BYTES_MAX
            for number, text in enumerate((data, data + "x"), 1):
                raw = codec.value(msgspec.json.encode(text))
                await client.send(Action(id=number, room="score:1", kind="tap", data=raw))
            codes = {}
            for _ in range(2):
                answer = await client.next()
                assert isinstance(answer, Ack | Nack)
                codes[answer.id] = "ack" if isinstance(answer, Ack) else answer.code
            assert codes == {1: "ack", 2: "action_too_large"}
        async with touchline.connect(node.url, token=token("bob"), codec=codec.name, proxy=False) as sdk:
            await sdk.act("score:1", "tap", data)
            with pytest.raises(touchline.errors.ActionRefused) as refused:
                await sdk.act("score:1", "tap", data + "x")
            assert refused.value.code == "action_too_large"


_scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
_texts = st.text(st.sampled_from("".join(NASTY)) | st.characters(exclude_categories=["Cs"]))


@given(
    data=st.recursive(
        _scalars | _texts, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_texts, inner, max_size=5)
    )
)
def test_the_sdk_measures_data_as_the_server_does(data: Any) -> None:
    for codec in CODECS:
        action = PendingAction("score:1", "tap", encode_data(data), codec)
        arrived = codec.decode_client(codec.encode(action.message(1, None)))
        assert isinstance(arrived, Action)
        assert action.size_bytes == len(json_data(codec, arrived.data))
        assert json.loads(json_data(codec, arrived.data)) == data
