"""Player actions, from the message to the record in the log and out of it again."""

import json
from typing import Any, cast

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from support.generated_messages import (
    action_ids,
    action_kinds,
    integers_64_bits,
    json_of,
    plain_values,
    session_names,
    text,
)
from touchline_protocol.actions import (
    ActionRecord,
    action_headers,
    decode_action,
    encode_action,
    is_player,
    json_data,
    read_data,
)
from touchline_protocol.codecs import CODECS, JSON, MSGPACK, Codec
from touchline_protocol.errors import BadMessage, BadRecord
from touchline_protocol.limits import JSON_DEPTH_MAX, ROOM_ID_BYTES_MAX
from touchline_protocol.messages import Action

ANY_CODEC = pytest.mark.parametrize("codec", CODECS, ids=repr)
HEAD = {
    JSON: JSON.encode(Action(id=1, room="match:1", kind="tap", data=msgspec.Raw(b"1")))[:-2],
    MSGPACK: MSGPACK.encode(Action(id=1, room="match:1", kind="tap", data=msgspec.Raw(b"\x01")))[:-1],
}
TAIL = {JSON: b"}", MSGPACK: b""}


def received(codec: Codec, data: bytes) -> msgspec.Raw:
    """``data``, in the codec's bytes, as it comes in an action.

    Raises:
        BadMessage: the codec refuses the message as a whole.
    """
    return cast(Action, codec.decode_client(HEAD[codec] + data + TAIL[codec])).data


def record_with(data: bytes) -> ActionRecord:
    """A record of an action with ``data``, which is JSON."""
    return ActionRecord(
        player="ada",
        room="match:1",
        kind="tap",
        data=msgspec.Raw(data),
        session="s-1",
        id=7,
        received_ms=1_700_000_000_000,
        edge="edge-1",
    )


@ANY_CODEC
def test_absent_data_is_null(codec: Codec) -> None:
    action = codec.decode_client(codec.encode(Action(id=1, room="match:1", kind="tap")))
    assert json_data(codec, cast(Action, action).data) == b"null"


@ANY_CODEC
@given(value=plain_values)
def test_data_that_both_formats_can_represent_becomes_equal_json(codec: Codec, value: Any) -> None:
    data = bytes(memoryview(codec.value(msgspec.json.encode(value))))
    assert msgspec.json.decode(json_data(codec, received(codec, data))) == value


@pytest.mark.parametrize(
    "data", [b'{ "a" : 1.50,\n"a":2}', b"18446744073709551615", b"-0", b"1e308", '"é\\u0000"'.encode()]
)
def test_json_is_passed_on_byte_for_byte(data: bytes) -> None:
    assert json_data(JSON, received(JSON, data)) == data


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xc4\x01a", id="bytes"),
        pytest.param(b"\xd4\x05a", id="an extension"),
        pytest.param(b"\xd6\xff\x00\x00\x00\x01", id="a timestamp"),
        pytest.param(b"\x81\x01\x02", id="an integer key"),
        pytest.param(b"\x81\xa1a\x91\x81\xc0\x02", id="a null key further in"),
        pytest.param(b"\x81\x80\x01", id="a key that is a map"),
        pytest.param(b"\xa1\xff", id="text that is not UTF-8"),
        pytest.param(b"\x81\xa1\xff\x01", id="a key that is not UTF-8"),
        pytest.param(b"\xcb\x7f\xf8" + bytes(6), id="NaN"),
        pytest.param(b"\x91\xcb\xff\xf0" + bytes(6), id="minus infinity"),
        pytest.param(b"\xca\x7f\x80\x00\x00", id="infinity"),
    ],
)
def test_msgpack_that_json_cannot_represent_is_refused(data: bytes) -> None:
    with pytest.raises(BadRecord) as caught:
        json_data(MSGPACK, received(MSGPACK, data))
    assert caught.value.reason == "not_json"


@pytest.mark.parametrize("data", [b'"\xff"', b'{"\xed\xa0\x80":1}'])
def test_json_that_is_not_utf_8_is_refused(data: bytes) -> None:
    with pytest.raises(BadRecord) as caught:
        json_data(JSON, received(JSON, data))
    assert caught.value.reason == "not_json"


@pytest.mark.parametrize(
    "data", [b"1e400", b"[-1e309]", b"18446744073709551616", b"-9223372036854775809", b"1" * 60, b"9" * 5000]
)
def test_json_numbers_that_some_readers_could_not_represent_are_refused(data: bytes) -> None:
    with pytest.raises(BadRecord) as caught:
        json_data(JSON, received(JSON, data))
    assert caught.value.reason == "not_json"
    with pytest.raises(BadRecord) as in_log:
        decode_action(encode_action(record_with(data)))
    assert in_log.value.reason == "bad_action"


@pytest.mark.parametrize("data", [b'{"a":}', b"[1,]", b"NaN", b"-Infinity", b'"\\ud800"', b"", b"'a'", b"nul"])
def test_invalid_json_is_neither_a_message_nor_data(data: bytes) -> None:
    with pytest.raises(BadMessage):
        received(JSON, data)
    if data:
        with pytest.raises(BadRecord):
            json_data(JSON, msgspec.Raw(data))


NESTED = [
    (JSON, b"[", b"[]", b"]"),
    (JSON, b'{"a":', b"{}", b"}"),
    (MSGPACK, b"\x91", b"\x90", b""),
    (MSGPACK, b"\x81\xa1a", b"\x80", b""),
]


@pytest.mark.parametrize(("codec", "opening", "innermost", "closing"), NESTED)
def test_data_may_be_nested_to_the_limit_and_no_deeper(
    codec: Codec, opening: bytes, innermost: bytes, closing: bytes
) -> None:
    def nested(levels: int) -> msgspec.Raw:
        return msgspec.Raw(opening * (levels - 1) + innermost + closing * (levels - 1))

    in_json = json_data(codec, nested(JSON_DEPTH_MAX))
    read_data(decode_action(encode_action(record_with(in_json))))
    for levels in (JSON_DEPTH_MAX + 1, 20_000):
        with pytest.raises(BadRecord, match=str(JSON_DEPTH_MAX)) as caught:
            json_data(codec, nested(levels))
        assert caught.value.reason == "too_deep"


MSGPACK_PARTS = (
    *(b"\x81", b"\x82", b"\x91", b"\x92", b"\xa1", b"a", b"\xc0", b"\xc1", b"\xc3", b"\xc4\x01", b"\xcb", b"\xca"),
    *(b"\xcf", b"\xd3", b"\xd4", b"\xd6\xff", b"\xc7\x0c\xff", b"\x7f\xf8", b"\x01", b"\xff", bytes(4)),
)
msgpack_like = st.lists(st.sampled_from(MSGPACK_PARTS), max_size=12).map(b"".join)
json_like = st.text(st.sampled_from('[]{}",:0129.-+eE \ntrufalsn\\udD8é\x00'), max_size=24).map(str.encode)


@ANY_CODEC
@given(data=st.binary(max_size=30) | msgpack_like | json_like)
@example(data=b'"\xc3"')
def test_any_data_of_an_action_becomes_the_same_value_for_every_reader_or_an_error(codec: Codec, data: bytes) -> None:
    try:
        in_json = json_data(codec, received(codec, data))
    except (BadMessage, BadRecord) as error:
        str(error).encode()
        return
    record = decode_action(encode_action(record_with(in_json)))
    assert bytes(record.data) == in_json
    assert read_data(record) == json.loads(in_json, parse_constant=pytest.fail)


@ANY_CODEC
@given(data=st.binary(max_size=30) | msgpack_like | json_like)
def test_bytes_that_no_decoder_has_seen_are_json_or_a_bad_record(codec: Codec, data: bytes) -> None:
    try:
        reason = json_data(codec, msgspec.Raw(data)) and "none"
    except BadRecord as error:
        reason = error.reason
    assert reason in ("none", "not_json", "too_deep")


players = st.text(min_size=1, max_size=60).filter(is_player)
any_json = json_of(
    st.none() | st.booleans() | integers_64_bits | st.floats(allow_nan=False, allow_infinity=False) | text, text
).map(msgspec.json.encode)
records = st.builds(
    ActionRecord,
    player=players,
    room=text,
    kind=action_kinds,
    data=any_json.map(msgspec.Raw),
    session=session_names,
    id=action_ids,
    received_ms=integers_64_bits,
    edge=text,
    clock=text,
)


@given(record=records)
def test_a_record_is_read_as_it_was_written(record: ActionRecord) -> None:
    value = encode_action(record)
    assert decode_action(value) == record
    assert json.loads(value)["data"] == json.loads(bytes(record.data))


@given(record=records)
def test_the_headers_repeat_the_value(record: ActionRecord) -> None:
    headers = dict(action_headers(record))
    assert {name: value.decode() for name, value in headers.items()} == {
        "room": record.room,
        "kind": record.kind,
        "session": record.session,
        "id": str(record.id),
    }


def test_a_reader_ignores_fields_that_it_does_not_know() -> None:
    value = encode_action(record_with(b"null"))
    assert decode_action(value[:-1] + b',"weather":"fine"}') == decode_action(value)


@given(value=st.none() | st.binary(max_size=40) | json_like)
def test_any_value_is_an_action_or_a_bad_record(value: bytes | None) -> None:
    with pytest.raises(BadRecord) as caught:
        decode_action(value)
    assert caught.value.reason == "bad_action"


@pytest.mark.parametrize(
    "wrong",
    [
        {"player": ""},
        {"player": "a b"},
        {"player": "\ud800"},
        {"id": 0},
        {"id": 2**53},
        {"id": 1.5},
        {"session": "s 1"},
        {"kind": ""},
        {"received_ms": None},
        {"room": 1},
        {"data": "\ud800"},
    ],
)
def test_a_value_with_an_invalid_field_is_a_bad_record(wrong: dict[str, Any]) -> None:
    right = json.loads(encode_action(record_with(b"null")))
    decode_action(json.dumps(right).encode())
    with pytest.raises(BadRecord):
        decode_action(json.dumps(right | wrong).encode())


@pytest.mark.parametrize("data", [b'"\xff"', b"[" * 300 + b"]" * 300, b"[" * 50_000 + b"]" * 50_000])
def test_a_value_with_data_that_nobody_could_read_is_a_bad_record(data: bytes) -> None:
    with pytest.raises(BadRecord):
        decode_action(encode_action(record_with(data)))


@given(player=st.text(st.characters()))
def test_a_players_id_can_be_a_records_key(player: str) -> None:
    if is_player(player):
        assert 0 < len(player.encode()) <= ROOM_ID_BYTES_MAX
        assert not any(char.isspace() for char in player)


@pytest.mark.parametrize("player", ["ada", "auth0|5f7c8ec7c33c6c004bbafe82", "ada@example.org", "é" * 64])
def test_valid_player_ids(player: str) -> None:
    assert is_player(player)


@pytest.mark.parametrize("player", ["", "é" * 65, "ada lovelace", "ada\n", "\ud800"])
def test_invalid_player_ids(player: str) -> None:
    assert not is_player(player)
