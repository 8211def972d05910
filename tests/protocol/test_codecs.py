"""The codecs, given any JSON and any bytes."""

import json
import math
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.generated_messages import any_values, client_messages, server_messages
from touchline_protocol import codes
from touchline_protocol.codecs import BY_SUBPROTOCOL, CODECS, JSON, MSGPACK, Codec
from touchline_protocol.errors import BadMessage
from touchline_protocol.limits import JSON_DEPTH_MAX
from touchline_protocol.messages import Event, Message, ServerMessage, Subscribed

ANY_CODEC = pytest.mark.parametrize("codec", CODECS, ids=repr)


def event_with(codec: Codec, json_value: bytes) -> bytes:
    """The payload of an event with ``json_value`` as its data, as a server makes it."""
    return codec.encode(Event(room="a:b", offset=1, prev=None, ts=0, data=codec.value(json_value)))


def data_in(codec: Codec, payload: bytes) -> Any:
    """The data of the event in ``payload``, as a client reads it."""
    return cast(Event, codec.decode_server(payload)).data


def as_msgpack_holds_it(value: Any) -> Any:
    """``value`` with floats for integers beyond 64 bits and question marks for unpaired surrogates."""
    if isinstance(value, str):
        return "".join("?" if "\ud800" <= char <= "\udfff" else char for char in value)
    if isinstance(value, list):
        return [as_msgpack_holds_it(item) for item in value]
    if isinstance(value, dict):
        return {as_msgpack_holds_it(key): as_msgpack_holds_it(item) for key, item in value.items()}
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**64:
        return float(str(value))
    return value


@ANY_CODEC
@given(message=client_messages)
def test_a_client_message_is_read_as_it_was_written(codec: Codec, message: Message) -> None:
    assert codec.decode_client(codec.encode(message)) == message


@ANY_CODEC
@given(message=server_messages)
def test_a_server_message_is_read_as_it_was_written(codec: Codec, message: Message) -> None:
    assert codec.decode_server(codec.encode(message)) == message


@given(message=server_messages)
def test_a_message_says_the_same_in_both_codecs(message: ServerMessage) -> None:
    in_json = JSON.decode_server(JSON.encode(message))
    assert MSGPACK.decode_server(MSGPACK.encode(in_json)) == in_json


@given(value=any_values, ascii_only=st.booleans())
def test_any_json_value_reaches_a_json_client_untouched(value: Any, ascii_only: bool) -> None:
    text_of_it = json.dumps(value, ensure_ascii=ascii_only)
    try:
        json_value = text_of_it.encode().replace(b"Infinity", b"1e400")
    except UnicodeEncodeError:  # an unpaired surrogate can only be written with an escape
        json_value = json.dumps(value).encode().replace(b"Infinity", b"1e400")
    payload = event_with(JSON, json_value)
    assert json_value in payload
    assert data_in(JSON, payload) == json.loads(json_value)


@given(value=any_values)
def test_any_json_value_reaches_a_msgpack_client_as_closely_as_msgpack_can_represent_it(value: Any) -> None:
    json_value = json.dumps(value).encode().replace(b"Infinity", b"1e400")
    expected = as_msgpack_holds_it(json.loads(json_value))
    assert data_in(MSGPACK, event_with(MSGPACK, json_value)) == expected


@ANY_CODEC
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_a_value_nested_to_the_limit_is_carried_even_in_a_state(codec: Codec, opening: bytes, closing: bytes) -> None:
    deep = opening * JSON_DEPTH_MAX + b"1" + closing * JSON_DEPTH_MAX
    event = Event(room="a:b", offset=1, prev=None, ts=0, data=codec.value(deep), key="k")
    subscribed = Subscribed(room="a:b", epoch="e", head=1, recovered=False, state=[event])
    read = cast(Subscribed, codec.decode_server(codec.encode(subscribed)))
    assert json.dumps(read.state[0].data, separators=(",", ":")).encode() == deep


def test_an_integer_longer_than_python_reads_becomes_a_float_for_a_json_client() -> None:
    assert data_in(JSON, event_with(JSON, b"1" * 5000)) == math.inf
    assert data_in(JSON, event_with(JSON, b"1" * 300)) == int("1" * 300)


def unreadable_or_a_message(read: Any, payload: bytes) -> None:
    """Make sure that ``read`` returns a message or raises `BadMessage`, and nothing else."""
    try:
        outcome = read(payload)
    except BadMessage as error:
        outcome = error
    if isinstance(outcome, BadMessage):
        assert outcome.code in {codes.BAD_MESSAGE.code, codes.UNKNOWN_TYPE.code}
        assert str(outcome)
    else:
        assert isinstance(outcome, Message)


@pytest.mark.parametrize("number", ["1e400", "1" * 5000, "1" * 30, '"\\ud800"'])
@pytest.mark.parametrize("field", ["offset", "prev", "ts"])
def test_such_numbers_outside_of_data_are_read_or_refused(field: str, number: str) -> None:
    fields = {"offset": "1", "prev": "1", "ts": "1", "data": '"\\ud800"', field: number}
    payload = '{"type":"event","room":"a:b",' + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}"
    unreadable_or_a_message(JSON.decode_server, payload.encode())


def damaged(payloads: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Payloads with a part cut out and other bytes put in."""
    return st.builds(
        lambda payload, at, length, put_in: payload[:at] + put_in + payload[at + length :],
        payloads,
        st.integers(0, 60),
        st.integers(0, 8),
        st.binary(max_size=8),
    )


@ANY_CODEC
@given(data=st.data())
def test_any_bytes_are_a_message_or_bad_message(codec: Codec, data: st.DataObject) -> None:
    messages = (client_messages | server_messages).map(codec.encode)
    payload = data.draw(st.binary(max_size=200) | damaged(messages))
    unreadable_or_a_message(codec.decode_client, payload)
    unreadable_or_a_message(codec.decode_server, payload)


@ANY_CODEC
@given(value=any_values)
def test_any_json_value_as_a_message_is_a_message_or_bad_message(codec: Codec, value: Any) -> None:
    payload = bytes(memoryview(codec.value(json.dumps(value).encode().replace(b"Infinity", b"1e400"))))
    unreadable_or_a_message(codec.decode_client, payload)
    unreadable_or_a_message(codec.decode_server, payload)


@pytest.mark.parametrize(
    ("codec", "payload"),
    [
        (JSON, b"[" * 100_000),
        (JSON, b'{"type":"hello","x":' + b"[" * 30_000 + b"]" * 30_000 + b"}"),
        (JSON, b'{"type":"event","room":"a","offset":1,"prev":1,"ts":1,"data":' + b'{"a":' * 30_000),
        (MSGPACK, b"\x91" * 60_000),
        (MSGPACK, b"\x82\xa4type\xa5hello\xa1x" + b"\x91" * 60_000),
    ],
)
def test_a_message_that_is_nested_endlessly_is_bad(codec: Codec, payload: bytes) -> None:
    for read in (codec.decode_client, codec.decode_server):
        with pytest.raises(BadMessage) as caught:
            read(payload)
        assert caught.value.code == "bad_message"


@pytest.mark.parametrize("message", [b'{"type":"welcome"}', b'{"type":"beat"}'])
def test_a_server_refuses_messages_that_only_servers_send(message: bytes) -> None:
    with pytest.raises(BadMessage) as caught:
        JSON.decode_client(message)
    assert caught.value.code == "unknown_type"


BAD_ACTIONS: list[dict[str, Any]] = [
    {"id": "1"},
    {"id": 0},
    {"id": 2**53},
    {"room": 1},
    {"kind": ""},
    {"kind": "a" * 65},
    {"kind": "a b"},
    {"kind": "tap\n"},
    {"kind": "täp"},
    {"prev": -1},
]


@ANY_CODEC
@pytest.mark.parametrize("wrong", BAD_ACTIONS)
def test_the_error_for_an_action_names_the_invalid_field_in_both_codecs(codec: Codec, wrong: dict[str, Any]) -> None:
    message = {"type": "action", "id": 1, "room": "match:1", "kind": "tap", "data": {"x": 1}}
    written = bytes(memoryview(codec.value(json.dumps(message | wrong).encode())))
    with pytest.raises(BadMessage) as caught:
        codec.decode_client(written)
    assert caught.value.code == "bad_message"
    [field] = wrong
    assert f"`$.{field}`" in str(caught.value)


@ANY_CODEC
@pytest.mark.parametrize("name", ["", "a" * 65, "a b", "a\n", "\na", "a.b", "ä"])
def test_a_session_name_is_plain(codec: Codec, name: str) -> None:
    written = bytes(memoryview(codec.value(json.dumps({"type": "hello", "session": name}).encode())))
    with pytest.raises(BadMessage, match=r"`\$\.session`"):
        codec.decode_client(written)


def test_an_error_names_the_invalid_field_or_type() -> None:
    with pytest.raises(BadMessage, match=r"subscribe.*\$\.rooms\[0\]\.last"):
        JSON.decode_client(b'{"type":"subscribe","rooms":[{"room":"a:b","last":-1}]}')
    with pytest.raises(BadMessage, match="'dance'"):
        JSON.decode_client(b'{"type":"dance"}')


def test_the_codecs_are_found_by_their_subprotocols() -> None:
    assert BY_SUBPROTOCOL == {"touchline.v1.json": JSON, "touchline.v1.msgpack": MSGPACK}
    assert [codec.index for codec in CODECS] == [0, 1]
