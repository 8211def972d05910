"""What is shown of text from elsewhere: nothing that a terminal obeys or that hides, and no credentials."""

import json
import time
import timeit
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_protocol.errors import OperatorError, TouchlineError
from touchline_protocol.printable import counted, escaped, without_credentials

HARMFUL = {"Cc", "Cs", "Zl", "Zp"}
BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
MARKS = "\u061c\u200e\u200f\u200b\u2060\ufeff\u00ad\u180e\u034f\u3164\ufff9\U000e0041\U000e0100"


def test_no_character_that_a_terminal_obeys_or_that_hides_is_left() -> None:
    everything = [chr(code) for code in range(0x110000)]
    harmful = [
        one
        for one in everything
        if unicodedata.category(one) in HARMFUL or unicodedata.bidirectional(one) in BIDI or one in MARKS
    ]
    assert [hex(ord(one)) for one in harmful if not escaped(one).isascii() or not escaped(one).isprintable()] == []


@pytest.mark.parametrize("text", ["Zürich", "نمی‌خواهم", "क्‍ष", "👨‍👩‍👧", "❤️", "日本語", "e\u0301", "a\\u009b", ""])
def test_text_that_people_write_stays_as_it_is(text: str) -> None:
    assert escaped(text) == text


@given(st.dictionaries(st.text(), st.lists(st.text() | st.integers(), max_size=3), max_size=3))
def test_escaped_json_has_the_same_value(value: object) -> None:
    shown = escaped(json.dumps(value, ensure_ascii=False))
    assert json.loads(shown) == value
    assert shown.encode().decode() == shown


def test_a_lone_surrogate_can_be_printed() -> None:
    assert escaped('"\ud800"') == r'"\ud800"'
    assert json.loads(escaped('"\U000e0041"')) == "\U000e0041"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("kafka://user:hush@h:9092", "kafka://***@h:9092"),
        ("kafka://u:hush@h1:1,u:hush@h2:2", "kafka://***@h2:2"),
        ("'kafka://u:hu sh/@#?@h:1' is wrong", "'kafka://***@h:1' is wrong"),
        ("cannot reach wss://hush@h/ws: away", "cannot reach wss://***@h/ws: away"),
        ("ws://h/ws?token=hush cannot be reached", "ws://h/ws?*** cannot be reached"),
        ("'http://h/?key=hush' and http://h/?key=hush, too", "'http://h/?***' and http://h/?***, too"),
        ("'ws://h/?key=hush': see http://h", "'ws://h/?***': see http://h"),
        ("'sqlite:///home/ada@example.org/log.db' is locked", "'sqlite:///home/ada@example.org/log.db' is locked"),
        ("is it at http://h?", "is it at http://h?"),
        ("redis://:hush@h", "redis://***@h"),
        ("'user:hush@h:9092' is wrong", "'***@h:9092' is wrong"),
        ("'user:hu sh@h:9092' is wrong", "'***@h:9092' is wrong"),
        ("user:hush@h:9092: away", "***@h:9092: away"),
        ("(//user:hush@h)", "(//***@h)"),
        (":hush@h", "***@h"),
        ("u:hush@a:1,u:hush@b:2", "***@b:2"),
        ("u:hush@a:1,kafka://u:hush@b:2", "***@b:2"),
        ("u:hush@a:1,kafka://b:2", "***@a:1,kafka://b:2"),
        ("u:hush:/@h", "***@h"),
        ("kafka:u:hush@h", "***@h"),
        ("'h:1?password=hush' in 'kafka://h:1?password=hush'", "'h:1?password=***' in 'kafka://h:1?***'"),
        ("h:1?a=1&API_KEY=hush&b=2", "h:1?a=1&API_KEY=***&b=2"),
        ("h:1;sasl.password=hush", "h:1;sasl.password=***"),
        ("/v1/rooms/match:1/events?after=7", "/v1/rooms/match:1/events?after=7"),
        ("'sqlite:ada@example.org.db'", "'sqlite:ada@example.org.db'"),
        ("write to ada@example.org: now", "write to ada@example.org: now"),
        ("http://127.0.0.1:8081", "http://127.0.0.1:8081"),
        ("sqlite:///home/ada@example.org/log.db is locked", "sqlite:///home/ada@example.org/log.db is locked"),
        ("is this room@1 a room?", "is this room@1 a room?"),
    ],
)
def test_credentials_in_urls_are_masked(text: str, shown: str) -> None:
    assert without_credentials(text) == shown
    assert str(OperatorError(text)) == shown


def test_masking_takes_time_in_proportion_to_the_text() -> None:
    def seconds(text: str) -> float:
        # The CPU time of this thread: other work on the machine does not count.
        return min(timeit.repeat(lambda: without_credentials(text), number=1, repeat=3, timer=time.thread_time))

    for part in ("a:/", "@a:/", "a:/?", "'a:/", "' a:/@", "a:@", "'a:", "'a:b@", "?key", "?keykey=", "'"):
        assert seconds(part * 20_000) < 100 * seconds(part * 1_000) + 0.05, part


def test_every_error_of_ours_masks_them() -> None:
    def below(kind: type[Exception]) -> set[type[Exception]]:
        return {kind}.union(*(below(each) for each in kind.__subclasses__()))

    assert all(issubclass(each, TouchlineError) for each in below(TouchlineError))
    assert "hush" not in repr(OperatorError("kafka://u:hush@h"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (counted(0, "player"), "0 players"),
        (counted(1, "player"), "1 player"),
        (counted(1.0, "minute"), "1 minute"),
        (counted(0.5, "minute"), "0.5 minutes"),
        (counted(1_234_567, "player"), "1,234,567 players"),
        (counted(2, "match", "matches"), "2 matches"),
    ],
)
def test_one_thing_is_not_said_to_be_several(text: str, shown: str) -> None:
    assert text == shown
