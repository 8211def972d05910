"""Names and cursors: which are valid, and that both survive being written down."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_protocol.actions import is_player
from touchline_protocol.cursor import Cursor
from touchline_protocol.errors import BadRoom, PeerError
from touchline_protocol.rooms import FORBIDDEN, is_feed_name, is_name, is_room_id, split_room

ROOT = Path(__file__).parents[2]
UNICODE_TABLES = re.compile(
    r"unicodedata|\.is(printable|identifier|alnum|alpha|digit|decimal|numeric|space)\(|\.casefold\("
)
PARTS = ("auth", "config", "control", "core")
IN_ASCII = 'return 0 < len(text) <= bytes_max and text.isprintable() and " " not in text'

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


def test_which_characters_a_name_may_contain_follows_from_the_table_alone() -> None:
    """Every code point: the interpreter's version of Unicode must not matter."""
    forbidden = {point for first, last, _ in FORBIDDEN for point in range(first, last + 1)}
    allowed = {point for point in range(0x110000) if is_name(chr(point), bytes_max=4)}
    assert allowed == set(range(0x110000)) - forbidden


def test_nothing_that_decides_asks_the_interpreters_unicode_tables() -> None:
    folders = ["protocol/touchline_protocol", "clients/python", *(f"server/touchline_server/{part}" for part in PARTS)]
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]
    lines = [line.strip() for file in files for line in file.read_text("utf-8").splitlines()]
    asked = [line for line in lines if UNICODE_TABLES.search(line) and ".isascii()" not in line]
    assert asked == [IN_ASCII]


@pytest.mark.parametrize("player", ["a\u200cb", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001fae9", "a\u0378"])
def test_a_player_may_have_the_same_names_as_a_room(player: str) -> None:
    assert is_player(player)
    assert not is_player(player + "\u202e")


def test_the_error_names_the_character_that_is_not_seen() -> None:
    with pytest.raises(BadRoom, match=r"U\+200B"):
        split_room("score:a\u200bb")


def test_the_error_shows_the_name_but_not_all_of_a_long_one() -> None:
    with pytest.raises(BadRoom, match="'Score:1'"):
        split_room("Score:1")
    with pytest.raises(BadRoom) as caught:
        split_room("x" * 10_000)
    assert len(str(caught.value)) < 400


epochs = st.text(min_size=1).filter(lambda epoch: "." not in epoch)


@given(epoch=epochs, offset=st.integers(-1, 2**63 - 1), ts=st.none() | st.integers(0, 2**53 - 1))
def test_a_cursor_is_read_as_it_was_written(epoch: str, offset: int, ts: int | None) -> None:
    assert Cursor.parse(str(Cursor(epoch, offset, ts))) == Cursor(epoch, offset, ts)


@pytest.mark.parametrize("ts", [-1, 2**53, -(2**63), 2**63 - 1])
def test_a_cursor_leaves_out_a_time_that_it_cannot_have(ts: int) -> None:
    assert Cursor.at("e", 1, ts) == Cursor("e", 1)


@given(text=st.text(st.characters()) | st.from_regex(r"[a.]{0,3}\.[-+0-9]{0,22}", fullmatch=True))
def test_any_text_is_a_cursor_or_an_error_of_the_peer(text: str) -> None:
    try:
        cursor = Cursor.parse(text)
    except PeerError:
        return
    assert str(cursor) == text
    assert -1 <= cursor.offset < 2**63
