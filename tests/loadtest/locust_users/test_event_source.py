"""The parser of server-sent events: a stream in any pieces means the same."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from touchline_loadtest.locust.connection.event_source import Block, EventSourceParser

STREAM = (
    'retry: 1874\n\nid: e.7\ndata: {"a":1}\n\n: beat\n\ndata: {"b":"ü"}\n\n'
    "id: e.8\r\ndata: first\r\ndata: second\r\n\r\n"
    "retry: 0\ndata: bye\n\n: close 1001 going_away\n\n"
).encode()
BLOCKS = [
    Block('{"a":1}', "e.7"),
    Block('{"b":"ü"}', "e.7"),
    Block("first\nsecond", "e.8"),
    Block("bye", "e.8"),
]


@given(st.lists(st.integers(0, len(STREAM))))
def test_a_stream_in_any_pieces_means_the_same(cuts: list[int]) -> None:
    parser = EventSourceParser()
    ends = [0, *sorted(cuts), len(STREAM)]
    blocks = [block for begin, end in pairwise(ends) for block in parser.feed(STREAM[begin:end])]
    assert blocks == BLOCKS
    assert (parser.last_event_id, parser.retry_ms, parser.close_code) == ("e.8", 0, 1001)


def test_a_block_that_was_cut_off_is_not_handed_out() -> None:
    assert EventSourceParser("e.1").feed(b"id: e.2\ndata: half") == []
