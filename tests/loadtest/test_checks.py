"""The generator's checks: frames are found however they are cut, and missing or repeated events are noticed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_loadtest.checks.order_check import OrderCheck
from touchline_loadtest.wire.event_values import event_value
from touchline_loadtest.wire.frames import BadReply, FrameReader
from touchline_loadtest.wire.handshake import after_upgrade
from touchline_protocol.codecs import JSON
from touchline_protocol.frames import OP_TEXT, frame
from touchline_protocol.messages import Error, Event, Subscribed

ROOM = "match:1"


def event(offset: int, prev: int | None, due: int = 0) -> bytes:
    return JSON.encode(Event(room=ROOM, offset=offset, prev=prev, ts=0, data={"due": due}))


def joined(head: int = 0, *, recovered: bool = False, after: int | None = None) -> OrderCheck:
    check = OrderCheck(after)
    check.receive(JSON.encode(Subscribed(room=ROOM, epoch="e", head=head, recovered=recovered)), 0)
    return check


def found(check: OrderCheck) -> tuple[int, int, int]:
    return check.events, check.gaps, check.repeats


def test_events_in_order_are_neither_a_gap_nor_repeated() -> None:
    check = joined(head=3)
    for offset, prev in ((5, 3), (6, 5), (9, 6)):
        check.receive(event(offset, prev), 0)
    assert found(check) == (3, 0, 0)


def test_a_missing_event_is_a_gap() -> None:
    check = joined()
    for offset, prev in ((1, 0), (3, 2), (4, 3)):
        check.receive(event(offset, prev), 0)
    assert found(check) == (3, 1, 0)


def test_an_event_missing_right_after_the_join_is_a_gap() -> None:
    check = joined(head=5)
    check.receive(event(7, 6), 0)
    assert found(check) == (1, 1, 0)


def test_an_event_that_arrives_twice_or_late_is_a_repeat() -> None:
    check = joined()
    for offset, prev in ((1, 0), (2, 1), (2, 1), (1, 0)):
        check.receive(event(offset, prev), 0)
    assert found(check) == (4, 0, 2)


def test_a_client_that_comes_back_is_checked_from_its_cursor_on() -> None:
    check = joined(head=9, recovered=True, after=4)
    check.receive(event(6, 5), 0)
    assert found(check) == (1, 1, 0)


def test_lateness_counts_from_when_the_event_was_due() -> None:
    check = joined()
    check.receive(event(1, 0, due=100), 350)
    assert check.latencies_ns == [250]


def test_an_unexpected_message_is_kept() -> None:
    check = joined()
    check.receive(JSON.encode(Error(code="bad_message", message="no")), 0)
    assert len(check.unexpected) == 1
    assert "bad_message" in check.unexpected[0]


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
