"""Frames: the bytes that websockets would send, for every kind of length."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode

from touchline_protocol.codecs import CODECS, Codec
from touchline_protocol.frames import OP_BINARY, OP_TEXT, close_frame, frame, payload_of
from touchline_protocol.messages import Beat

LENGTHS = [0, 1, 125, 126, 127, 65535, 65536, 70_000]
opcodes = st.sampled_from([OP_TEXT, OP_BINARY])


def as_websockets_sends_it(opcode: int, payload: bytes) -> bytes:
    """The same frame as the library makes it for a server."""
    return Frame(Opcode(opcode), payload).serialize(mask=False)


@pytest.mark.parametrize("opcode", [OP_TEXT, OP_BINARY])
@pytest.mark.parametrize("length", LENGTHS)
def test_a_frame_is_what_websockets_sends(opcode: int, length: int) -> None:
    payload = b"x" * length
    assert frame(opcode, payload) == as_websockets_sends_it(opcode, payload)
    assert payload_of(frame(opcode, payload)) == payload


@given(opcode=opcodes, payload=st.binary(max_size=300))
def test_a_frame_of_any_payload_is_what_websockets_sends(opcode: int, payload: bytes) -> None:
    assert frame(opcode, payload) == as_websockets_sends_it(opcode, payload)
    assert payload_of(frame(opcode, payload)) == payload


@pytest.mark.parametrize("codec", CODECS, ids=repr)
def test_a_codec_frames_its_messages_in_its_own_kind_of_frame(codec: Codec) -> None:
    assert codec.frame(Beat()) == as_websockets_sends_it(codec.opcode, codec.encode(Beat()))
    assert codec.opcode == (OP_TEXT if codec.name == "json" else OP_BINARY)


@given(code=st.sampled_from([1000, 1001, 4000, 4500, 4999]), reason=st.text(st.characters(codec="utf-8"), max_size=30))
def test_a_close_frame_is_what_websockets_sends(code: int, reason: str) -> None:
    assert len(reason.encode()) <= 123
    assert close_frame(code, reason) == as_websockets_sends_it(Opcode.CLOSE, Close(code, reason).serialize())


@given(code=st.integers(4000, 4999), reason=st.text(st.characters(codec="utf-8"), min_size=30, max_size=200))
def test_a_long_close_reason_is_cut_at_a_whole_character(code: int, reason: str) -> None:
    payload = payload_of(close_frame(code, reason))
    assert struct.unpack("!H", payload[:2]) == (code,)
    said = payload[2:].decode()
    assert reason.startswith(said)
    left_out = reason[len(said) :]
    assert len(payload) <= 125
    assert not left_out or len(payload) + len(left_out[0].encode()) > 125
