"""Room names and cursors: which are valid, and that both survive being written down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_protocol.cursor import Cursor
from touchline_protocol.errors import BadRoom, PeerError
from touchline_protocol.rooms import is_feed_name, is_room_id, split_room

feeds = st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True)


@given(feed=feeds, room_id=st.text(min_size=1, max_size=128).filter(is_room_id))
def test_a_room_name_is_split_at_its_first_colon(feed: str, room_id: str) -> None:
    assert split_room(f"{feed}:{room_id}") == (feed, room_id)


@given(name=st.text(st.characters()))
def test_any_text_is_a_room_name_or_bad_room(name: str) -> None:
    try:
        feed, room_id = split_room(name)
    except BadRoom as error:
        str(error).encode()
    else:
        assert name == f"{feed}:{room_id}"
        assert is_feed_name(feed)
        assert len(room_id.encode()) <= 128
        assert not any(char.isspace() for char in room_id)


def test_the_error_shows_the_name_but_not_all_of_a_long_one() -> None:
    with pytest.raises(BadRoom, match="'Score:1'"):
        split_room("Score:1")
    with pytest.raises(BadRoom) as caught:
        split_room("x" * 10_000)
    assert len(str(caught.value)) < 400


epochs = st.text(min_size=1).filter(lambda epoch: "." not in epoch)


@given(epoch=epochs, offset=st.integers(-1, 2**63 - 1))
def test_a_cursor_is_read_as_it_was_written(epoch: str, offset: int) -> None:
    assert Cursor.parse(str(Cursor(epoch, offset))) == Cursor(epoch, offset)


@given(text=st.text(st.characters()) | st.from_regex(r"[a.]{0,3}\.[-+0-9]{0,22}", fullmatch=True))
def test_any_text_is_a_cursor_or_an_error_of_the_peer(text: str) -> None:
    try:
        cursor = Cursor.parse(text)
    except PeerError:
        return
    assert str(cursor) == text
    assert -1 <= cursor.offset < 2**63
