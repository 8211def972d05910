"""Our own code passes the test vectors that clients in all languages can use."""

import json
from pathlib import Path
from typing import Any, NamedTuple, get_args

import msgspec
import pytest

from support.event_source import EventSourceParser
from support.vector_bytes import bytes_of
from touchline_protocol import codes
from touchline_protocol.actions import action_headers, decode_action, encode_action, json_data
from touchline_protocol.codecs import JSON, MSGPACK, Codec
from touchline_protocol.cursor import Cursor
from touchline_protocol.errors import BadMessage, BadRecord, BadRoom, PeerError
from touchline_protocol.frames import close_frame, frame, payload_of
from touchline_protocol.messages import Action, ClientMessage, Message, ServerMessage
from touchline_protocol.records import REASONS, parse_record
from touchline_protocol.rooms import split_room
from touchline_protocol.server_codecs import EVENT_STREAM
from touchline_protocol.tracing.traceparent import header_traceparent, traceparent_of
from touchline_protocol.verdicts import VerdictRecord, decode_verdict

FOLDER = Path(__file__).parents[2] / "protocol" / "vectors"
MESSAGE_FILES = sorted(FOLDER.glob("message-*.json"))


def read(name: str) -> Any:
    """A file of vectors."""
    return json.loads((FOLDER / name).read_text("utf-8"))


def cases(files: list[Path], part: str) -> list[Any]:
    """The vectors of one part of several files, each with its file's sender of messages."""
    return [
        pytest.param(vectors["sent_by"], vector, id=f"{path.stem}: {vector['about']}")
        for path in files
        for vectors in [read(path.name)]
        for vector in vectors[part]
    ]


def struct_of(sent_by: str, message: Any, codec: Codec = JSON) -> ClientMessage | ServerMessage:
    """The struct for a vector's message, as it is written and read by ``codec``."""
    kind: Any = ClientMessage if sent_by == "client" else ServerMessage
    if message["type"] == "action" and "data" in message:
        without_data = {name: value for name, value in message.items() if name != "data"}
        action: Action = msgspec.convert(without_data, kind)
        return msgspec.structs.replace(action, data=codec.value(msgspec.json.encode(message["data"])))
    return msgspec.convert(message, kind)  # type: ignore[no-any-return]


def decoded(codec: Any, sent_by: str, payload: bytes) -> Message:
    """The message in ``payload``, read as its receiver does."""
    read_message = codec.decode_client if sent_by == "client" else codec.decode_server
    return read_message(payload)  # type: ignore[no-any-return]


@pytest.mark.parametrize(("sent_by", "vector"), cases(MESSAGE_FILES, "valid"))
def test_a_message_is_written_and_read_as_its_vector_says(sent_by: str, vector: dict[str, Any]) -> None:
    assert json.loads(vector["json"]) == vector["message"]
    for codec, payload in ((JSON, vector["json"].encode()), (MSGPACK, bytes.fromhex(vector["msgpack"]))):
        message = struct_of(sent_by, vector["message"], codec)
        assert codec.encode(message) == payload
        assert decoded(codec, sent_by, payload) == message


@pytest.mark.parametrize(("sent_by", "vector"), cases(MESSAGE_FILES, "read_as"))
def test_other_ways_to_write_a_message_are_read_the_same(sent_by: str, vector: dict[str, Any]) -> None:
    assert decoded(JSON, sent_by, vector["json"].encode()) == struct_of(sent_by, vector["message"])


def assert_refused(sent_by: str, vector: dict[str, Any]) -> None:
    """Reading the vector's bytes ends in its code."""
    in_json = "json" in vector
    payload = vector["json"].encode() if in_json else bytes.fromhex(vector["msgpack"])
    with pytest.raises(BadMessage) as caught:
        decoded(JSON if in_json else MSGPACK, sent_by, payload)
    assert caught.value.code == vector["code"]


@pytest.mark.parametrize(("sent_by", "vector"), cases(MESSAGE_FILES, "invalid"))
def test_a_wrong_message_is_refused_with_its_code(sent_by: str, vector: dict[str, Any]) -> None:
    assert_refused(sent_by, vector)


@pytest.mark.parametrize("vector", read("other-messages.json")["invalid"], ids=lambda vector: vector["about"])
@pytest.mark.parametrize("sent_by", ["client", "server"])
def test_invalid_messages_are_refused_with_their_code(sent_by: str, vector: dict[str, Any]) -> None:
    assert_refused(sent_by, vector)


def test_every_message_type_has_a_file_that_names_its_sender() -> None:
    files = {path.stem.removeprefix("message-"): read(path.name) for path in MESSAGE_FILES}
    assert {tag: file["type"] for tag, file in files.items()} == {tag: tag for tag in files}
    for sent_by, kinds in (("client", ClientMessage), ("server", ServerMessage)):
        tags = {kind.__struct_config__.tag for kind in get_args(kinds)}
        assert {tag for tag, file in files.items() if file["sent_by"] == sent_by} == tags
    assert all(file["valid"] for file in files.values())


def test_every_field_of_every_message_is_in_a_vector() -> None:
    for path in MESSAGE_FILES:
        vectors = read(path.name)
        kind = type(struct_of(vectors["sent_by"], vectors["valid"][0]["message"]))
        written = {field for vector in vectors["valid"] for field in vector["message"]}
        assert written == {"type", *kind.__struct_encode_fields__}


def test_every_error_code_is_in_a_vector_of_the_error_message() -> None:
    assert [vector["message"]["code"] for vector in read("message-error.json")["valid"]] == list(codes.ERRORS)


def test_every_nack_code_is_in_a_vector_of_the_nack_message() -> None:
    assert [vector["message"]["code"] for vector in read("message-nack.json")["valid"]] == list(codes.NACKS)


def test_the_codes_and_what_a_client_does_after_each_are_those_of_the_table() -> None:
    vectors = read("codes.json")
    assert vectors["errors"] == [
        {"code": error.code, "recovery": error.recovery.value} for error in codes.ERRORS.values()
    ]
    assert vectors["nacks"] == [{"code": nack.code, "recovery": nack.recovery.value} for nack in codes.NACKS.values()]
    assert vectors["closes"] == [
        {"code": close.code, "name": close.name, "recovery": close.recovery.value} for close in codes.CLOSES.values()
    ]
    for other in vectors["other_closes"]:
        assert other["code"] not in codes.CLOSES
        assert codes.recovery_of_close(other["code"]).value == other["recovery"]


@pytest.mark.parametrize("vector", read("values.json")["values"], ids=lambda vector: vector["about"])
def test_a_json_value_becomes_the_msgpack_of_its_vector(vector: dict[str, Any]) -> None:
    assert bytes(MSGPACK.value(vector["json"].encode())) == bytes.fromhex(vector["msgpack"])


@pytest.mark.parametrize("vector", read("frames.json")["frames"], ids=lambda vector: vector["head"])
def test_a_frame_is_its_head_and_its_payload(vector: dict[str, Any]) -> None:
    payload = bytes.fromhex(vector["payload_byte"]) * vector["payload_length"]
    framed = bytes.fromhex(vector["head"]) + payload
    assert frame(vector["opcode"], payload) == framed
    assert payload_of(framed) == payload


def test_frames_of_every_boundary_length_have_a_vector() -> None:
    vectors = read("frames.json")["frames"]
    lengths = {(vector["opcode"], vector["payload_length"]) for vector in vectors}
    assert {(opcode, length) for opcode in (1, 2) for length in (0, 125, 126, 65535, 65536)} <= lengths


@pytest.mark.parametrize("vector", read("frames.json")["close_frames"], ids=lambda vector: vector["frame"][:20][:40])
def test_a_close_frame_is_that_of_its_vector(vector: dict[str, Any]) -> None:
    assert close_frame(vector["code"], vector["reason"]) == bytes.fromhex(vector["frame"])


@pytest.mark.parametrize("vector", read("event-stream.json")["blocks"], ids=lambda vector: vector["about"])
def test_a_message_is_the_block_of_its_vector(vector: dict[str, Any]) -> None:
    message = struct_of("server", vector["message"])
    assert EVENT_STREAM.frame(message, vector["epoch"]) == vector["block"].encode()
    read_back = [block.data for block in EventSourceParser().feed(vector["block"].encode())]
    assert [JSON.decode_server(data.encode()) for data in read_back] == [message] * (
        vector["message"]["type"] != "beat"
    )


@pytest.mark.parametrize("vector", read("event-stream.json")["read_as"], ids=lambda vector: vector["about"])
def test_other_streams_are_read_the_same(vector: dict[str, Any]) -> None:
    [block] = EventSourceParser().feed(vector["stream"].encode())
    assert JSON.decode_server(block.data.encode()) == struct_of("server", vector["message"])
    assert block.last_event_id == vector["last_event_id"]


@pytest.mark.parametrize("vector", read("rooms.json")["valid"], ids=lambda vector: vector["room"][:20][:40])
def test_a_room_name_is_split_as_its_vector_says(vector: dict[str, Any]) -> None:
    assert split_room(vector["room"]) == (vector["feed"], vector["id"])


@pytest.mark.parametrize("vector", read("rooms.json")["invalid"], ids=lambda vector: vector["about"])
def test_a_wrong_room_name_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(BadRoom):
        split_room(vector["room"])


@pytest.mark.parametrize("vector", read("cursors.json")["valid"], ids=lambda vector: vector["cursor"])
def test_a_cursor_is_read_and_written_as_its_vector_says(vector: dict[str, Any]) -> None:
    cursor = Cursor(vector["epoch"], vector["offset"], vector.get("ts"))
    assert Cursor.parse(vector["cursor"]) == cursor
    assert str(cursor) == vector["cursor"]


@pytest.mark.parametrize("vector", read("cursors.json")["invalid"], ids=lambda vector: vector["about"])
def test_a_wrong_cursor_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(PeerError):
        Cursor.parse(vector["cursor"])


class StoredRecord(NamedTuple):
    """A record as a log returns it."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, Any]]
    offset: int = 0
    timestamp: int = 0


@pytest.mark.parametrize("vector", read("records.json")["records"], ids=lambda vector: vector["about"])
def test_a_record_is_the_event_of_its_vector_or_bad_for_its_reason(vector: dict[str, Any]) -> None:
    headers = [(name, bytes_of(value)) for name, value in vector["headers"]]
    record = StoredRecord(bytes_of(vector["key"]), bytes_of(vector["value"]), headers)
    if "reason" in vector:
        with pytest.raises(BadRecord) as caught:
            parse_record(record, vector["key_field"])
        assert caught.value.reason == vector["reason"]
    else:
        assert header_traceparent(record.headers) == vector["event"].get("traceparent")
        parsed = parse_record(record, vector["key_field"])
        assert parsed._replace(value=b"") == (vector["event"]["room_id"], vector["event"]["key"], b"")
        assert parsed.value.decode() == vector["event"]["value"]


def test_every_reason_for_a_bad_record_has_a_vector() -> None:
    assert {vector["reason"] for vector in read("records.json")["records"] if "reason" in vector} == set(REASONS)


@pytest.mark.parametrize("vector", read("traceparents.json")["valid"], ids=lambda vector: vector["about"])
def test_a_traceparent_is_that_of_its_vector(vector: dict[str, Any]) -> None:
    assert traceparent_of(vector["header"]) == vector["traceparent"]


@pytest.mark.parametrize("vector", read("traceparents.json")["invalid"], ids=lambda vector: vector["about"])
def test_an_invalid_traceparent_is_ignored(vector: dict[str, Any]) -> None:
    assert traceparent_of(vector["header"]) is None
    assert header_traceparent([("traceparent", vector["header"].encode())]) is None


@pytest.mark.parametrize("vector", read("action-data.json")["data"], ids=lambda vector: vector["about"])
def test_an_actions_data_is_the_json_of_its_vector_or_bad_for_its_reason(vector: dict[str, Any]) -> None:
    codec, data = (JSON, vector["json"].encode()) if "json" in vector else (MSGPACK, bytes.fromhex(vector["msgpack"]))
    if "reason" in vector:
        with pytest.raises(BadRecord) as caught:
            json_data(codec, msgspec.Raw(data))
        assert caught.value.reason == vector["reason"]
    else:
        assert json_data(codec, msgspec.Raw(data)).decode() == vector["in_log"]


@pytest.mark.parametrize("vector", read("player-records.json")["actions"], ids=lambda vector: vector["about"])
def test_a_record_is_the_action_of_its_vector_or_bad_for_its_reason(vector: dict[str, Any]) -> None:
    value = bytes_of(vector["value"])
    if "reason" in vector:
        with pytest.raises(BadRecord) as caught:
            decode_action(value)
        assert caught.value.reason == vector["reason"]
        return
    action = decode_action(value)
    assert json.loads(encode_action(action)) == vector["action"]
    if "headers" in vector:
        assert encode_action(action) == value
        assert action_headers(action, vector.get("traceparent")) == [
            (name, bytes_of(header)) for name, header in vector["headers"]
        ]
        assert action.player.encode() == bytes_of(vector["key"])


@pytest.mark.parametrize("vector", read("player-records.json")["verdicts"], ids=lambda vector: vector["about"])
def test_a_record_is_the_verdict_of_its_vector_or_bad_for_its_reason(vector: dict[str, Any]) -> None:
    key, value = bytes_of(vector["key"]), bytes_of(vector["value"])
    if "reason" in vector:
        with pytest.raises(BadRecord) as caught:
            decode_verdict(key, value)
        assert caught.value.reason == vector["reason"]
    else:
        assert decode_verdict(key, value) == (vector["player"], VerdictRecord(**vector["verdict"]))
