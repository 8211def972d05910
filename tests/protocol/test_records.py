"""Records become events: anything in a topic is either an event or a counted error."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_protocol.codecs import JSON, MSGPACK
from touchline_protocol.errors import BadRecord
from touchline_protocol.limits import EVENT_VALUE_BYTES_MAX, JSON_DEPTH_MAX
from touchline_protocol.messages import Event
from touchline_protocol.records import REASONS, EventRecord, check_value, headers_for, is_event_key, parse_record


class StoredRecord(NamedTuple):
    """A record as a log returns it."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    offset: int = 0
    timestamp: int = 0


def parsed_or_bad(record: StoredRecord, key_field: str | None) -> EventRecord | BadRecord:
    """The content of a record, or its error; any other exception is a failure."""
    try:
        return parse_record(record, key_field)
    except BadRecord as error:
        return error


def strict_json(text: str) -> Any:
    """Parse JSON as RFC 8259 defines it, with the standard library."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    return json.loads(text, parse_int=float, parse_constant=refuse)


json_like = st.text(st.sampled_from('[]{}",:0129.-+eE \n\ttrufalsn\\udD8é\x00'), max_size=24)
values = st.none() | st.binary(max_size=40) | json_like.map(str.encode) | st.just(b'{"k":"score"}')
keys = st.none() | st.binary(max_size=10) | st.binary(min_size=120, max_size=140) | st.just(b"15946")
headers = st.lists(
    st.tuples(st.sampled_from(["key", "trace"]), st.binary(max_size=8) | st.binary(min_size=129, max_size=130)),
    max_size=3,
)


@given(key=keys, value=values, headers=headers, key_field=st.sampled_from([None, "k"]))
def test_any_record_is_an_event_that_both_codecs_can_send_or_a_bad_record(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]], key_field: str | None
) -> None:
    parsed = parsed_or_bad(StoredRecord(key, value, headers), key_field)
    if isinstance(parsed, BadRecord):
        assert str(parsed).startswith(REASONS[parsed.reason])
        return
    assert parsed.room_id.encode() == key
    for codec in (JSON, MSGPACK):
        event = Event(
            room=f"score:{parsed.room_id}", offset=0, prev=None, ts=0, data=codec.value(parsed.value), key=parsed.key
        )
        read = codec.decode_server(codec.encode(event))
        assert isinstance(read, Event)
        assert read.key == parsed.key


@given(text=json_like)
def test_a_value_is_accepted_exactly_if_the_standard_calls_it_json(text: str) -> None:
    try:
        strict_json(text)
    except ValueError:
        with pytest.raises(BadRecord):
            check_value(text.encode())
    else:
        check_value(text.encode())


@given(depth=st.integers(JSON_DEPTH_MAX - 2, JSON_DEPTH_MAX + 2), noise=st.sampled_from(['"[{"', r'"\"[["', "[]"]))
def test_the_depth_of_a_value_is_measured_outside_of_its_strings(depth: int, noise: str) -> None:
    value = ("[" * (depth - 1) + f"[{noise}]" + "]" * (depth - 1)).encode()
    deepest = depth + (noise == "[]")
    if deepest > JSON_DEPTH_MAX:
        with pytest.raises(BadRecord) as caught:
            check_value(value)
        assert caught.value.reason == "too_deep"
    else:
        check_value(value)


def test_a_value_may_be_as_large_as_the_limit() -> None:
    check_value(b'"' + b"a" * (EVENT_VALUE_BYTES_MAX - 2) + b'"')
    with pytest.raises(BadRecord, match=f"{EVENT_VALUE_BYTES_MAX + 1}.*{EVENT_VALUE_BYTES_MAX}") as caught:
        check_value(b'"' + b"a" * (EVENT_VALUE_BYTES_MAX - 1) + b'"')
    assert caught.value.reason == "too_large"


@given(key=st.none() | st.text().filter(is_event_key))
def test_a_key_in_a_header_is_read_back(key: str | None) -> None:
    assert parse_record(StoredRecord(b"1", b"1", headers_for(key))).key == key


def test_valid_and_invalid_event_keys() -> None:
    assert is_event_key("player 7")
    assert is_event_key("é" * 64)
    assert not is_event_key("")
    assert not is_event_key("é" * 65)
    assert not is_event_key("\ud800")
