"""Limits of what a client receives hold on the wire, whatever characters there are, in every codec."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.client_model import inflated, messages_in
from support.core_edge import HUB, CoreClient, CoreEdge, LogRecord
from support.thoroughness import examples
from touchline_protocol.codecs import JSON, MSGPACK, Codec
from touchline_protocol.limits import (
    EVENT_KEY_BYTES_MAX,
    EVENT_VALUE_BYTES_MAX,
    RECENT_BYTES_MAX,
    RECENT_EVENTS_MAX,
    ROOM_ID_BYTES_MAX,
)
from touchline_protocol.messages import RoomRequest, Subscribe, Subscribed
from touchline_protocol.records import is_event_key
from touchline_protocol.rooms import is_room_id
from touchline_protocol.server_codecs import ALL_CODECS, EVENT_STREAM

STATE_BYTES_MAX = 8_192
NASTY_CHARS = '"\\\0\x01\x1f\x7f\n\r\té€\u2028\u2029😀🏴'

texts = st.text(st.sampled_from(NASTY_CHARS) | st.characters(exclude_categories=["Cs"]), max_size=60)
keys = st.builds(lambda text, number: f"{text}{number}", texts, st.integers(0, 999)).filter(is_event_key)
room_ids = texts.filter(is_room_id) | st.just('"' * ROOM_ID_BYTES_MAX).filter(is_room_id)
numbers = st.sampled_from(
    ["0", "-0", "1e5", "1E5", "0e0", "-1.5", "0.1", "1e400", "-129", "65536", "4294967296", "9999999999999999999999"]
)
strings = texts.map(lambda text: json.dumps(text, ensure_ascii=False)) | texts.map(json.dumps) | st.just('"\\ud800"')


def containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    gap = st.sampled_from(("", " ", "\n", "\r\n", "\n\n\n\t"))
    lists = st.builds(lambda items, space: f"[{space}{(',' + space).join(items)}]", st.lists(inner, max_size=20), gap)
    pairs = st.builds(lambda name, value: f"{name}:{value}", texts.map(json.dumps), inner)
    objects = st.builds(lambda items, space: f"{{{(space + ',').join(items)}}}", st.lists(pairs, max_size=20), gap)
    return lists | objects


values = st.recursive(st.just("null") | st.just("true") | numbers | strings, containers, max_leaves=30).map(str.encode)


class Raw(CoreClient):
    """A client that keeps what was written to it."""

    def __init__(self, edge: CoreEdge, codec: Codec) -> None:
        self.written = b""
        super().__init__(edge, codec)
        self.greet()
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def joined(self, room: str, last: int = 0) -> tuple[Subscribed, bytes]:
        """Join a room; returns the answer, and the payload that it came in."""
        self.send(Subscribe(rooms=[RoomRequest(room=room, last=last)]))
        self.edge.run()
        (message,) = messages_in(self.written, self.codec)
        assert isinstance(message, Subscribed)
        if self.codec is EVENT_STREAM:
            lines = [line for line in self.written.split(b"\n") if line.startswith(b"data: ")]
            return message, b"\n".join(lines)
        return message, inflated(self.written)


def bytes_of(codec: Codec, message: Subscribed, payload: bytes, **without: Any) -> int:
    """What a part of a message takes: its payload, less what it would be without."""
    rest = msgspec.structs.replace(message, **{name: [] for name in without} | without)
    return len(payload) - len(codec.plain.encode(rest))


def edge_with(room: str, events: Sequence[tuple[str | None, bytes]]) -> CoreEdge:
    edge = CoreEdge(hub=HUB._replace(state_bytes_max=STATE_BYTES_MAX, window_bytes_max=1 << 30))
    largest = 2**53
    edge.ingest(
        *(
            LogRecord(largest + number, value, [] if key is None else [("key", key.encode())], room.encode(), largest)
            for number, (key, value) in enumerate(events)
        )
    )
    edge.flush()
    return edge


@settings(max_examples=examples(0.6))
@given(room=room_ids, events=st.lists(st.tuples(keys, values), min_size=1, max_size=30))
def test_a_state_takes_no_more_on_the_wire_than_its_limit(room: str, events: list[tuple[str, bytes]]) -> None:
    edge = edge_with(room, events)
    for codec in (JSON, MSGPACK, EVENT_STREAM):
        message, payload = Raw(edge, codec).joined(f"score:{room}")
        assert bytes_of(codec, message, payload, state=[]) <= STATE_BYTES_MAX
        assert b"\n" not in payload or codec is not EVENT_STREAM


FULL = {
    "quotes in keys": [('"' * 120 + f"{n}", b"1") for n in range(200)],
    "control characters in keys": [("\x01" * 120 + f"{n}", b"1") for n in range(200)],
    "floats": [(f"k{n}", b"[" + b"1.5," * 200 + b"1e5]") for n in range(20)],
    "line breaks": [(f"k{n}", b"[" + b"\n" * 500 + b"1]") for n in range(40)],
    "escapes": [(f"k{n}", b'"' + b"\\u0000" * 100 + b'"') for n in range(40)],
    "many small ones": [(f"{n}", b"1") for n in range(1_000)],
}


@pytest.mark.parametrize("codec", ALL_CODECS, ids=lambda codec: f"{codec!r}{codec.index}")
@pytest.mark.parametrize("what", FULL)
def test_a_full_state_keeps_to_its_limit_and_makes_use_of_it(what: str, codec: Codec) -> None:
    message, payload = Raw(edge_with("1", FULL[what]), codec).joined("score:1")
    assert message.state_complete is False
    taken = bytes_of(codec, message, payload, state=[])
    assert taken <= STATE_BYTES_MAX
    if what != "floats" and codec.plain is JSON and codec is not EVENT_STREAM:
        assert taken > STATE_BYTES_MAX * 0.6


@pytest.mark.parametrize("codec", ALL_CODECS, ids=lambda codec: f"{codec!r}{codec.index}")
@pytest.mark.parametrize("what", ["floats", "line breaks", "quotes"])
def test_recent_events_take_no_more_on_the_wire_than_their_limit(what: str, codec: Codec) -> None:
    value = {"floats": b"[" + b"1.5," * 60_000 + b"1e5]", "line breaks": b"[" + b"\n" * 250_000 + b"1]"}.get(
        what, b'"' + b'\\"' * 120_000 + b'"'
    )
    assert len(value) <= EVENT_VALUE_BYTES_MAX
    message, payload = Raw(edge_with("1", [(None, value)] * 8), codec).joined("score:1", last=RECENT_EVENTS_MAX)
    assert message.recent
    assert bytes_of(codec, message, payload, recent=[]) <= RECENT_BYTES_MAX


@given(text=texts, padding=st.integers(0, 3))
def test_names_are_measured_in_bytes_of_utf_8(text: str, padding: int) -> None:
    for limit, is_valid in ((ROOM_ID_BYTES_MAX, is_room_id), (EVENT_KEY_BYTES_MAX, is_event_key)):
        largest = text * (limit // max(1, len(text.encode())) if text else 0)
        largest += "x" * (limit - len(largest.encode()))
        if is_valid(text) or (text and is_valid(largest)):
            assert is_valid(largest)
            assert not is_valid(largest + "x" * (padding + 1))
