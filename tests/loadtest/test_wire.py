"""What the load tests read and write on the wire: frames, responses to handshakes, and values that carry a time."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_loadtest.wire.event_values import event_value
from touchline_loadtest.wire.frames import BadReply, FrameReader
from touchline_loadtest.wire.handshake import after_upgrade
from touchline_protocol.frames import OP_TEXT, frame


@given(st.lists(st.binary(max_size=70_000), max_size=5), st.data())
def test_frames_are_found_however_the_bytes_are_cut(payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(frame(OP_TEXT, payload) for payload in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader = FrameReader()
    got: list[bytes] = []
    size = 0
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        for framed in reader.feed(stream[begin:end]):
            got.append(framed.payload)
            size += framed.size_bytes
    assert (got, size) == (payloads, len(stream))


def test_a_masked_frame_and_a_fragment_are_refused() -> None:
    for wrong in (b"\x81\x80", b"\x01\x00"):
        with pytest.raises(BadReply):
            list(FrameReader().feed(wrong))


def test_an_event_has_its_size_and_the_time_it_was_due() -> None:
    value = event_value(123_456_789_012_345, 200)
    assert len(value) == 200
    assert json.loads(value)["due"] == 123_456_789_012_345


def test_the_response_to_the_handshake_is_found_however_it_is_cut() -> None:
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
    assert {after_upgrade(answer[:end]) for end in range(len(answer))} == {None}
    assert after_upgrade(answer) == b""
    assert after_upgrade(answer + b"\x81\x00") == b"\x81\x00"


@pytest.mark.parametrize("answer", [b"HTTP/1.1 503 Service Unavailable\r\n\r\n", b"HTTP/1.1 101 " + b"x" * 20_000])
def test_a_refused_handshake_is_an_error_with_the_status(answer: bytes) -> None:
    with pytest.raises(BadReply, match=r"HTTP/1\.1 (503|101)"):
        after_upgrade(answer)
