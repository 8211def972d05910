"""Counters of events must be right however the network cuts what a server sends."""

from hypothesis import given
from hypothesis import strategies as st

from touchline_loadtest.counters.event_counts import EventCounts
from touchline_loadtest.wire.event_values import MARK, event_value

FRAME = b'\x81\x7e{"d' + event_value(7, 60) + b'"due' + b'"'
"""It has beginnings of the mark that do not go on."""


@given(st.lists(st.integers(1, 40), max_size=60))
def test_every_mark_is_counted_once(cuts: list[int]) -> None:
    stream, counts, position = FRAME * 12, EventCounts(MARK), 0
    counts.add(1)
    for size in [*cuts, len(stream)]:
        part = stream[position : position + size]
        counts.count(1, bytearray(part + FRAME), len(part))  # the buffer still holds an earlier read
        position += size
    assert counts.events == {1: stream.count(MARK)}
