"""Compressed frames and event streams: a client's own decoder reads the message back, whatever is in it."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from support.client_model import messages_in
from support.event_source import Dispatched, EventSourceParser
from support.generated_messages import plain_values, server_messages
from touchline_protocol.codecs import JSON, MSGPACK, Codec
from touchline_protocol.cursor import Cursor
from touchline_protocol.frames import FIN, RSV1, payload_of
from touchline_protocol.messages import (
    Beat,
    Event,
    Goaway,
    Members,
    MembersChanged,
    Occupancy,
    Replayed,
    ServerMessage,
    Skipped,
    Subscribed,
)
from touchline_protocol.server_codecs import (
    ALL_CODECS,
    DEFLATE_BYTES_MIN,
    EVENT_STREAM,
    JSON_DEFLATE,
    MSGPACK_DEFLATE,
    RETRY_MS_MIN,
    _blocks,
)

EPOCH = "Kx3-0-4"
DEFLATE_CODECS = pytest.mark.parametrize("codec", [JSON_DEFLATE, MSGPACK_DEFLATE], ids=repr)
line_breaks = st.lists(st.sampled_from(("\n", "\r", "\r\n", " ", "\t", "\n\n", "\r\r\n")), max_size=3).map("".join)


def as_websockets_reads_it(framed: bytes) -> bytes:
    """A message's payload, by the library's side of a client that keeps nothing from one message to the next."""
    extension = PerMessageDeflate(
        remote_no_context_takeover=True,
        local_no_context_takeover=True,
        remote_max_window_bits=15,
        local_max_window_bits=15,
    )
    opcode, compressed = Opcode(framed[0] & 0xF), bool(framed[0] & RSV1)
    return bytes(extension.decode(Frame(opcode, payload_of(framed), rsv1=compressed)).data)


def spaced(value: Any, breaks: list[str]) -> str:
    """``value`` as JSON with white space of the producer's own between all tokens."""
    turn = iter(breaks * (2 + 2 * len(json.dumps(value))))

    def written(part: Any) -> str:
        if isinstance(part, dict):
            inner = ",".join(f"{next(turn)}{json.dumps(key)}{next(turn)}:{written(item)}" for key, item in part.items())
            return f"{next(turn)}{{{inner}{next(turn)}}}{next(turn)}"
        if isinstance(part, list):
            return f"{next(turn)}[{','.join(map(written, part))}{next(turn)}]{next(turn)}"
        return next(turn) + json.dumps(part) + next(turn)

    return written(value)


def event(json_value: bytes, codec: Codec = JSON) -> Event:
    return Event(room="score:1", offset=7, prev=3, ts=1_700_000_000_000, data=codec.value(json_value), key="k")


def counting(blocks: Callable[[bytes, int], bytes], sizes: list[int]) -> Callable[[bytes, int], bytes]:
    """``blocks``, which notes how many bytes it was given each time."""

    def noting(data: bytes, level: int) -> bytes:
        sizes.append(len(data))
        return blocks(data, level)

    return noting


def in_pieces(data: bytes, size: int) -> list[Dispatched]:
    parser = EventSourceParser()
    return [block for at in range(0, len(data), size) for block in parser.feed(data[at : at + size])]


@DEFLATE_CODECS
@given(message=server_messages)
def test_a_frame_of_any_message_is_inflated_to_what_the_plain_codec_writes(
    codec: Codec, message: ServerMessage
) -> None:
    framed = codec.frame(message)
    payload = codec.plain.encode(message)
    assert as_websockets_reads_it(framed) == payload
    assert framed[0] & ~RSV1 == FIN | codec.opcode


@DEFLATE_CODECS
def test_a_long_message_is_compressed_and_a_short_one_is_not(codec: Codec) -> None:
    long, short = event(b'"' + b"goal " * DEFLATE_BYTES_MIN + b'"', codec), event(b"1", codec)
    assert codec.frame(long)[0] & RSV1
    assert len(codec.frame(long)) < len(codec.plain.frame(long)) // 4
    assert codec.frame(short) == codec.plain.frame(short)
    assert codec.frame(Beat()) == codec.plain.frame(Beat())


@DEFLATE_CODECS
@given(
    head=st.integers(-1, 2**63 - 1),
    request_id=st.none() | st.integers(0, 2**53 - 1),
    room=st.sampled_from(("score:1", "score:recovered", "score:id", 'score:"id"')),
    values=st.lists(plain_values, max_size=5),
    recent=st.booleans(),
)
def test_a_state_is_what_was_joined_whatever_the_head_and_the_id(
    codec: Codec, head: int, request_id: int | None, room: str, values: list[Any], recent: bool
) -> None:
    events = [Event(room=room, offset=n, prev=None, ts=n, data=value, key="id") for n, value in enumerate(values)]
    message = Subscribed(
        room=room,
        epoch=EPOCH,
        head=head,
        recovered=False,
        state=[] if recent else events,
        recent=events if recent else [],
        id=request_id,
    )
    framed = codec.frame(message)
    assert as_websockets_reads_it(framed) == codec.plain.encode(message)
    assert codec.decode_server(as_websockets_reads_it(framed)) == message


@DEFLATE_CODECS
def test_a_state_that_many_join_is_compressed_once(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    state = [
        Event(room="score:1", offset=n, prev=None, ts=n, data=f"once {codec!r}" * 9, key=f"k{n}") for n in range(9)
    ]
    joined = [
        Subscribed(room="score:1", epoch=EPOCH, head=10**n, recovered=False, state=state, id=10**n) for n in range(6)
    ]
    first = codec.frame(joined[0])
    compressed: list[int] = []
    monkeypatch.setattr("touchline_protocol.server_codecs._blocks", counting(_blocks, compressed))
    for message in joined[1:]:
        assert codec.decode_server(as_websockets_reads_it(codec.frame(message))) == message
    assert max(compressed) < 100 < len(first) < len(codec.plain.frame(joined[0])) // 2


@given(message=server_messages, size=st.integers(1, 50))
def test_any_message_is_one_message_of_the_stream_however_it_is_cut(message: ServerMessage, size: int) -> None:
    if isinstance(message, Subscribed):
        message = msgspec.structs.replace(message, epoch=EPOCH)
    blocks = in_pieces(EVENT_STREAM.frame(message, EPOCH), size)
    if isinstance(message, Beat):
        assert blocks == []
    else:
        assert [JSON.decode_server(block.data.encode()) for block in blocks] == [message]
        is_presence = isinstance(message, Occupancy | Members | MembersChanged)
        assert blocks[0].type == (message.__struct_config__.tag if is_presence else "message")


@given(value=plain_values, breaks=st.lists(line_breaks, min_size=1, max_size=7), size=st.integers(1, 50))
def test_a_value_with_line_breaks_between_its_tokens_is_read_back(value: Any, breaks: list[str], size: int) -> None:
    data = EVENT_STREAM.frame(event(spaced(value, breaks).encode()), EPOCH)
    [block] = in_pieces(data + b": the next\n", size)
    message = JSON.decode_server(block.data.encode())
    assert isinstance(message, Event)
    assert message.data == json.loads(json.dumps(value))
    assert block.id == str(Cursor.at(EPOCH, 7, message.ts))


def test_the_id_of_an_event_is_its_cursor_and_that_of_a_fresh_join_the_head() -> None:
    parser = EventSourceParser()
    fresh = Subscribed(room="score:1", epoch=EPOCH, head=3, recovered=False)
    resumed = Subscribed(room="score:1", epoch=EPOCH, head=90, recovered=True)
    skipped = Skipped(room="score:1", from_=4, to=6, count=2)
    moved = Subscribed(room="score:1", epoch=EPOCH, head=90, recovered=False, after=5, by_time=True)
    dated = Subscribed(room="score:1", epoch=EPOCH, head=3, recovered=False, ts=1_700_000_000_000)
    ids = [
        parser.feed(EVENT_STREAM.frame(message, EPOCH))[0].last_event_id
        for message in (dated, fresh, skipped, event(b"1"), resumed, skipped, moved)
    ]
    assert (
        ids == [f"{EPOCH}.3.1700000000000"] + [str(Cursor(EPOCH, 3))] * 2 + [str(Cursor(EPOCH, 7, event(b"1").ts))] * 4
    )
    [end] = parser.feed(EVENT_STREAM.frame(Replayed(room="score:1", to=90, ts=5), EPOCH))
    assert end.id == f"{EPOCH}.90.5"


def test_an_event_without_its_id_leaves_the_one_before_in_force() -> None:
    parser = EventSourceParser()
    framed = EVENT_STREAM.frame(event(b"1"), EPOCH)
    blocks = parser.feed(framed + EVENT_STREAM.without_id(framed.replace(b"id: ", b"id: x")))
    assert [block.data for block in blocks] == [blocks[0].data] * 2
    assert [block.last_event_id for block in blocks] == [str(Cursor(EPOCH, 7, event(b"1").ts))] * 2
    assert JSON.without_id(JSON.frame(event(b"1"))) == JSON.frame(event(b"1"))


@pytest.mark.parametrize("reconnect_ms", [0, 850, 60_000])
def test_a_goaway_sets_when_to_come_back_and_never_at_once(reconnect_ms: int) -> None:
    parser = EventSourceParser()
    [block] = parser.feed(EVENT_STREAM.frame(Goaway(reconnect_ms=reconnect_ms, reason="stopping")))
    assert parser.retry_ms == RETRY_MS_MIN + reconnect_ms
    assert JSON.decode_server(block.data.encode()) == Goaway(reconnect_ms=reconnect_ms, reason="stopping")


def test_a_beat_is_a_comment() -> None:
    parser = EventSourceParser()
    assert parser.feed(EVENT_STREAM.frame(Beat())) == []
    assert parser.comments == [" beat"]


@pytest.mark.parametrize("codec", ALL_CODECS, ids=repr)
def test_messages_written_one_after_the_other_are_read_one_by_one(codec: Codec) -> None:
    values = [b"1", b'{"a":\r\n"' + b"x" * 300 + b'"}', b"[\n]"]
    data = b"".join(codec.frame(event(value, codec), EPOCH) for value in values)
    messages = messages_in(data, codec)
    assert [message.data for message in messages if isinstance(message, Event)] == [1, {"a": "x" * 300}, []]


def test_every_codec_has_a_place_of_its_own() -> None:
    assert [codec.index for codec in ALL_CODECS] == list(range(len(ALL_CODECS)))
    assert {codec.plain for codec in ALL_CODECS} == {JSON, MSGPACK}
