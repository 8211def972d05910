"""How the answers to published events are read."""

import pytest

from touchline_loadtest.peers.peer import PeerFailed
from touchline_loadtest.peers.posts import response_at

WITH_LENGTH = b"HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7;x=1\r\n, world\r\n0\r\n\r\n"
EMPTY = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"


def test_responses_follow_each_other() -> None:
    data, position, read = WITH_LENGTH + CHUNKED + EMPTY, 0, []
    while response := response_at(data, position):
        read.append((response.status, response.body))
        position = response.end
    assert read == [(202, b"hello"), (200, b"hello, world"), (204, b"")]
    assert position == len(data)


@pytest.mark.parametrize("whole", [WITH_LENGTH, CHUNKED, EMPTY])
def test_no_part_of_a_response_is_taken_for_a_whole_one(whole: bytes) -> None:
    assert response_at(whole, 0) is not None
    assert all(response_at(whole[:cut], 0) is None for cut in range(len(whole)))


def test_a_response_without_a_length_is_refused() -> None:
    with pytest.raises(PeerFailed):
        response_at(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", 0)
